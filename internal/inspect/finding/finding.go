// Package finding is the vocabulary that detectors of content and the engine
// that runs them share. A detector reads one string of a message and says what
// stands in it and where; what happens to it, a rule decides
// ([github.com/portcullis-dev/portcullis/internal/inspect/content]).
package finding

// Finding is a place in one string. It is plain data: it holds no byte of the
// string, so that it may be kept, counted and logged.
type Finding struct {
	Start, End int    // bytes of the decoded string; Start < End
	Kind       string // "pii.email", "secret.github_token": one of the detector's Kinds
	Score      uint8  // how sure the detector is, 0 to 100
}

// Detector finds things of some kinds in a string. It is immutable and safe
// for concurrent use, takes time linear in the length of the string and
// allocates nothing but what append needs. It neither keeps nor changes s.
type Detector interface {
	// Name is what rules select it by: "secret", "pii.email".
	Name() string
	// Kinds are all the kinds that Find reports. Each is Name itself or begins
	// with Name and a dot. They label metrics and events.
	Kinds() []string
	// Hint says what a string must hold for Find to find anything in it.
	Hint() Hint
	// Find appends what it finds in s, in order of Start and without overlap.
	Find(dst []Finding, s []byte) []Finding
}

// Named is a Detector that also looks at the name under which a string stands:
// of {"password": "hunter2"}, the value says nothing by itself. The engine calls
// FindUnder in place of Find for every string that has a name. The elements of
// an array stand under the name of the array.
type Named interface {
	Detector
	FindUnder(dst []Finding, name, s []byte) []Finding
}

// Masker is a Detector that can show a part of what it found: "n***@domain",
// "****-****-****-1234". A rule that masks redacts what has no mask.
//
// The mask of a mask is the mask, or is not found at all.
type Masker interface {
	Detector
	// Mask appends what to show in place of found, the bytes of one finding.
	Mask(dst []byte, kind string, found []byte) []byte
}

// Cleaner is a Detector that can take the harm out of what it found and keep
// the rest: a tag is dropped, a formula is quoted, an invisible character goes.
// A rule that cleans redacts what cannot be cleaned.
//
// The engine looks again at what was cleaned, until nothing is found that a
// rule would change: dropping "<b>" from "<<b>script>" leaves no tag.
type Cleaner interface {
	Detector
	// Clean appends what is left of found, the bytes of one finding: maybe
	// nothing.
	Clean(dst []byte, kind string, found []byte) []byte
}

// Hint is a necessary condition on strings, cheap to test for all detectors at
// once in one pass. A string that does not meet it is not shown to the
// detector. The zero Hint is met by every string.
//
// A string meets the hint if it has MinLen bytes, Digits ASCII digits, and if
// any of Bytes, Words and Beyond are given, at least one of those. A word in
// the name under which the string stands counts too. Where OrDigits is given,
// that many digits in OrLen bytes or more do in place of Bytes, Words and Beyond.
type Hint struct {
	MinLen   int      // bytes
	Digits   int      // ASCII digits in all, not in a row
	Bytes    string   // ASCII characters, one of which must occur
	Words    []string // ASCII texts, one of which must occur, in upper or lower case
	Beyond   bool     // a byte above ASCII
	OrDigits int
	OrLen    int
}
