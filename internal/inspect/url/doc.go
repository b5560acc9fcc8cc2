// Package url finds what URLs in a text give away: credentials in any of their
// parts, and links that carry data to a host nobody listed.
//
// A URL may carry a secret in a query parameter (its name may be
// percent-encoded, once or many times, or separated by ";"), in a matrix
// parameter, in the fragment, in userinfo, in a path segment, in a URL nested
// in a parameter. [Names] knows the names, [IsToken] what looks like a token by
// itself; the detector reports the place of the value, so that the rest of the
// URL stays as it is.
package url
