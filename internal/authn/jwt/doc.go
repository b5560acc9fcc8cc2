// Package jwt finds out who is calling from an access token: a JSON Web Token
// of a configured issuer (RFC 7519, RFC 9068), or an opaque token that the
// issuer vouches for (RFC 7662). To those issuers the gateway is an OAuth 2.1
// resource server and nothing more: it never forwards or exchanges a token. Its
// own tokens (package token) are checked here too, by [NewOwn].
//
//	Authorization ──▶ strict reading ──▶ issuer by iss ──▶ key by kid ──▶ signature
//	    ──▶ claims ──▶ audience of the route ──▶ proof of possession ──▶ Principal
//
// A [Service] stands for one issuer and lives as long as the process: it holds
// the issuer's keys and the tokens it has verified. An [Authenticator] is the
// guard of one route: it knows which audiences the route accepts.
//
// go-jose checks the signatures. Everything it is lenient about is refused
// before it sees a token: base64url that is not canonical, names that occur
// twice, headers that name a key (jku, x5u, jwk, x5c) or demand extensions
// (crit), keys that are weak (RSA under 2048 bits, the ROCA family, short HMAC
// secrets) or that their own labels (use, key_ops, alg) say are for something
// else, sets of keys that mix secrets and public keys or repeat a kid.
//
// An issuer has either public keys or one secret, never both, so that a public
// key can never be taken for a secret.
//
// What is refused is told to the caller in two words and to the log with its
// reason; a token, or a part of one, is never in an error or a log line.
package jwt
