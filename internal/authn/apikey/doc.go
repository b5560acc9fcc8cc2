// Package apikey authenticates callers by API keys and manages those keys.
//
// A key reads mcp_<id>.<secret>; see [keytext]. The id is public and names the
// key in logs and commands. The store holds HMAC-SHA256(pepper, secret) and
// never the key; the pepper is derived from the data folder's root key, so a
// stolen database alone tests no guess.
//
// # Life
//
// A key is active, then rotating, then deprecated, then revoked; see [life].
// [Service.Rotate] gives it a successor with the same rights and owner, in one
// step of the store. The successor's secret is shown at once, or made when its
// holder fetches it ([Service.Claim]): until then it does not exist. The
// running gateway calls [Service.RotateDue] and [Service.Sweep].
//
// # Parts
//
// [Grammar] makes and reads key texts. [Record] is what is stored. [Store] is
// what a database driver implements, [Notifier] who tells owners, [Throttle]
// who counts failures. [Service] creates, lists, rotates, revokes and verifies;
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
//   - A key that was rotated works until the end of its overlap, across
//     restarts; what a caller was told is over stays over, also if the clock
//     is set back.
//   - The key's text appears once: in what [Service.Create], [Service.Rotate]
//     or [Service.Claim] returns. [Key] prints as [redacted] whatever the verb.
//   - However many guesses fail, from wherever: whoever has a valid key passes.
package apikey
