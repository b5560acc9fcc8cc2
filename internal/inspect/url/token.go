package url

import (
	"strings"

	"github.com/portcullis-dev/portcullis/internal/protocol/percent"
)

// Redacted stands where a secret stood.
const Redacted = "REDACTED"

const (
	minPrefixed = 12 // characters behind a known prefix
	MinRandom   = 20 // shortest text that is judged by its randomness
	longRandom  = 32
)

// tokenPrefixes start keys and tokens that their issuers made recognisable.
const tokenPrefixes = `ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- gldt- glrt- xoxb- xoxp- xoxa- xoxr- xoxs- xoxe-
	xapp- sk-proj- sk-ant- sk- sk_live_ sk_test_ rk_live_ rk_test_ pk_live_ pk_test_ whsec_ AKIA ASIA AIza ya29.
	npm_ pypi- SG. hvs. hvb. dop_v1_ doo_v1_ shpat_ shpss_ shpca_ EAAC lin_api_ figd_ ntn_ secret_ mcp_
	AGE-SECRET-KEY- PMAK- dckr_pat_ hf_ gsk_ r8_ sntrys_ glsa_ ATATT ATBB`

// tokenByte reports whether c may stand in a token.
func tokenByte(c byte) bool {
	return Unreserved(c) || c == '+'
}

// RedactTokens replaces every run of token characters that looks like a token.
// hide is told what was taken out.
func RedactTokens(s string, hide func(string)) string {
	if len(s) < minPrefixed {
		return s
	}
	var b strings.Builder
	last := 0
	for i := 0; i < len(s); {
		if !tokenByte(s[i]) {
			i++
			continue
		}
		j := i
		for j < len(s) && tokenByte(s[j]) {
			j++
		}
		if IsToken(s[i:j]) {
			hide(s[i:j])
			b.WriteString(s[last:i])
			b.WriteString(Redacted)
			last = j
		}
		i = j
	}
	if last == 0 {
		return s
	}
	b.WriteString(s[last:])
	return b.String()
}

// IsToken reports whether a run of token characters looks like a credential.
func IsToken(s string) bool {
	if len(s) < minPrefixed {
		return false
	}
	return isJWT(s) || hasTokenPrefix(s) || isRandom(s)
}

// isJWT finds a JWS or JWE in compact form: the first part is the base64 of
// `{"`, so it starts with eyJ.
func isJWT(s string) bool {
	i := strings.Index(s, "eyJ")
	if i < 0 {
		return false
	}
	dot := strings.IndexByte(s[i:], '.')
	return dot >= 8 && len(s)-i-dot > 4
}

func hasTokenPrefix(s string) bool {
	for p := range strings.FieldsSeq(tokenPrefixes) {
		i := strings.Index(s, p)
		if i < 0 || i > 0 && Unreserved(s[i-1]) && s[i-1] != '.' && s[i-1] != '~' {
			continue
		}
		rest := s[i+len(p):]
		n, digit := 0, false
		for n < len(rest) && tokenByte(rest[n]) {
			digit = digit || rest[n] >= '0' && rest[n] <= '9'
			n++
		}
		// A slug such as "sk-learn-tutorial" has the prefix but no digit.
		if n >= minPrefixed && digit {
			return true
		}
	}
	return false
}

// isRandom tells a random string from a slug. Words keep to one class of
// characters between separators; a random string changes between letters and
// digits, and from lower to upper case, all the time.
func isRandom(s string) bool {
	if len(s) < MinRandom || isUUID(s) {
		return false
	}
	var digits, changes int // changes to or from a digit; and lower to upper
	var upper, lower, number bool
	var prev byte
	for i := 0; i < len(s); i++ {
		c := class(s[i])
		switch c {
		case 'u':
			upper = true
		case 'l':
			lower = true
		case 'd':
			number = true
		}
		if prev != 0 && c != 0 && c != prev {
			if c == 'd' || prev == 'd' {
				digits++
			} else if prev == 'l' {
				changes++
			}
		}
		prev = c
	}
	if len(s) >= longRandom && upper && lower && (digits+changes)*100 >= len(s)*24 {
		return true
	}
	if !number || !upper && !lower {
		return false
	}
	if len(s) >= longRandom && digits >= max(3, len(s)/10) {
		return true
	}
	if digits >= max(6, len(s)/6) {
		return true
	}
	return upper && lower && (digits+changes)*100 >= len(s)*36
}

func class(c byte) byte {
	switch {
	case c >= 'a' && c <= 'z':
		return 'l'
	case c >= 'A' && c <= 'Z':
		return 'u'
	case c >= '0' && c <= '9':
		return 'd'
	}
	return 0
}

// isUUID reports the 8-4-4-4-12 form: an identifier, not a credential.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := 0; i < len(s); i++ {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (s[i] == '-') || !dash && percent.Hex(s[i]) < 0 {
			return false
		}
	}
	return true
}

// IsCommit reports a full git object name, which is public.
func IsCommit(s string) bool {
	if len(s) != 40 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if percent.Hex(s[i]) < 0 {
			return false
		}
	}
	return true
}

// Unreserved reports the characters that RFC 3986 lets stand anywhere.
func Unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}
