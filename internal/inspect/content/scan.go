package content

import (
	"bytes"
	"cmp"
	"math/bits"
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonstring"
)

// scan is one message under inspection. It is pooled: its buffers stay.
type scan struct {
	walk
	engine *Engine
	set    *ruleSet
	msg    *portcullis.Message
	swap   bool // tokens are swapped back for this caller

	b    []byte // the message
	out  []byte // the rewritten message up to b[from:]; nil while nothing changed
	from int

	str    []byte // memory of the string under inspection, if it holds escapes
	blob   []byte // memory of what base64 encodes
	turn   [2][]byte
	found  []finding.Finding
	edits  []edit
	ours   []span
	tally  []count
	seen   [64]seenName
	saw    bool // a detector found something
	edited int

	changed bool // what judge looked at last was rewritten
	last    int  // turn holds it
	where   place
	located bool // where is known
	at      []byte

	memo map[string]string // tokens of this message, by what they stand for
	err  error
}

// count is how often a kind met an action.
type count struct {
	kind   string
	action Action
	n      int
}

// Bounds of one message.
const (
	maxEdits  = 10_000 // findings that are rewritten; a message with more is refused
	maxRounds = 4      // looks at a string that was rewritten, until nothing is found in it
	minNumber = 9      // digits from which a number is read: a social security number has nine
)

func (s *scan) begin(e *Engine, set *ruleSet, m *portcullis.Message, swap bool) {
	s.engine, s.set, s.msg, s.swap, s.b = e, set, m, swap, m.Raw
	s.walk.reset()
	s.tally, s.edited, s.from = s.tally[:0], 0, 0
}

// end forgets the message, but not the memory.
func (s *scan) end() {
	s.engine, s.set, s.msg, s.b, s.out, s.err = nil, nil, nil, nil, nil, nil
	clear(s.memo)
	clear(s.seen[:])
	stack := s.stack[:cap(s.stack)]
	for i := range stack {
		stack[i].name = nil
	}
}

// maxKept is the memory, in bytes, above which a scan is not pooled.
const maxKept = 1 << 20

func (s *scan) large() bool {
	return cap(s.str)+cap(s.blob)+cap(s.turn[0])+cap(s.turn[1]) > maxKept
}

// read returns what the string whose quote is at i says, what its hints are,
// and the offset behind it, -1 if it has no end. memory holds the text of a
// string with escapes.
func (s *scan) read(b []byte, i int, memory *[]byte) (text []byte, sig signals, end int) {
	pre := s.set.pre
	end, sig = pre.scan(b, i+1, &pre.raw)
	if end >= len(b) {
		return nil, sig, -1
	}
	if b[end] == '"' {
		return b[i+1 : end], sig, end + 1
	}
	if *memory, end = jsonstring.Unescape((*memory)[:0], b, i+1); end < 0 {
		return nil, sig, -1
	}
	_, sig = pre.scan(*memory, 0, &pre.decoded)
	return *memory, sig, end
}

// name takes the name of a member. A name is never rewritten: two could become
// the same.
func (s *scan) name(b []byte, at int) int {
	f := &s.stack[len(s.stack)-1]
	known, end := s.seenName(b, at)
	if end > 0 {
		f.name, f.hits, f.tainted = known.text, known.hits, false
		return end
	}
	text, sig, end := s.read(b, at, &f.decoded)
	if end < 0 {
		return -1
	}
	f.name, f.hits, f.tainted = text, sig.hits&s.set.looks, true // until it is known better no path shows it
	s.saw = false
	if cand := s.set.pre.concerned(len(text), sig, 0); cand != 0 {
		s.where, s.located = fixed, true
		if !s.judge(text, nil, cand) {
			return -1
		}
	}
	if f.tainted = s.saw; !s.saw && known != nil && end == at+len(text)+2 {
		*known = seenName{text, f.hits}
	}
	return end
}

// seenName is a name in which nothing was found. Objects in lists have the same
// names over and over.
type seenName struct {
	text []byte
	hits set
}

