// Package invisible finds characters that a reader does not see and a model
// reads: tag characters, zero-width and filler characters, runs of variation
// selectors, and the bidirectional controls that show text in another order
// than it stands in. What writing needs is let be: emoji that are joined or
// coloured, joiners in scripts that have them, direction marks in text that
// runs from right to left.
package invisible
