package injection

import (
	"fmt"
	"slices"
	"sync"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// kinds are what rules may say, and what is reported behind "injection.".
var kinds = [...]string{"override", "exfiltrate", "tool", "role", "conceal", "prompt"}

func known(kind string) bool { return slices.Contains(kinds[:], kind) }

// Options of a detector.
type Options struct {
	Rules     Rules
	Threshold int  // the sum of scores from which a text is reported in full; 60 if 0
	Strict    bool // a phrase that is quoted in a text about attacks counts in full
}

const (
	defaultThreshold = 60
	defaultGap       = 16
	atThreshold      = 60 // the score of a text that just reaches the threshold
	maxScore         = 99
	lookBack         = 64 // positions of letters that are remembered, a power of two
)

// Detector finds orders to models. Use [New].
type Detector struct {
	m         *machine
	kind      []string
	score     []int
	steps     []uint8
	gap       []int32
	threshold int
	strict    bool
	scratch   *sync.Pool
}

// mark is a step that a rule has come to: where its first word begins in the
// text, and the letter at which the word of the step ends.
type mark struct{ start, end int32 }

// progress holds the last two marks of each step: a word may also be the
// beginning of the next one, as "initial" is of "initial instructions".
type progress struct{ last, before [maxSteps]mark }

type scratch struct{ at []progress }

// New returns the detector.
func New(o Options) (*Detector, error) {
	if err := o.Rules.validate(); err != nil {
		return nil, err
	}
	m, err := build(o.Rules)
	if err != nil {
		return nil, err
	}
	d := &Detector{m: m, threshold: o.Threshold, strict: o.Strict}
	if d.threshold == 0 {
		d.threshold = defaultThreshold
	}
	if d.threshold < 1 || d.threshold > 1000 {
		return nil, fmt.Errorf("injection threshold %d: want 1 to 1000", d.threshold)
	}
	for _, r := range o.Rules.Rule {
		d.kind = append(d.kind, "injection."+r.Kind)
		d.score = append(d.score, r.Score)
		d.steps = append(d.steps, uint8(len(r.Words)))
		gap := r.Gap
		if gap == 0 {
			gap = defaultGap
		}
		d.gap = append(d.gap, int32(gap))
	}
	n := len(o.Rules.Rule)
	d.scratch = &sync.Pool{New: func() any { return &scratch{at: make([]progress, n)} }}
	return d, nil
}

// Name returns "injection".
func (*Detector) Name() string { return "injection" }

// Kinds returns every kind that Find reports.
func (*Detector) Kinds() []string {
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = "injection." + k
	}
	return out
}

// Hint asks for twelve bytes: no order is shorter.
func (*Detector) Hint() finding.Hint { return finding.Hint{MinLen: 10} }

// Find appends the phrases of s. Each has the sum of all scores of the text as
// its score, brought to 0…99 so that 60 is the threshold.
func (d *Detector) Find(dst []finding.Finding, s []byte) []finding.Finding {
	r := reading{d: d, s: s, dst: dst, from: len(dst)}
	m := d.m
	next, class := m.next, &m.class
	row := uint32(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < 0x80 {
			if c = ascii[c]; c == skip {
				continue
			}
			r.where[r.letters&(lookBack-1)] = int32(i)
			r.letters++
			row = next[row+uint32(class[c])]
			if row&reports != 0 {
				row &^= reports
				r.words(int(row)/m.width, i+1)
			}
			continue
		}
		var buf [4]byte
		folded, size := foldRune(&buf, s, i)
		for _, b := range folded {
			r.where[r.letters&(lookBack-1)] = int32(i)
			r.letters++
			row = next[row+uint32(class[b])]
			if row&reports != 0 {
				row &^= reports
				r.words(int(row)/m.width, i+size)
			}
		}
		i += size - 1
	}
	if r.progress != nil {
		d.scratch.Put(r.progress)
	}
	return r.finish()
}

// reading is one pass over one text.
type reading struct {
	d        *Detector
	s        []byte
	dst      []finding.Finding
	from     int // findings before it are not ours
	letters  int32
	where    [lookBack]int32 // byte of the last letters
	progress *scratch
	active   [maxRules / 64]uint64 // rules whose first word was met
	talk     int                   // words of the discussion
	sum      int
	quoted   int // the part of sum that stands in quotation marks
}

