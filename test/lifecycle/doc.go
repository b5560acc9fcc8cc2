// Package lifecycle changes, stops and re-keys a gateway while callers use it.
package lifecycle