const maxSeenName = 64

// seenName returns the place for the name whose quote is at i, nil if it is
// too long for one, and the offset behind the name if it was seen before.
func (s *scan) seenName(b []byte, i int) (*seenName, int) {
	i++
	n := bytes.IndexByte(b[i:min(len(b), i+maxSeenName)], '"')
	if n < 1 {
		return nil, 0
	}
	text := b[i : i+n]
	place := &s.seen[(int(text[0])+int(text[n-1])*5+int(text[n/2])*23+n)%len(s.seen)]
	if bytes.Equal(place.text, text) { // it has no escape, or it would not be there
		return place, i + n + 1
	}
	return place, 0
}

// text takes a string value.
func (s *scan) text(b []byte, at int) int {
	name, hits := s.under()
	text, sig, end := s.read(b, at, &s.str)
	if end < 0 {
		return -1
	}
	if cand := s.set.pre.concerned(len(text), sig, hits); cand != 0 || s.swap && sig.hits&tokenBit != 0 {
		if !s.value(at, end, text, name, cand) {
			return -1
		}
	}
	if carriesBase64(name) && s.from <= at { // and no rule changed it as it stands
		if !s.encoded(at, end, text) {
			return -1
		}
	}
	return end
}

// value lets the rules decide on the value at b[at:end], which says text.
func (s *scan) value(at, end int, text, name []byte, cand set) bool {
	s.located = false
	if !s.judge(text, name, cand) {
		return false
	}
	next := s.rewritten(text)
	if s.swap && s.place() == free {
		next = s.swapBack(text, next)
	}
	if !bytes.Equal(next, text) {
		s.replace(at, end, next)
	}
	return true
}

// number takes a number. One that a rule would rewrite becomes a string.
func (s *scan) number(b []byte, at int) int {
	end := at
	for end < len(b) && (b[end] >= '0' && b[end] <= '9' || b[end] == '-' || b[end] == '+' || b[end] == '.' || b[end]|0x20 == 'e') {
		end++
	}
	if end-at < minNumber {
		return end
	}
	text := b[at:end]
	pre := s.set.pre
	_, sig := pre.scan(text, 0, &pre.decoded)
	if sig.digits < minNumber || bytes.ContainsAny(text, ".eE") {
		return end
	}
	name, hits := s.under()
	if cand := pre.concerned(len(text), sig, hits); cand != 0 && !s.value(at, end, text, name, cand) {
		return -1
	}
	return end
}

// place says what may be done to the string where the walk stands. It is asked
// for only when there is something to do.
func (s *scan) place() place {
	if !s.located {
		s.at = s.appendPath(s.at[:0])
		s.where, s.located = places[string(s.at)], true
	}
	return s.where
}

// judge lets the rules decide on what is found in text, and again on what they
// made of it, until they change nothing. rewritten holds the result. It reports
// false if the message is refused.
func (s *scan) judge(text, name []byte, cand set) bool {
	s.turn[0], s.turn[1] = s.turn[0][:0], s.turn[1][:0]
	s.changed = false
	now := text
	for round := 0; cand != 0; round++ {
		if !s.collect(now, name, cand, round == 0) {
			return false
		}
		if len(s.edits) == 0 {
			return true
		}
		if s.place() != free {
			first := &s.edits[0]
			return s.block(first.kind, "where it cannot be rewritten")
		}
		if s.edited += len(s.edits); s.edited > maxEdits {
			return s.block(s.edits[0].kind, "too often")
		}
		next := s.apply(s.turn[round&1][:0], now)
		s.turn[round&1] = next
		if bytes.Equal(next, now) {
			return true
		}
		s.changed, s.last = true, round&1
		if round == maxRounds || !validText(next) {
			s.turn[s.last] = appendRedacted(next[:0], wholeString)
			return true
		}
		now = next
		pre := s.set.pre
		_, sig := pre.scan(now, 0, &pre.decoded)
		_, hits := s.under()
		cand = pre.concerned(len(now), sig, hits)
	}
	return true
}

