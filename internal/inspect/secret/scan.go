package secret

import (
	"strings"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// OwnKey reports how many bytes at the start of text are a key of this
// gateway, 0 if none. It stands for the grammar of keys, which is no business
// of this package.
type OwnKey func(text []byte) int

// Detector finds credentials. Use [New].
type Detector struct {
	own       OwnKey
	ownPrefix string
}

// New returns the detector. With a prefix and own, keys of this gateway are
// found too: own is asked wherever a word begins with the prefix.
func New(prefix string, own OwnKey) *Detector {
	if prefix == "" || own == nil {
		return &Detector{}
	}
	return &Detector{own: own, ownPrefix: prefix}
}

// Name returns "secret".
func (*Detector) Name() string { return "secret" }

// Kinds returns every kind that Find reports.
func (*Detector) Kinds() []string {
	return []string{
		KindAWS, KindGitHub, KindGitLab, KindSlack, KindStripe, KindAI, KindGoogle, KindPackages, KindCloud,
		KindMessaging, KindCommerce, KindDeveloper, KindAzure, KindJWT, KindPrivateKey, KindConnection, KindBearer,
		KindOwn, KindKeyword, KindPassword,
	}
}

// numbered is the length, in bytes, from which a credential can have a form that
// no word begins. Shorter ones are known by how they begin.
const numbered = 34

// Hint asks for what every credential has: an assignment, a telling name, the
// beginning of a known form, or length and a digit.
func (d *Detector) Hint() finding.Hint {
	words := []string{"pass", "pwd", "secret", "token", "key", "auth", "cred", "bearer", "basic ", "akia", "asia", "abia", "acca", "contrasena", "motdepasse", "jwt", "sig", "session", "cohere"}
	if d.ownPrefix != "" {
		words = append(words, d.ownPrefix)
	}
	for _, f := range forms {
		if len(f.prefix)+f.min < numbered {
			words = append(words, strings.ToLower(f.prefix))
		}
	}
	return finding.Hint{MinLen: 6, Bytes: "=:", Words: words, OrDigits: 1, OrLen: numbered}
}

// Find appends the credentials of s.
func (d *Detector) Find(dst []finding.Finding, s []byte) []finding.Finding {
	from := 0 // nothing before it may be found again
	effort := effortPerByte*len(s) + effortAtLeast
	for i := 0; i < len(s); {
		c := s[i]
		set := table[c]
		if set&word == 0 {
			switch c {
			case '\\', '%':
				i = skipEscape(s, i)
				continue
			case '=', ':':
				if f, ok := d.assigned(s, i, from, &effort); ok {
					dst = append(dst, f)
					i, from = f.End, f.End
					continue
				}
			}
			i++
			continue
		}
		if f, ok := d.at(s, i); ok && f.Start >= from {
			dst = append(dst, f)
			i, from = f.End, f.End
			continue
		}
		for i++; i < len(s) && table[s[i]]&word != 0; i++ {
		}
	}
	return dst
}

// FindUnder looks also at the name under which s stands.
func (d *Detector) FindUnder(dst []finding.Finding, name, s []byte) []finding.Finding {
	before := len(dst)
	dst = d.Find(dst, s)
	if len(dst) > before {
		return dst
	}
	what := nameClass(name)
	if what == plain {
		return dst
	}
	start, end := 0, len(s)
	for start < end && s[start] <= ' ' {
		start++
	}
	for end > start && s[end-1] <= ' ' {
		end--
	}
	if kind, score := judge(what, s[start:end], true); score > 0 {
		dst = append(dst, finding.Finding{Start: start, End: end, Kind: kind, Score: score})
	}
	return dst
}

// skipEscape steps over "\n" and "%3D", whose letters begin no word.
func skipEscape(s []byte, i int) int {
	if s[i] == '\\' {
		return min(i+2, len(s))
	}
	if i+2 < len(s) && table[s[i+1]]&(hexLower|hexUpper) != 0 && table[s[i+2]]&(hexLower|hexUpper) != 0 {
		return i + 3
	}
	return i + 1
}

// at looks for a credential that begins at i, where a word begins.
func (d *Detector) at(s []byte, i int) (finding.Finding, bool) {
	if i+6 > len(s) {
		return finding.Finding{}, false
	}
	c, next := s[i], s[i+1]
	if c >= 0x80 || next >= 0x80 {
		return finding.Finding{}, false
	}
	if d.own != nil && c == d.ownPrefix[0] && hasPrefix(s[i:], d.ownPrefix) {
		if n := d.own(s[i:]); n > 0 {
			return finding.Finding{Start: i, End: i + n, Kind: KindOwn, Score: scoreSure}, true
		}
	}
	if buckets[c].second[next>>6]>>(next&63)&1 != 0 {
		if f, ok := known(s, i, buckets[c].forms); ok {
			return f, true
		}
	}
	switch {
	case c == 'e' && next == 'y':
		return jwt(s, i)
	case c == 'B' && next == 'E':
		return privateKey(s, i)
	case (c|0x20 == 'b') && (next|0x20 == 'e' || next|0x20 == 'a'):
		return authorization(s, i)
	case c == 'M' || c == 'N' || c == 'O':
		return discord(s, i)
	case table[c]&digit != 0 && table[next]&digit != 0:
		return telegram(s, i)
	case c|0x20 == 'p' && next|0x20 == 'a':
		return spoken(s, i)
	case c|0x20 == 'd' && next == 'i':
		return discordHook(s, i)
	}
	return finding.Finding{}, false
}

func hasPrefix(s []byte, p string) bool {
	return len(s) >= len(p) && string(s[:len(p)]) == p
}

// known tries the forms of one first letter.
func known(s []byte, i int, candidates []form) (finding.Finding, bool) {
	for k := range candidates {
		f := &candidates[k]
		if !hasPrefix(s[i:], f.prefix) {
			continue
		}
		begin := i + len(f.prefix)
		end := run(s, begin, f.set, f.max+1)
		if f.set&dot != 0 {
			for end > begin && s[end-1] == '.' { // the end of a sentence
				end--
			}
		}
		if n := end - begin; n < f.min || n > f.max || end < len(s) && table[s[end]]&word != 0 {
			continue
		}
		token := s[i:end]
		if placeholder(token[len(f.prefix):]) {
			continue
		}
		score := uint8(scoreForm)
		if f.check != nil {
			score = f.check(token, len(f.prefix))
		}
		if score > 0 {
			return finding.Finding{Start: i, End: end, Kind: f.kind, Score: score}, true
		}
	}
	return finding.Finding{}, false
}
