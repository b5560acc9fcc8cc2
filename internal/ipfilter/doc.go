// Package ipfilter says where a request comes from and whether that address
// may call (requirements S0-28, S1-12, S3-15).
//
// A [Resolver] finds the client's address and whether the client used TLS. It
// believes X-Forwarded-For, Forwarded and X-Forwarded-Proto only from trusted
// proxies; with none configured, the default, it believes nobody. A [Filter]
// matches the address against deny and allow lists. [Classify] and [IsPublic]
// tell what an address is for, for guards against server-side request forgery.
//
// # Reading proxy headers
//
// Entries are read from right to left, since each proxy appends on the right,
// and only while the hop that wrote them is trusted. The first address that is
// no trusted proxy is the client; if all are trusted, the leftmost is. What
// stands further left was written by strangers and is never read.
//
// Doubt ends at the zero address, which means "not known": it matches no allow
// list, is refused by a [Filter] that has any list, and shares one rate limit
// with all other unknown clients. That happens when a trusted hop wrote an
// entry that cannot be read (also the "unknown" and the obfuscated identifiers
// of RFC 7239), and when X-Forwarded-For and Forwarded are both there and name
// different clients. Name the one header that your proxy writes in
// Config.ForwardedHeader, and the other is ignored.
//
// The client counts as secure if it connected over TLS here, or if a trusted
// proxy says "https". If any hop that was read says otherwise, or the two
// headers contradict each other, it does not. A trusted proxy must therefore set
// X-Forwarded-Proto itself: one that passes on what clients send lends them its
// word.
package ipfilter
