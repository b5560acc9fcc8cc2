// Package privacy tests consents, protected health information and reports in
// a whole gateway, over real sockets.
package privacy
