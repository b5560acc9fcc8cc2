// Package basic authenticates people and programs by user name and password,
// and manages those users.
//
// # Names and passwords
//
// A name is what RFC 8265 calls UsernameCaseMapped, of letters, digits and
// ". _ - @ +", at most 128 bytes: Alice, alice and ＡＬＩＣＥ are one user. A
// password is an OpaqueString: any characters, case and spaces kept, compared
// in one normal form. [Canonical] and [Service] apply both, for a name that is
// given to a new user and for one that somebody types to log in.
//
// # Parts
//
// The package password hashes (argon2id, PHC strings), lockout makes guessers
// wait. [Record] is what is stored, [Store] what a driver implements, [Sessions]
// who ends the sessions of a user whose rights end. [Service.Check] decides on
// one attempt; [Service.Authenticator] is the guard "basic" of a route (RFC
// 7617); gateway/login is POST /auth/login.
//
// # Promises
//
//   - Wrong password, unknown name, disabled user and malformed name are
//     answered with the same words after the same work, one hash. Only the
//     audit log tells them apart.
//   - What is locked is answered at once, without a hash: names are locked
//     whether or not they exist.
//   - A guesser locks a name for its own address. From addresses at which the
//     user has logged in before, guesses from elsewhere lock nobody out.
//   - When a change of password or roles, disabling or removal has returned, no
//     call that starts later is accepted with what was before, and the user's
//     sessions are ended.
//   - A password is never stored, logged, or held longer than its check; a name
//     that no user has may be a password, and is logged as a keyed hash.
//   - However many passwords are sent at once, a bounded number is hashed at a
//     time and a bounded number waits; all others are answered 503.
package basic
