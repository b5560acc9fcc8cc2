package content

import (
	"math/bits"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// set is a set of detectors of one prefilter, by number. The highest bit of
// byte masks marks digits.
type set uint64

const (
	digitBit     set = 1 << 63
	tokenBit     set = 1 << 62 // a string may hold a token of ours
	maxDetectors     = 62
)

// signals is what one pass over a string learns.
type signals struct {
	hits   set // detectors one of whose bytes or words occurs
	digits int
}

// prefilter tests the hints of all detectors of a rule set in one pass: a table
// of single bytes, and one automaton for all words (Aho and Corasick, 1975).
type prefilter struct {
	bytes    [256]set
	raw      [256]uint8 // class of a byte in raw JSON; stop ends the run
	decoded  [256]uint8 // the same without stop
	shift    uint       // a state is the offset of its row: number << shift
	next     []uint32   // [state | class]
	accept   []set      // by state >> shift
	accepts  uint32     // states from here on accept
	open     set        // detectors without bytes and words
	minLen   []int
	digits   []int
	numbers  []numbers
	minOpens int // digits that each of open needs at least
}

// numbers is a detector for which digits can stand in for its bytes and words.
type numbers struct {
	of             set
	digits, minLen int
}

// stop is the class of what ends a run of plain characters in a JSON string.
const stop = 0xff

func newPrefilter(detectors []finding.Detector) *prefilter {
	p := &prefilter{}
	type word struct {
		text string
		of   set
	}
	words := []word{{tokenPrefix, tokenBit}}
	p.minOpens = int(^uint(0) >> 1)
	for i, d := range detectors {
		h, bit := d.Hint(), set(1)<<i
		p.minLen, p.digits = append(p.minLen, h.MinLen), append(p.digits, h.Digits)
		for _, c := range []byte(h.Bytes) {
			p.bytes[c] |= bit
		}
		if h.Beyond {
			for c := 0x80; c < 256; c++ {
				p.bytes[c] |= bit
			}
		}
		for _, w := range h.Words {
			if w != "" {
				words = append(words, word{w, bit})
			}
		}
		if h.OrDigits > 0 {
			p.numbers = append(p.numbers, numbers{bit, h.OrDigits, h.OrLen})
		}
		if h.Bytes == "" && !h.Beyond && len(h.Words) == 0 {
			p.open |= bit
			p.minOpens = min(p.minOpens, h.Digits)
		}
	}
	for c := '0'; c <= '9'; c++ {
		p.bytes[c] |= digitBit
	}
	classes := 1
	for _, w := range words {
		for _, c := range []byte(w.text) {
			if p.decoded[lower(c)] == 0 {
				p.decoded[lower(c)] = uint8(classes) //nolint:gosec // fewer than 256 characters, upper case folded
				classes++
			}
		}
	}
	for c := 'A'; c <= 'Z'; c++ {
		p.decoded[c] = p.decoded[lower(byte(c))]
	}
	p.raw = p.decoded
	for c := range 0x20 {
		p.raw[c] = stop
	}
	p.raw['"'], p.raw['\\'] = stop, stop
	p.shift = uint(bits.Len(uint(classes - 1)))
	t := trie{classes: classes}
	t.add()
	for _, w := range words {
		t.insert(&p.decoded, w.text, w.of)
	}
	t.compile(p)
	return p
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// trie is the automaton while it is built: states by number, 0 is the root.
type trie struct {
	classes int
	next    [][]int
	of      []set
}

func (t *trie) add() int {
	t.next = append(t.next, make([]int, t.classes))
	t.of = append(t.of, 0)
	return len(t.next) - 1
}

func (t *trie) insert(class *[256]uint8, text string, of set) {
	state := 0
	for _, c := range []byte(text) {
		k := class[lower(c)]
		if t.next[state][k] == 0 {
			t.next[state][k] = t.add()
		}
		state = t.next[state][k]
	}
	t.of[state] |= of
}

// compile follows the failure links once and writes rows whose states are
// offsets, those that accept last.
func (t *trie) compile(p *prefilter) {
	fail := make([]int, len(t.next))
	order := []int{0}
	for at := 0; at < len(order); at++ {
		s := order[at]
		for k, to := range t.next[s] {
			back := 0
			if s != 0 {
				back = t.next[fail[s]][k]
			}
			if to == 0 {
				t.next[s][k] = back
				continue
			}
			fail[to] = back
			t.of[to] |= t.of[back]
			order = append(order, to)
		}
	}
	number := make([]uint32, len(t.next))
	n := uint32(0)
	for _, accepting := range [...]bool{false, true} {
		if accepting {
			p.accepts = n << p.shift
		}
		for s := range t.next {
			if (t.of[s] != 0) == accepting {
				number[s] = n
				n++
			}
		}
	}
	p.next = make([]uint32, len(t.next)<<p.shift)
	p.accept = make([]set, len(t.next))
	for s, row := range t.next {
		p.accept[number[s]] = t.of[s]
		for k, to := range row {
			p.next[int(number[s])<<p.shift|k] = number[to] << p.shift
		}
	}
}

// scan reads b from i on until its end or, with the classes of raw JSON, until
// what ends a run of plain characters.
func (p *prefilter) scan(b []byte, i int, class *[256]uint8) (int, signals) {
	var sig signals
	var seen set
	state, next := uint32(0), p.next
	for ; i < len(b); i++ {
		c := b[i]
		k := class[c]
		if k == stop {
			break
		}
		m := p.bytes[c]
		seen |= m
		sig.digits += int(m >> 63)
		state = next[state|uint32(k)]
		if state >= p.accepts {
			seen |= p.accept[state>>p.shift]
		}
	}
	sig.hits = seen &^ digitBit
	return i, sig
}

// concerned returns the detectors whose hints are met by a string of n bytes.
func (p *prefilter) concerned(n int, sig signals, name set) set {
	cand := (sig.hits | name) &^ tokenBit
	if sig.digits >= p.minOpens {
		cand |= p.open
	}
	for _, o := range p.numbers {
		if sig.digits >= o.digits && n >= o.minLen {
			cand |= o.of
		}
	}
	for rest := cand; rest != 0; rest &= rest - 1 {
		if i := bits.TrailingZeros64(uint64(rest)); n < p.minLen[i] || sig.digits < p.digits[i] {
			cand &^= 1 << i
		}
	}
	return cand
}
