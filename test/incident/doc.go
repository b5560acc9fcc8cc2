// Package incident tests a bad day with a whole gateway: risky callers are
// noticed, contained and let go again.
package incident
