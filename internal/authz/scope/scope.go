// Package scope decides by scopes what a principal may do.
//
// A scope is one of
//
//	tools:NAME       call the tool          tools:*   tools:github/*
//	resources:URI    read the resource      resources:*   resources:file:///srv/docs/*
//	prompts:NAME     get the prompt         prompts:*
//	skills:NAME      use the skill          skills:*
//	manage           administer the gateway
//
// or a word of an identity provider ("files.read"), which is compared whole. A
// '*' is a wildcard only at the very end, alone or after one of / : _ . - and,
// for resources, also = ? # — so "tools:git*" is no scope: it would grant
// "gitlab_delete" to whoever meant "git". A wildcard never matches a name with
// a "." or ".." segment, plain or percent-encoded.
//
// [Match] and [Authorizer.Authorize] are pure and allocate nothing when they
// allow. What is not granted is denied; so is a method nobody has listed.
package scope

import (
	"fmt"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// Manage is the scope of the admin API.
const Manage = "manage"

const maxScope = 512 // bytes

var kinds = [...]struct {
	prefix   string // of the scope
	singular string // what people write by mistake
	kind     portcullis.TargetKind
}{
	{"tools:", "tool", portcullis.TargetTool},
	{"resources:", "resource", portcullis.TargetResource},
	{"prompts:", "prompt", portcullis.TargetPrompt},
	{"skills:", "skill", portcullis.TargetSkill},
}

// Validate checks a scope that is to be granted or required. Its characters
// are those of an OAuth scope (RFC 6749 section 3.3) without the comma, which
// separates scopes on the command line.
func Validate(s string) error {
	if s == "" || len(s) > maxScope {
		return fmt.Errorf("%.40q: want a scope of 1 to %d bytes", s, maxScope)
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == ',' {
			return fmt.Errorf("%q: character %q is not allowed in a scope", s, c)
		}
	}
	word, _, _ := strings.Cut(s, ":")
	for _, k := range kinds {
		plural := k.prefix[:len(k.prefix)-1]
		if name, ok := strings.CutPrefix(s, k.prefix); ok {
			return validatePattern(s, name, k.kind)
		}
		if strings.EqualFold(word, k.singular) || strings.EqualFold(word, plural) {
			return fmt.Errorf("%q: want %sNAME or %s*", s, k.prefix, k.prefix)
		}
	}
	if strings.EqualFold(word, Manage) && s != Manage {
		return fmt.Errorf("%q: want %q", s, Manage)
	}
	if strings.Contains(s, "*") {
		return fmt.Errorf("%q: a wildcard needs tools:, resources:, prompts: or skills: before it", s)
	}
	return nil
}

func validatePattern(s, name string, kind portcullis.TargetKind) error {
	star := strings.IndexByte(name, '*')
	switch {
	case name == "":
		return fmt.Errorf("%q: want a name or * after the colon", s)
	case star < 0, name == "*":
		return nil
	case star != len(name)-1:
		return fmt.Errorf("%q: * is allowed only at the end", s)
	case !separator(name[star-1], kind):
		return fmt.Errorf("%q: want a separator such as / or _ before *", s)
	}
	return nil
}

func separator(c byte, kind portcullis.TargetKind) bool {
	switch c {
	case '/', ':', '_', '.', '-':
		return true
	case '=', '?', '#':
		return kind == portcullis.TargetResource
	}
	return false
}

// Match reports whether granted scopes cover the needed one, which names one
// thing ("tools:echo") or is a plain word. A granted scope that [Validate]
// would refuse can still match whole, never as a wildcard.
func Match(granted []string, need string) bool {
	for _, k := range kinds {
		if name, ok := strings.CutPrefix(need, k.prefix); ok {
			_, found := find(granted, k.prefix, name, k.kind)
			return found
		}
	}
	for _, g := range granted {
		if need != "" && g == need {
			return true
		}
	}
	return false
}

// find returns the first granted scope that covers the named thing.
func find(granted []string, prefix, name string, kind portcullis.TargetKind) (string, bool) {
	if name == "" {
		return "", false
	}
	for _, g := range granted {
		if pattern, ok := strings.CutPrefix(g, prefix); ok && covers(pattern, name, kind) {
			return g, true
		}
	}
	return "", false
}

func covers(pattern, name string, kind portcullis.TargetKind) bool {
	if pattern == name {
		return true
	}
	stem, ok := strings.CutSuffix(pattern, "*")
	if !ok || strings.IndexByte(stem, '*') >= 0 {
		return false
	}
	if stem != "" && !separator(stem[len(stem)-1], kind) {
		return false
	}
	return len(name) > len(stem) && strings.HasPrefix(name, stem) && !dotSegment(name)
}

// dotSegment reports whether a name has a "." or ".." segment between slashes
// or backslashes, percent-encoded ones included: what it names then is not
// where its prefix says.
func dotSegment(s string) bool {
	dots, plain := 0, false
	for i := 0; i <= len(s); {
		c, n := byte('/'), 1
		if i < len(s) {
			c, n = decodeAt(s, i)
		}
		switch c {
		case '/', '\\', '?', '#':
			if !plain && (dots == 1 || dots == 2) {
				return true
			}
			dots, plain = 0, false
		case '.':
			dots++
		default:
			plain = true
		}
		i += n
	}
	return false
}

// decodeAt returns the byte that s holds at i and how many bytes it takes
// there. %25 is followed, so that a doubly encoded dot is a dot.
func decodeAt(s string, i int) (c byte, n int) {
	if s[i] != '%' {
		return s[i], 1
	}
	j := i + 1
	for strings.HasPrefix(s[j:], "25") {
		j += 2
	}
	if j+2 <= len(s) {
		switch strings.ToLower(s[j : j+2]) {
		case "2e":
			return '.', j + 2 - i
		case "2f":
			return '/', j + 2 - i
		case "5c":
			return '\\', j + 2 - i
		}
	}
	return '%', 1
}