// words handles the words that end in a state, at byte end of the text.
func (r *reading) words(state, end int) {
	m := r.d.m
	if m.word[state] == 0 {
		state = int(m.suffix[state])
	}
	for ; state != 0; state = int(m.suffix[state]) {
		w := int(m.word[state]) - 1
		n := int32(m.length[w])
		if n >= lookBack {
			continue
		}
		start := int(r.where[(r.letters-n)&(lookBack-1)])
		if m.talk[w] {
			r.talk++
		}
		uses := m.uses[w]
		for k := len(uses) - 1; k >= 0; k-- {
			r.step(uses[k], start, end, n)
		}
	}
}

// step advances a rule by a word of n letters from start to end.
func (r *reading) step(u use, start, end int, n int32) {
	d := r.d
	if u.step != 0 && r.active[u.rule>>6]>>(u.rule&63)&1 == 0 {
		return
	}
	if r.progress == nil {
		r.progress = d.scratch.Get().(*scratch)
		clear(r.progress.at)
	}
	p := &r.progress.at[u.rule]
	begin := r.letters - n
	now := mark{end: r.letters}
	if u.step == 0 {
		if !r.boundary(start) {
			return
		}
		now.start = int32(start)
		r.active[u.rule>>6] |= 1 << (u.rule & 63)
	} else {
		prev := p.last[u.step-1]
		if begin < prev.end {
			prev = p.before[u.step-1]
		}
		if prev.end == 0 || begin < prev.end || begin-prev.end > d.gap[u.rule] {
			return
		}
		now.start = prev.start
	}
	p.before[u.step], p.last[u.step] = p.last[u.step], now
	if u.step+1 == d.steps[u.rule] {
		r.found(int(u.rule), int(now.start), end)
		*p = progress{}
	}
}

// boundary reports whether a word may begin at a byte: no letter stands right
// before it.
func (r *reading) boundary(start int) bool {
	if start == 0 {
		return true
	}
	c, here := r.s[start-1], r.s[start]
	if c|0x20 < 'a' || c|0x20 > 'z' {
		return true
	}
	if start > 1 && r.s[start-2] == '\\' {
		return true // "\n" that was not decoded
	}
	return c >= 'a' && here >= 'A' && here <= 'Z'
}

// found records a phrase, merging it with the one before when they overlap.
func (r *reading) found(rule, start, end int) {
	d := r.d
	score := d.score[rule]
	if !d.strict && r.quotes(start, end) {
		r.quoted += score
	}
	r.sum += score
	for n := len(r.dst); n > r.from; n = len(r.dst) {
		if last := r.dst[n-1]; start >= last.End {
			break
		} else {
			start = min(start, last.Start)
			end = max(end, last.End)
			if int(last.Score) > score {
				r.dst[n-1] = finding.Finding{Start: start, End: end, Kind: last.Kind, Score: last.Score}
				return
			}
			r.dst = r.dst[:n-1]
		}
	}
	r.dst = append(r.dst, finding.Finding{Start: start, End: end, Kind: d.kind[rule], Score: uint8(min(score, 100))})
}

// quotes reports whether a phrase stands in quotation marks of its own.
func (r *reading) quotes(start, end int) bool {
	for k := start - 1; k >= 0 && start-k < 48; k-- {
		if c := r.s[k]; c == '\n' {
			return false
		} else if c == '"' || c == '`' || c == '\'' && (k == 0 || r.s[k-1] <= ' ' || r.s[k-1] == '(') || c == 0x9c && k > 1 && r.s[k-1] == 0x80 || c == 0xab {
			for e := end; e < len(r.s) && e-end < 160; e++ {
				if q := r.s[e]; q == c || c == 0x9c && q == 0x9d || c == 0xab && q == 0xbb {
					return true
				} else if q == '\n' {
					return false
				}
			}
			return false
		}
	}
	return false
}

// finish gives every phrase the score of the whole text.
func (r *reading) finish() []finding.Finding {
	if len(r.dst) == r.from {
		return r.dst
	}
	sum := r.sum
	if r.talk > 0 {
		sum -= r.quoted * 3 / 4
	}
	score := uint8(max(1, min(maxScore, sum*atThreshold/r.d.threshold)))
	for k := r.from; k < len(r.dst); k++ {
		r.dst[k].Score = score
	}
	return r.dst
}
