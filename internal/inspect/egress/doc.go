// Package egress finds hosts that a tool should not be sent to: loopback,
// private and link-local addresses, metadata services of clouds, and names
// that only resolve inside a network. It reads an address the way clients do:
// in one to four parts, decimal, octal or hexadecimal, percent-encoded, with
// full-width digits, inside IPv6, behind userinfo, or in a name such as
// 127.0.0.1.nip.io.
//
// It looks at the hosts of URLs wherever they stand, and at a string that is
// nothing but a host. Which names resolve where, only the dialer can know: this
// detector is no replacement for refusing addresses there.
package egress
