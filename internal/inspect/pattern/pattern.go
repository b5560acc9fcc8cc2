// Package pattern finds what an operator's own expression describes: project
// codes, customer numbers, names of machines.
package pattern

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// Prefix begins the name of every detector of this package.
const Prefix = "pattern."

const (
	maxName  = 32
	maxRegex = 1000
	maxFound = 10_001 // findings in one string; the engine refuses a message with so many
)

// Config describes a detector. The expression is RE2: its time is linear in
// the text, whatever it says.
type Config struct {
	Name  string
	Regex string
	Score int
}

// Validate checks the configuration.
func (c Config) Validate() error {
	_, err := New(c)
	return err
}

// Detector finds one expression under the kind "pattern.NAME".
type Detector struct {
	kind  string
	score uint8
	re    *regexp.Regexp
	hint  finding.Hint
}

var _ finding.Detector = (*Detector)(nil)

// New returns the detector of a configuration.
func New(c Config) (*Detector, error) {
	if !validName(c.Name) {
		return nil, fmt.Errorf("name: %q: want 1 to %d lower-case letters, digits and underscores", c.Name, maxName)
	}
	if c.Score < 1 || c.Score > 100 {
		return nil, fmt.Errorf("score: %d: want 1 to 100", c.Score)
	}
	if len(c.Regex) > maxRegex {
		return nil, fmt.Errorf("regex: %d bytes, at most %d", len(c.Regex), maxRegex)
	}
	re, err := regexp.Compile(c.Regex)
	if err != nil {
		return nil, fmt.Errorf("regex: %w", err)
	}
	if re.MatchString("") {
		return nil, errors.New("regex: fits the empty text, so it would be found everywhere")
	}
	d := &Detector{kind: Prefix + c.Name, score: uint8(c.Score), re: re} //nolint:gosec // checked above
	if word, _ := re.LiteralPrefix(); ascii(word) {
		d.hint.Words = []string{word}
	}
	return d, nil
}

func validName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return s != ""
}

// Name implements [finding.Detector].
func (d *Detector) Name() string { return d.kind }

// Kinds implements [finding.Detector].
func (d *Detector) Kinds() []string { return []string{d.kind} }

// Hint implements [finding.Detector]: the text that every match begins with, if
// there is one.
func (d *Detector) Hint() finding.Hint { return d.hint }

// Find implements [finding.Detector].
func (d *Detector) Find(dst []finding.Finding, s []byte) []finding.Finding {
	for _, at := range d.re.FindAllIndex(s, maxFound) {
		if at[0] < at[1] {
			dst = append(dst, finding.Finding{Start: at[0], End: at[1], Kind: d.kind, Score: d.score})
		}
	}
	return dst
}
