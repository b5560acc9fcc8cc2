package subject

import (
	"slices"
	"strings"
)

// Shortest is how long a text that names a person must be, in bytes, to be
// replaced inside of others. Shorter ones are replaced where they stand alone.
const Shortest = 4

// Texts are those by which others name a person in their own words.
func (p *Person) Texts() []string {
	out := slices.Concat([]string{p.ID}, p.Names, p.Addresses, p.Keys)
	out = slices.DeleteFunc(out, func(s string) bool { return s == "" })
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) }) // what holds another comes first
	return slices.Compact(out)
}

// Nameless returns what somebody wrote, with [Erased] in the place of whatever
// names a person, and whether there was anything.
func (p *Person) Nameless(text string) (string, bool) {
	was := text
	for _, name := range p.Texts() {
		if text == name {
			return Erased, true
		}
		if len(name) >= Shortest {
			text = strings.ReplaceAll(text, name, Erased)
		}
	}
	return text, text != was
}
