package sanitize

import (
	"strings"
	"unicode"

	inspecturl "github.com/portcullis-dev/portcullis/internal/inspect/url"
)

// MaxText is the longest text that is kept, in bytes; the rest is cut off.
const MaxText = 4 << 10

// Text returns a title or file name on one line, without invisible characters,
// tokens and the secrets of the URLs it quotes. The result is a fixed point.
func (s *Sanitizer) Text(t string) string { return s.text(t, nil) }

func (s *Sanitizer) text(t string, hidden []string) string {
	p := pass{s: s}
	cur := t
	for range maxRounds {
		next := line(cur)
		if len(next) > MaxText {
			next = line(strings.ToValidUTF8(next[:MaxText], ""))
		}
		for _, h := range hidden {
			next = replaceFold(next, h)
		}
		next = p.words(next, 0)
		if next == cur {
			return cur
		}
		cur = next
	}
	return Redacted
}

// words sanitizes a text word by word.
func (p *pass) words(t string, depth int) string {
	if depth > maxDepth {
		p.hide(t)
		return Redacted
	}
	if !strings.ContainsAny(t, "=%:@;?#&") && !strings.Contains(strings.ToLower(t), "bearer ") {
		return inspecturl.RedactTokens(t, p.hide)
	}
	words := strings.Split(t, " ")
	secretNext := false
	for i, w := range words {
		if secretNext && w != "" && w != Redacted {
			p.hide(w)
			words[i] = Redacted
			secretNext = false
			continue
		}
		secretNext = secretNext && w == ""
		words[i] = p.word(w, depth)
		if label, ok := strings.CutSuffix(words[i], ":"); ok || strings.EqualFold(w, "bearer") {
			next := ""
			if i+1 < len(words) {
				next = words[i+1]
			}
			secretNext = p.announces(label, next)
		}
	}
	return strings.Join(words, " ")
}

// announces reports whether a label such as "password:" makes the next word a
// secret. Words of prose after "secret:" or "token:" are left alone.
func (p *pass) announces(label, next string) bool {
	label = strings.Trim(label, `"'([{,.;:`)
	if !p.s.names.Strong(label) {
		return false
	}
	switch inspecturl.Fold(label) {
	case "password", "passwd", "pwd", "passphrase", "apikey", "clientsecret":
		return true
	}
	return len(next) >= 6 && strings.ContainsAny(next, "0123456789")
}

func (p *pass) word(w string, depth int) string {
	if i := strings.Index(w, "://"); i > 0 {
		j := i
		for j > 0 && (inspecturl.Unreserved(w[j-1]) || w[j-1] == '+') && w[j-1] != '_' && w[j-1] != '~' {
			j--
		}
		if j < i {
			return w[:j] + p.url(prepare(w[j:]), depth+1)
		}
	}
	if scheme, _ := splitScheme(w); wraps(scheme) && len(w) > len(scheme)+1 && scheme != "feed" {
		return p.url(prepare(w), depth+1)
	}
	if strings.ContainsAny(w, "=%") {
		return p.value(strings.ReplaceAll(w, `"`, ""), depth+1)
	}
	if name, val, ok := strings.Cut(w, ":"); ok && val != "" {
		if p.announces(name, val) && val != Redacted {
			p.hide(val)
			return name + ":" + Redacted
		}
		if strings.Contains(val, "@") {
			w = p.dropUserinfo(w)
		}
	}
	return inspecturl.RedactTokens(w, p.hide)
}

// replaceFold replaces every occurrence of old in s, whatever its case. A short
// value must stand as a word of its own.
func replaceFold(s, old string) string {
	old = line(old)
	if len(old) < minHidden || len(old) > len(s) || strings.EqualFold(old, Redacted) {
		return s
	}
	var b strings.Builder
	last := 0
	for i := 0; i+len(old) <= len(s); {
		end := i + len(old)
		if !strings.EqualFold(s[i:end], old) || len(old) < 8 && !bounded(s, i, end) {
			i++
			continue
		}
		b.WriteString(s[last:i])
		b.WriteString(Redacted)
		i, last = end, end
	}
	if last == 0 {
		return s
	}
	b.WriteString(s[last:])
	return b.String()
}

func bounded(s string, i, end int) bool {
	letter := func(c byte) bool { return c >= 0x80 || unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)) }
	return (i == 0 || !letter(s[i-1])) && (end == len(s) || !letter(s[end]))
}
