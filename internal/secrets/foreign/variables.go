package foreign

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

// Variables reads assignments: a .env file, or what "export -p" or "declare -x"
// of a shell printed. Nothing is expanded or run: a value that would need that
// is left out. With only, these variables are taken, else those that sound like
// secrets.
func Variables(text []byte, only []string) (*Found, error) {
	if len(text) > MaxFile || !utf8.Valid(text) {
		return nil, fmt.Errorf("%w: want UTF-8 text of at most %d bytes", ErrFormat, MaxFile)
	}
	f := &Found{}
	s := &scanner{rest: strings.TrimPrefix(string(text), "\ufeff"), line: 1}
	seen := map[string]int{}
	for s.skip(); s.rest != ""; s.skip() {
		line := s.line
		name, value, why := s.assignment()
		if why != "" {
			s.toLineEnd()
			if name == "" || wanted(name, only) {
				f.doubt("line %d: left out: %s", line, why)
			}
			continue
		}
		switch {
		case name == "WALLET_PASSWORD":
			f.doubt("line %d: WALLET_PASSWORD: left out: a wallet does not keep its own password", line)
		case !wanted(name, only):
			f.doubt("line %d: %s: left out: it does not sound like a secret (--only takes it)", line, name)
		case value == "":
			f.doubt("line %d: %s: left out: it is empty", line, name)
		case len(name) > wallet.MaxName || wallet.ValidName(name) != nil:
			f.doubt("line %d: left out: its name cannot be that of an entry", line)
		default:
			if i, ok := seen[name]; ok { // a shell takes the last one
				f.doubt("line %d: %s is there more than once: the last one counts", line, name)
				clear(f.Items[i].Value)
				f.Items[i].Value = []byte(value)
				continue
			}
			if len(f.Items) == maxEntries {
				return nil, fmt.Errorf("%w: more than %d secrets", ErrFormat, maxEntries)
			}
			n := len(f.Items)
			f.add(wallet.Item{New: wallet.New{Name: name, Provider: providerOf(name)}, Value: []byte(value)})
			if len(f.Items) > n {
				seen[name] = n
			}
		}
	}
	for _, name := range only {
		if !slices.ContainsFunc(f.Items, func(it wallet.Item) bool { return it.Name == name }) {
			f.doubt("%s: not found", name)
		}
	}
	return f, nil
}

// scanner reads assignments in the part of the shell's language that names
// values literally.
type scanner struct {
	rest string
	line int
}

func (s *scanner) next(n int) string {
	t := s.rest[:n]
	s.rest = s.rest[n:]
	s.line += strings.Count(t, "\n")
	return t
}

func (s *scanner) toLineEnd() {
	i := strings.IndexByte(s.rest, '\n')
	if i < 0 {
		i = len(s.rest)
	}
	s.next(i)
}

// skip passes empty lines and comments.
func (s *scanner) skip() {
	for s.rest != "" {
		switch s.rest[0] {
		case ' ', '\t', '\r', '\n', ';':
			s.next(1)
		case '#':
			s.toLineEnd()
		default:
			return
		}
	}
}

func (s *scanner) assignment() (name, value, why string) {
	for _, p := range []string{"export ", "declare -x ", "typeset -x "} {
		if strings.HasPrefix(s.rest, p) {
			s.next(len(p))
			s.next(len(s.rest) - len(strings.TrimLeft(s.rest, " \t")))
			break
		}
	}
	n := 0
	for n < len(s.rest) && (s.rest[n] == '_' || isLetter(s.rest[n]) || n > 0 && s.rest[n] >= '0' && s.rest[n] <= '9') {
		n++
	}
	name = s.rest[:n]
	if n == 0 || n == len(s.rest) || s.rest[n] != '=' {
		return "", "", "it is no NAME=VALUE"
	}
	s.next(n + 1)
	value, why = s.value()
	if why != "" {
		return name, "", name + ": " + why
	}
	return name, value, ""
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

const needsShell = "its value would have to be expanded by a shell"

// value reads a word: pieces in quotes and without, side by side.
func (s *scanner) value() (string, string) {
	var out strings.Builder
	for s.rest != "" {
		switch c := s.rest[0]; {
		case c == '\'':
			end := strings.IndexByte(s.rest[1:], '\'')
			if end < 0 {
				return "", "a quote is not closed"
			}
			out.WriteString(s.next(end + 2)[1 : end+1])
		case c == '"', strings.HasPrefix(s.rest, "$'"):
			if why := s.quoted(&out); why != "" {
				return "", why
			}
		case c == '\n' || c == ';' || c == '\r':
			return out.String(), ""
		case c == ' ' || c == '\t':
			s.next(len(s.rest) - len(strings.TrimLeft(s.rest, " \t")))
			if s.rest == "" || strings.ContainsRune("\n\r;#", rune(s.rest[0])) {
				return out.String(), ""
			}
			return "", "its value has blanks and no quotes"
		case strings.ContainsRune("$`<>|&()", rune(c)):
			return "", needsShell
		case c == '\\':
			if len(s.rest) < 2 || s.rest[1] == '\n' {
				return "", "it goes on in the next line"
			}
			s.next(1)
			_, size := utf8.DecodeRuneInString(s.rest)
			out.WriteString(s.next(size))
		default:
			out.WriteString(s.next(1))
		}
	}
	return out.String(), ""
}

// quoted reads "…" or $'…'.
func (s *scanner) quoted(out *strings.Builder) string {
	ansi := s.rest[0] == '$'
	end := byte('"')
	if ansi {
		s.next(1)
		end = '\''
	}
	s.next(1)
	for s.rest != "" {
		switch c := s.rest[0]; {
		case c == end:
			s.next(1)
			return ""
		case !ansi && (c == '$' || c == '`'):
			return needsShell
		case c == '\\' && len(s.rest) > 1:
			s.next(1)
			escaped := s.next(1)
			if r, ok := escape(escaped[0]); ok {
				out.WriteString(r)
			} else if ansi {
				return needsShell // \x41, \u…, octal
			} else {
				out.WriteString(`\` + escaped)
			}
		default:
			out.WriteString(s.next(1))
		}
	}
	return "a quote is not closed"
}

func escape(c byte) (string, bool) {
	switch c {
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case 'r':
		return "\r", true
	case '"', '\'', '\\', '$', '`':
		return string(c), true
	}
	return "", false
}
