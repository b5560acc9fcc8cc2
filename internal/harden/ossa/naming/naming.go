// Package naming says which tools the actions of a manifest mean.
//
// An action is a name. What it allows is read narrowly ([Is]), what it blocks
// widely ([Covers], [Within]).
package naming

import (
	"slices"
	"strings"
	"unicode"
)

// Qualified returns the name of the tool in an action that names its server
// too: "files:read", "files/read", "files.read".
func Qualified(action, server string) (tool string, ok bool) {
	for _, sep := range separators {
		if rest, ok := strings.CutPrefix(action, server+sep); ok {
			return rest, true
		}
	}
	return "", false
}

var separators = [...]string{":", "/", "."}

// Is reports whether an action is the name of a tool: as it stands, behind the
// name of its server, or as a pattern with *. The name of a server is never
// part of what * stands for.
func Is(action, server, tool string) bool {
	if Glob(action, tool) {
		return true
	}
	rest, ok := Qualified(action, server)
	return ok && Glob(rest, tool)
}

// Covers reports whether an action can be read as the name of a tool in any
// way, however its words are put together. It is for what is denied.
func Covers(action, server, tool string) bool {
	for _, sep := range separators {
		if Glob(action, server+sep+tool) {
			return true
		}
	}
	return Is(action, server, tool) || SameWords(action, tool)
}

// SameWords reports whether action and tool are the same words, however they
// are put together: deleteRepo, delete-repo, delete_repo.
func SameWords(action, tool string) bool {
	w := words(action)
	return len(w) > 0 && slices.Equal(w, words(tool))
}

// Within reports whether the words of an action stand in the name of a tool:
// "delete" in "delete_file".
func Within(action, tool string) bool {
	w, all := words(action), words(tool)
	for i := 0; len(w) > 0 && i+len(w) <= len(all); i++ {
		if slices.Equal(w, all[i:i+len(w)]) {
			return true
		}
	}
	return false
}

// Glob matches a name with a pattern in which * stands for any text.
func Glob(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	last := len(parts) - 1
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	if rest, ok = strings.CutSuffix(rest, parts[last]); !ok {
		return false
	}
	for _, part := range parts[1:last] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return true
}

// words takes a name apart, in lower case.
func words(name string) []string {
	var out []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			out = append(out, strings.ToLower(string(word)))
		}
		word = word[:0]
	}
	lower := false
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
		case unicode.IsUpper(r) && lower:
			flush()
			word = append(word, r)
		default:
			word = append(word, r)
		}
		lower = unicode.IsLower(r) || unicode.IsDigit(r)
	}
	flush()
	return out
}
