// Package sanitize takes secrets out of URLs and of texts that were found in
// other people's pages (requirement S1-7).
//
// A URL may carry a secret in any part: in a query parameter (its name may be
// percent-encoded, once or many times, or separated by ";"), in a matrix
// parameter, in the fragment, in userinfo, in a path segment, in a URL nested
// in a parameter. A [Sanitizer] reads all of them:
//
//	s, _ := sanitize.New([]string{"my_secret"})
//	s.URL("https://u:p@h/cb?%74oken=x&next=https%3A%2F%2Fi%2F%3Fcode%3Dy#id_token=z")
//	// https://h/cb?next=https%3A%2F%2Fi%2F
//
// Sensitive parameters are dropped. What looks like a token by itself (a JWT,
// a known key prefix, a long string without words) becomes [Redacted].
//
// Promises, each fuzzed: the result is a fixed point, URL(URL(x)) == URL(x);
// the result holds no control, bidirectional or invisible characters; the value
// of a sensitive parameter does not survive. Names are matched after decoding,
// without regard to case or to "-", "_" and spaces; more is taken out rather
// than less.
package sanitize
