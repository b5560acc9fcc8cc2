// Package injection finds text that gives orders to a model: to drop its
// instructions, to show them, to send data away, to call tools behind the
// user's back, to take another role.
//
// Rules stand in a file (TOML). A rule is a row of words that must follow one
// another closely, each with alternatives; its score says how telling it is.
// Matching is on what a reader would read: case, accents, full-width and
// mathematical letters, look-alikes of other scripts, digits for letters,
// invisible characters, and everything between letters are folded away first,
// so that "I-g n 0 r e" is "ignore". All rules are found in one pass.
//
// A phrase that is quoted in a text about such attacks is reported with a
// lower score. That is a trade: who writes an attack can add such words. A
// strict detector does not make it.
package injection
