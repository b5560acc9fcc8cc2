// Package card reads, checks, rewrites, signs and verifies agent cards: the
// documents in which A2A agents say who they are, where they are reached, what
// callers have to prove and what they can do. It is pure: bytes and values in,
// bytes and values out.
//
// A card is input of a stranger. [Parse] takes the forms of A2A 1.0 and 0.3,
// and cards that are both at once, as servers write them that have clients of
// either. It refuses what has more than one reading: a member that occurs
// twice, another spelling of a member, two forms that say different things, a
// scheme that is two schemes, a skill that is there twice. Members that no form
// defines are let through and dropped: nothing is written ([Card.Append]) that
// was not read.
//
// Signatures are JSON Web Signatures over the canonical form ([Canonical], RFC
// 8785) of the card without them. Whose key verifies is decided by who
// configured it ([Keys]): a key that the card itself names (jku, jwk, x5c, x5u)
// is never looked at.
package card