// rewritten returns what judge made of text.
func (s *scan) rewritten(text []byte) []byte {
	if !s.changed {
		return text
	}
	return s.turn[s.last]
}

// collect asks the detectors about a string and the rules about what they find,
// and notes what is to be rewritten. It reports false if the message is refused.
func (s *scan) collect(text, name []byte, cand set, first bool) bool {
	s.edits = s.edits[:0]
	haveOurs := false
	for ; cand != 0; cand &= cand - 1 {
		i := bits.TrailingZeros64(uint64(cand))
		d := s.set.detectors[i]
		if named := s.set.named[i]; named != nil && name != nil {
			s.found = named.FindUnder(s.found[:0], name, text)
		} else {
			s.found = d.Find(s.found[:0], text)
		}
		for _, f := range s.found {
			if f.Start < 0 || f.End > len(text) || f.Start >= f.End {
				s.err = &portcullis.Error{Kind: portcullis.KindInternal, Detail: "detector " + d.Name() + " found what is outside of the string"}
				return false
			}
			s.saw = true
			if !haveOurs {
				s.ours, haveOurs = s.ownSpans(s.ours[:0], text), true
			}
			if !s.decide(f, d, first) {
				return false
			}
		}
	}
	return true
}

// decide asks the rules about one finding.
func (s *scan) decide(f finding.Finding, d finding.Detector, first bool) bool {
	e := edit{span: span{f.Start, f.End}, score: f.Score, detector: d}
	near, _ := slices.BinarySearchFunc(s.ours, f.Start, func(o span, at int) int { return cmp.Compare(o.end, at+1) })
	for _, o := range s.ours[near:] {
		if o.start >= e.end {
			break
		}
		if o.start <= e.start && e.end <= o.end { // what stands in a redaction is harmless
			return true
		}
		e.start, e.end = min(e.start, o.start), max(e.end, o.end) // one that is hit in part goes as a whole
	}
	kind, rules := s.set.rules(f.Kind, d)
	for _, r := range rules {
		if f.Score < r.minScore || r.excepts(s) {
			continue
		}
		e.kind, e.action = kind, r.action
		break
	}
	switch {
	case e.action == Allow, f.Score < opaqueScore && s.place() == opaque:
		return true
	case e.action == Block:
		return s.block(e.kind, "")
	case e.action.rewrites():
		s.edits = append(s.edits, e)
	}
	if first {
		s.count(e.kind, e.action)
	}
	return true
}

// tool is the tool that the message is about. What a server sends unasked is
// about none, whatever it names.
func (s *scan) tool() string {
	unasked := s.msg.Direction == portcullis.ToClient && s.msg.Shape != portcullis.ShapeResult && s.msg.Shape != portcullis.ShapeError
	if s.msg.Target.Kind == portcullis.TargetTool && !unasked {
		return s.msg.Target.Name
	}
	return ""
}

func (s *scan) count(kind string, a Action) {
	for i := range s.tally {
		if c := &s.tally[i]; c.kind == kind && c.action == a {
			c.n++
			return
		}
	}
	s.tally = append(s.tally, count{kind, a, 1})
}

// block refuses the message. Kind and path are told, what was found never is.
func (s *scan) block(kind, why string) bool {
	s.count(kind, Block)
	detail := kind + " at " + s.path()
	if why != "" {
		detail += ", " + why
	}
	s.err = &portcullis.Error{
		Kind: portcullis.KindForbidden, Reason: "content_blocked", Public: "Blocked by a content rule",
		Event: portcullis.EventContentBlocked, Detail: detail,
	}
	return false
}

// replace puts a string in the place of the value at b[at:end].
func (s *scan) replace(at, end int, text []byte) {
	if s.out == nil {
		s.out = make([]byte, 0, len(s.b)+len(s.b)/8+64)
	}
	s.out = append(s.out, s.b[s.from:at]...)
	s.out = appendQuoted(s.out, text)
	s.from = end
}
