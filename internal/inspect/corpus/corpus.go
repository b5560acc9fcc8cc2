// Package corpus makes a labelled corpus for measuring detectors: texts in
// which something was planted, with its place, and texts that only look like
// it. It is made from a seed, holds no data of anybody, and shares no code and
// no table with the detectors: checksums are computed here in another way.
//
// What it cannot do is stand for the world. The sentences were written by the
// people who wrote the rules, so that the figures say how the detectors do on
// what was thought of, not on what was not.
package corpus

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Sample is one text. A positive sample has a Kind and the place of what was
// planted; a negative one is about Detector, or about all if that is empty.
type Sample struct {
	Detector   string
	Kind       string
	Name       string // under which the text stands in a message, if any
	Text       string
	Start, End int
}

// Positive reports whether something was planted.
func (s Sample) Positive() bool { return s.Kind != "" }

// maker makes samples from one source of randomness.
type maker struct {
	r   *rand.Rand
	out []Sample
}

// Generate returns the corpus of a seed.
func Generate(seed uint64) []Sample {
	m := &maker{r: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))}
	m.secrets()
	m.personal()
	m.links()
	m.hosts()
	m.markup()
	m.formulas()
	m.terminals()
	m.invisible()
	m.orders()
	m.plain()
	return m.out
}

const (
	lowerLetters = "abcdefghijklmnopqrstuvwxyz"
	upperLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits       = "0123456789"
	letters      = lowerLetters + upperLetters
	alnum        = letters + digits
	hexDigits    = "0123456789abcdef"
	urlSafe      = alnum + "-_"
)

func (m *maker) n(from, to int) int { return from + m.r.IntN(to-from+1) }

func (m *maker) of(options ...string) string { return options[m.r.IntN(len(options))] }

// from returns n characters of a set.
func (m *maker) from(set string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = set[m.r.IntN(len(set))]
	}
	return string(b)
}

// token returns n characters of a set, with at least one digit and one letter.
func (m *maker) token(set string, n int) string {
	for {
		if t := m.from(set, n); strings.ContainsAny(t, digits) && strings.ContainsAny(t, letters) {
			return t
		}
	}
}

func (m *maker) uuid() string {
	h := m.from(hexDigits, 32)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// plant adds a positive sample: frame holds "%", or "¤" where percent signs
// stand for themselves, where the value goes.
func (m *maker) plant(detector, kind, frame, value string) {
	place := "%"
	if strings.Contains(frame, "¤") {
		place = "¤"
	}
	before, after, ok := strings.Cut(frame, place)
	if !ok {
		panic(fmt.Sprintf("frame without a place: %q", frame))
	}
	lead := ""
	if m.r.IntN(3) == 0 && !strings.HasPrefix(frame, "^") {
		lead = m.prose() + m.of("\n", " ", "\n\n")
	}
	before = strings.TrimPrefix(before, "^")
	if m.r.IntN(4) == 0 && !strings.HasPrefix(frame, "^") {
		after += m.of("\n", " ") + m.prose()
	}
	start := len(lead) + len(before)
	m.out = append(m.out, Sample{
		Detector: detector, Kind: kind, Text: lead + before + value + after, Start: start, End: start + len(value),
	})
}

// under adds a positive sample that is the value under a name.
func (m *maker) under(detector, kind, name, value string) {
	m.out = append(m.out, Sample{Detector: detector, Kind: kind, Name: name, Text: value, End: len(value)})
}

// not adds a negative sample.
func (m *maker) not(detector, text string) {
	if m.r.IntN(4) == 0 {
		text = m.prose() + "\n" + text
	}
	m.out = append(m.out, Sample{Detector: detector, Text: text})
}

// notUnder adds a negative sample that is the value under a name.
func (m *maker) notUnder(detector, name, text string) {
	m.out = append(m.out, Sample{Detector: detector, Name: name, Text: text})
}

// prose returns a sentence about nothing that any detector looks for.
func (m *maker) prose() string {
	return m.of("The", "Our", "A", "This", "Every") + " " + m.of("service", "report", "meeting", "release", "team", "customer", "parser", "schedule", "garden", "train") +
		" " + m.of("was moved to", "depends on", "is described in", "follows", "replaces", "waits for", "is slower than") + " " +
		m.of("the second quarter", "a larger table", "the older design", "what we agreed", "the weekly review", "an open question", "the northern line") +
		m.of("", ", as planned", ", which surprised nobody", " and nothing else") + "."
}
