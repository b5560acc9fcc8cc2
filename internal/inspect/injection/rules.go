package injection

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

//go:embed rules.toml
var builtin string

const (
	maxRules  = 256
	maxSteps  = 5
	maxWords  = 4000
	maxStates = 60000
	minWord   = 2 // folded letters
)

// Rule is one row of words.
type Rule struct {
	Kind  string   `toml:"kind"`  // override, exfiltrate, tool, role, conceal, prompt
	Score int      `toml:"score"` // 1 to 100, of the sum that a text must reach
	Words []string `toml:"words"` // each "one|two|three"
	Gap   int      `toml:"gap"`   // letters that may stand between two words, 16 by default
}

// Rules is the content of a rule file.
type Rules struct {
	Rule []Rule `toml:"rule"`
	// Discussion are words of texts that speak about attacks.
	Discussion []string `toml:"discussion"`
}

// Builtin returns the rules that come with the gateway.
func Builtin() (Rules, error) { return Parse([]byte(builtin)) }

// Parse reads a rule file. Every error says which rule it is about.
func Parse(text []byte) (Rules, error) {
	var r Rules
	dec := toml.NewDecoder(strings.NewReader(string(text))).DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		var strict *toml.StrictMissingError
		if errors.As(err, &strict) {
			return Rules{}, fmt.Errorf("reading injection rules: %s", strict.String())
		}
		return Rules{}, fmt.Errorf("reading injection rules: %w", err)
	}
	return r, r.validate()
}

func (r Rules) validate() error {
	if len(r.Rule) == 0 || len(r.Rule) > maxRules {
		return fmt.Errorf("injection rules: %d rules, want 1 to %d", len(r.Rule), maxRules)
	}
	for i, rule := range r.Rule {
		switch {
		case !known(rule.Kind):
			return fmt.Errorf("injection rule %d: kind %q: want one of %v", i+1, rule.Kind, kinds)
		case rule.Score < 1 || rule.Score > 100:
			return fmt.Errorf("injection rule %d: score %d: want 1 to 100", i+1, rule.Score)
		case len(rule.Words) == 0 || len(rule.Words) > maxSteps:
			return fmt.Errorf("injection rule %d: %d words, want 1 to %d", i+1, len(rule.Words), maxSteps)
		case rule.Gap < 0 || rule.Gap > 200:
			return fmt.Errorf("injection rule %d: gap %d: want 0 to 200", i+1, rule.Gap)
		}
		for _, w := range rule.Words {
			for alt := range strings.SplitSeq(w, "|") {
				if len(foldText(alt)) < minWord {
					return fmt.Errorf("injection rule %d: word %q: too short", i+1, alt)
				}
			}
		}
	}
	return nil
}

func foldText(s string) []byte {
	var out []byte
	var buf [4]byte
	b := []byte(s)
	for i := 0; i < len(b); {
		if b[i] < 0x80 {
			if c := ascii[b[i]]; c != skip {
				out = append(out, c)
			}
			i++
			continue
		}
		folded, size := foldRune(&buf, b, i)
		out = append(out, folded...)
		i += size
	}
	return out
}

// use says that a word is a step of a rule.
type use struct{ rule, step uint8 }

// reports marks a transition to a state in which a word ends.
const reports = 1 << 31

// machine finds all words of all rules in one pass: an Aho-Corasick automaton
// with every transition filled in.
type machine struct {
	class  [256]uint8 // folded byte to column
	width  int
	next   []uint32 // of a row and a column: the next row, with the bit reports
	word   []uint16 // of a state: the word that ends there plus one, 0 if none
	suffix []uint16 // of a state: the nearest state below it where a word ends
	uses   [][]use  // of a word
	length []uint8  // of a word, in folded bytes
	talk   []bool   // of a word: it is of the discussion
}

func (m *machine) column(c byte) int {
	if m.class[c] == 0 {
		m.width++
		m.class[c] = uint8(m.width)
	}
	return int(m.class[c])
}

// build makes the machine of the rules.
func build(r Rules) (*machine, error) {
	m := &machine{}
	index := map[string]int{}
	var words []string
	add := func(text string) int {
		w := string(foldText(text))
		if k, ok := index[w]; ok {
			return k
		}
		k := len(words)
		index[w] = k
		words = append(words, w)
		m.uses = append(m.uses, nil)
		m.talk = append(m.talk, false)
		m.length = append(m.length, uint8(min(len(w), 255)))
		for i := range len(w) {
			m.column(w[i])
		}
		return k
	}
	for i, rule := range r.Rule {
		for step, alternatives := range rule.Words {
			for alt := range strings.SplitSeq(alternatives, "|") {
				k := add(alt)
				m.uses[k] = append(m.uses[k], use{uint8(i), uint8(step)})
			}
		}
	}
	for _, d := range r.Discussion {
		m.talk[add(d)] = true
	}
	if len(words) > maxWords {
		return nil, fmt.Errorf("injection rules: %d different words, at most %d", len(words), maxWords)
	}
	for k, w := range words {
		if len(w) > 60 {
			return nil, fmt.Errorf("injection rules: word %q is longer than 60 letters", words[k])
		}
	}
	return m, m.link(words)
}

// link builds the states of the words and their transitions.
func (m *machine) link(words []string) error {
	m.width++
	grow := func() int {
		m.next = append(m.next, make([]uint32, m.width)...)
		m.word = append(m.word, 0)
		m.suffix = append(m.suffix, 0)
		return len(m.word) - 1
	}
	grow()
	for k, w := range words {
		state := 0
		for i := range len(w) {
			at := state*m.width + int(m.class[w[i]])
			if m.next[at] == 0 {
				n := grow()
				if n > maxStates {
					return errors.New("injection rules: too many words")
				}
				m.next[at] = uint32(n)
			}
			state = int(m.next[at])
		}
		m.word[state] = uint16(k + 1)
	}
	fail := make([]uint16, len(m.word))
	queue := make([]int, 0, len(m.word))
	for c := 1; c < m.width; c++ {
		if n := m.next[c]; n != 0 {
			queue = append(queue, int(n))
		}
	}
	for at := 0; at < len(queue); at++ {
		state := queue[at]
		f := int(fail[state])
		m.suffix[state] = uint16(f)
		if m.word[f] == 0 {
			m.suffix[state] = m.suffix[f]
		}
		for c := 1; c < m.width; c++ {
			n := m.next[state*m.width+c]
			down := m.next[f*m.width+c]
			if n == 0 {
				m.next[state*m.width+c] = down
				continue
			}
			fail[n] = uint16(down)
			queue = append(queue, int(n))
		}
	}
	for at, n := range m.next {
		row := n * uint32(m.width)
		if m.word[n] != 0 || m.suffix[n] != 0 {
			row |= reports
		}
		m.next[at] = row
	}
	return nil
}
