package tomlstrict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a configuration file.
type Error struct {
	File string // name as given to [Parse]
	Line int    // 1-based; 1 when the mistake is something that is missing
	Path string // "route[0].upstream"; empty when the file itself is wrong
	Text string // what is wrong; never the value of an environment variable
}

// Error returns "file:line: path: text".
func (e Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text)
	}
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Path, e.Text)
}

// Errors is every mistake found in a file, sorted by line.
type Errors []Error

// maxPrinted bounds the text of [Errors]; a file of another kind altogether
// would fill the screen.
const maxPrinted = 100

// Error returns one line for each mistake, of the first hundred.
func (e Errors) Error() string {
	var lines []string
	for _, one := range e[:min(len(e), maxPrinted)] {
		lines = append(lines, one.Error())
	}
	if len(e) > maxPrinted {
		lines = append(lines, fmt.Sprintf("and %d more", len(e)-maxPrinted))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the mistakes as errors, for errors.As.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// Sorted returns the mistakes ordered by line and path, without repetitions,
// or nil when there are none.
func (e Errors) Sorted() Errors {
	if len(e) == 0 {
		return nil
	}
	out := slices.Clone(e)
	slices.SortStableFunc(out, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(out)
}
