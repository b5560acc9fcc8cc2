// Package password hashes passwords with argon2id and checks them against what
// is stored: PHC strings such as
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>
//
// Each hash takes its memory for a while, on purpose. A [Hasher] computes only
// so many at a time and lets only so many wait, so that a flood of guesses
// costs the attacker patience and not the gateway its memory.
package password
