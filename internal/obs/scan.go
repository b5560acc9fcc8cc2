package obs

import (
	"strings"
)

// Which bytes may end the beginning of a credential: the scan looks closer
// only there. Everything else is passed over with one table look-up.
func triggers() (t [256]bool) {
	for _, c := range []byte("_-JAaI:= ") {
		t[c] = true
	}
	return t
}

// scanner finds credentials in text. It is read-only once made.
type scanner struct {
	trigger [256]bool
	keys    *keys
}

func newScanner(k *keys) *scanner { return &scanner{trigger: triggers(), keys: k} }

// redact returns s with every credential replaced by "[redacted]", or s
// itself if it holds none.
func (sc *scanner) redact(s string) string {
	var out strings.Builder
	done := 0
	for i := 0; i < len(s); i++ {
		if !sc.trigger[s[i]] {
			continue
		}
		start, end := sc.credential(s, i)
		start = max(start, done)
		if end <= start {
			continue
		}
		out.WriteString(s[done:start])
		out.WriteString(Redacted)
		done = end
		i = end - 1
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// credential returns the part of s to hide if the beginning of a credential
// ends at s[i]; end is 0 if none does.
func (sc *scanner) credential(s string, i int) (start, end int) {
	switch s[i] {
	case '_':
		return underscored(s, i)
	case '-':
		return dashed(s, i)
	case 'J':
		return jwt(s, i)
	case 'A':
		return fixed(s, i, "AKIA", "ASIA", "AROA", "ABIA", "ACCA")
	case 'I', 'a':
		return fixed(s, i, "AIza", "ya29.a")
	case ' ':
		return scheme(s, i)
	case ':':
		if strings.HasPrefix(s[i:], "://") {
			return userinfo(s, i)
		}
		return sc.assigned(s, i)
	default: // '='
		return sc.assigned(s, i)
	}
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// isToken reports whether c may be part of a credential.
func isToken(c byte) bool {
	return isWord(c) || strings.IndexByte("_-.~+/=", c) >= 0
}

// run returns where the token characters that start at i end.
func run(s string, i int) int {
	for i < len(s) && isToken(s[i]) {
		i++
	}
	return i
}

// begins reports whether prefix ends at s[:end] and starts a word there.
func begins(s string, end int, prefix string) bool {
	start := end - len(prefix)
	return start >= 0 && s[start:end] == prefix && (start == 0 || !isWord(s[start-1]))
}

// underscored finds our own API keys (mcp_<32 hex>.<43 base64url>), claim
// tokens of the same form, and those
// of GitHub, Stripe, npm, Hugging Face, SendGrid-like issuers.
func underscored(s string, i int) (start, end int) {
	head := s[:i+1]
	for _, own := range [...]string{"mcp_", "claim_"} {
		if !strings.HasSuffix(head, own) {
			continue
		}
		hex := i + 1
		for hex < len(s) && isHex(s[hex]) {
			hex++
		}
		if hex-i > 16 && hex < len(s)-1 && s[hex] == '.' {
			return i + 1 - len(own), run(s, hex)
		}
		return 0, 0
	}
	for _, prefix := range [...]string{
		"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "sk_live_", "sk_test_", "rk_live_", "rk_test_",
		"whsec_", "npm_", "hf_", "pypi_", "dop_v1_", "shpat_", "figd_", "lin_api_",
	} {
		if begins(s, i+1, prefix) {
			return long(s, i+1-len(prefix), i+1, 16)
		}
	}
	return 0, 0
}

// dashed finds keys of OpenAI and Anthropic (sk-…), Slack, GitLab, age, and
// private keys in PEM form.
func dashed(s string, i int) (start, end int) {
	for _, prefix := range [...]string{
		"sk-", "xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xapp-", "glpat-", "glrt-", "pk-lf-", "AGE-SECRET-KEY-",
	} {
		if begins(s, i+1, prefix) {
			return long(s, i+1-len(prefix), i+1, 12)
		}
	}
	if strings.HasPrefix(s[i:], "-----BEGIN ") {
		return pem(s, i)
	}
	return 0, 0
}

// pem hides a block that holds a private key, up to its end or that of s.
func pem(s string, i int) (start, end int) {
	title := s[i:min(len(s), i+80)]
	if !strings.Contains(title, "PRIVATE KEY") {
		return 0, 0
	}
	footer := strings.Index(s[i:], "-----END ")
	if footer < 0 {
		return i, len(s)
	}
	end = i + footer + len("-----END ")
	if dashes := strings.Index(s[end:], "-----"); dashes >= 0 {
		return i, end + dashes + len("-----")
	}
	return i, len(s)
}

// long returns the token from start if it goes on for at least n bytes behind
// its prefix.
func long(s string, start, behind, n int) (int, int) {
	end := run(s, behind)
	if end-behind < n {
		return 0, 0
	}
	return start, end
}

// fixed finds credentials that begin with one of some fixed prefixes, the
// letter s[i] being the last of the prefix.
func fixed(s string, i int, prefixes ...string) (start, end int) {
	for _, prefix := range prefixes {
		if begins(s, i+1, prefix) {
			return long(s, i+1-len(prefix), i+1, 12)
		}
	}
	return 0, 0
}

// jwt finds JSON Web Tokens: base64url of `{"`, with at least one dot.
func jwt(s string, i int) (start, end int) {
	if i < 2 || s[i-2:i] != "ey" {
		return 0, 0
	}
	start, end = long(s, i-2, i+1, 12)
	if end == 0 || strings.IndexByte(s[start:end], '.') < 0 && end-start < 32 {
		return 0, 0
	}
	return start, end
}

// scheme finds what follows "Bearer " and "Basic " in headers, whatever their
// case, unless it is a word of a sentence about them.
func scheme(s string, i int) (start, end int) {
	if i < 5 || strings.IndexByte("rRcCtT", s[i-1]) < 0 {
		return 0, 0
	}
	if !endsFold(s[:i], "bearer") && !endsFold(s[:i], "basic") && !endsFold(s[:i], "digest") {
		return 0, 0
	}
	start = i
	for start < len(s) && s[start] == ' ' {
		start++
	}
	end = run(s, start)
	switch word := strings.ToLower(strings.TrimRight(s[start:end], ".")); word {
	case "", "token", "tokens", "auth", "authentication", "authorization", "credential", "credentials", "scheme",
		"realm", "error", "challenge", "header", "is", "was", "not", "or", "and", "missing", "required":
		return 0, 0
	}
	if strings.HasPrefix(s[start:end], "realm=") || strings.HasPrefix(s[start:end], "error=") {
		return 0, 0
	}
	return start, end
}

func endsFold(s, word string) bool {
	return len(s) >= len(word) && strings.EqualFold(s[len(s)-len(word):], word)
}

// userinfo hides the user and password of a URL whose "://" is at i.
func userinfo(s string, i int) (start, end int) {
	start = i + len("://")
	end = start
	for end < len(s) && strings.IndexByte(" \t\r\n\"'<>`\\", s[end]) < 0 {
		end++
	}
	authority := s[start:end]
	if n := strings.IndexAny(authority, "/?#"); n >= 0 {
		// A password may hold such bytes unescaped, wrongly. What stands before
		// them then looks like neither a host nor a host and port.
		if host := authority[:n]; strings.IndexByte(host, '@') >= 0 || !isOpenUser(host) {
			authority = host
		}
	}
	at := strings.LastIndexByte(authority, '@')
	if at < 1 {
		return 0, 0
	}
	return start, start + at
}

// isOpenUser reports whether s looks like "user:begin-of-password" rather than
// "host" or "host:port".
func isOpenUser(s string) bool {
	_, port, found := strings.Cut(s, ":")
	return found && strings.Trim(port, "0123456789") != ""
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
