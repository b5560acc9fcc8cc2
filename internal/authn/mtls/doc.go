// Package mtls authenticates callers by their client certificate (mutual TLS).
//
// Two guards share one [trust.Verifier]. [Guard] stands at the edge of every
// route: whoever presents a certificate that does not count is refused, whatever
// else the request carries, and so is whoever presents none where one is
// required. [Authenticator] says who it is: the first of its [Rules] that fits
// the certificate names the caller, and a certificate that no rule fits is
// refused.
//
// The TLS handshake proves that the caller holds the key and decides nothing
// more. A certificate that is refused here leaves an audit event with the
// address, the route and the fingerprint, and an answer that a person can read;
// a failed handshake leaves neither. Both guards ask the verifier on every call,
// the authenticator also while a stream runs: a connection that was opened with
// a good certificate ends to be one when the certificate does.
package mtls
