// Package apikey authenticates callers by API keys and manages those keys.
//
// A key reads
//
//	mcp_<32 hex>.<43 base64url>
//	    └ id     └ secret: 28 random bytes and a CRC-32 (big endian)
//
// The id is public and names the key in logs and commands. The checksum covers
// prefix, id and the random bytes, so a scanner recognises a real key without
// asking anyone and a mistyped one is refused without a lookup. The store holds
// HMAC-SHA256(pepper, secret) and never the key; the pepper is derived from the
// data folder's root key, so a stolen database alone tests no guess.
//
// # Parts
//
// [Grammar] makes and reads key texts. [Record] is what is stored, and its
// [Record.StatusAt] computes the state from stored times alone. [Store] is what
// a database driver implements. [Service] creates, lists, revokes and verifies;
// [Service.Authenticator] is the guard of a route.
//
// # Promises
//
//   - A key whose [Service.Revoke] has returned is accepted by no call that
//     starts afterwards in this process; a revoked key never comes back.
//   - Unknown id, wrong secret, expired, revoked and "not for this route" are
//     answered with the same words after the same work: one keyed hash and one
//     constant-time comparison. Only the log tells them apart.
//   - A key that was verified before is checked without a lock, an allocation
//     or the store. While the store is down it works for the cache's lifetime;
//     after that the answer is 503, never "yes".
//   - The key's text appears once, in what [Service.Create] returns. [Key]
//     prints as [redacted] whatever the verb.
package apikey
