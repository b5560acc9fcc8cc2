package secret

import (
	"bytes"
	"encoding/base64"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// jwt finds a JSON web token in compact form at i: three parts (five when it
// is encrypted), the first of which decodes to an object that names "alg".
func jwt(s []byte, i int) (finding.Finding, bool) {
	none := finding.Finding{}
	if s[i+2] != 'J' {
		return none, false
	}
	a := run(s, i, base64url, 1024)
	if a-i < 16 || a >= len(s) || s[a] != '.' {
		return none, false
	}
	var buf [768]byte
	head := s[i:a]
	n, err := base64.RawURLEncoding.Decode(buf[:], head[:len(head)/4*4])
	if err != nil || n < 2 || buf[0] != '{' || !bytes.Contains(buf[:n], []byte(`"alg"`)) {
		return none, false
	}
	end, parts := a, 1
	for parts < 5 && end < len(s) && s[end] == '.' {
		next := run(s, end+1, base64url, 64<<10)
		if next == end+1 && parts != 1 && parts != 2 {
			break
		}
		end = next
		parts++
	}
	if parts < 3 || end-a < 12 {
		return none, false
	}
	if s[end-1] == '.' && parts > 3 {
		end--
	}
	return finding.Finding{Start: i, End: end, Kind: KindJWT, Score: scoreSure}, true
}

const (
	pemBegin = "-----BEGIN "
	pemEnd   = "-----END "
)

// privateKey finds a PEM or PGP block at i, where its BEGIN stands.
func privateKey(s []byte, i int) (finding.Finding, bool) {
	none := finding.Finding{}
	start := i - 5
	if start < 0 || !hasPrefix(s[start:], pemBegin) {
		return none, false
	}
	label := s[i+6 : min(len(s), i+70)]
	stop := bytes.Index(label, []byte("-----"))
	if stop < 0 || !bytes.Contains(label[:stop], []byte("PRIVATE KEY")) {
		return none, false
	}
	body := i + 6 + stop + 5
	window := s[body:min(len(s), body+maxPrivateBlock)]
	end := body + len(window)
	if at := bytes.Index(window, []byte(pemEnd)); at >= 0 {
		end = run(s, body+at, upper|digit|dash|space, 80)
		window = window[:at]
	}
	if content(window) < 32 || bytes.Contains(window, []byte("...")) || bytes.Contains(window[:min(64, len(window))], []byte("<")) {
		return none, false
	}
	return finding.Finding{Start: start, End: end, Kind: KindPrivateKey, Score: scoreSure}, true
}

// content counts the base64 characters of a block, to a hundred.
func content(s []byte) int {
	n := 0
	for _, c := range s {
		if table[c]&base64std != 0 {
			if n++; n == 100 {
				break
			}
		}
	}
	return n
}

// authorization finds the value of "Bearer …" and "Basic …".
func authorization(s []byte, i int) (finding.Finding, bool) {
	none := finding.Finding{}
	var begin int
	bearer := false
	switch {
	case foldedPrefix(s[i:], "bearer "):
		begin, bearer = i+7, true
	case foldedPrefix(s[i:], "basic "):
		begin = i + 6
	default:
		return none, false
	}
	for begin < len(s) && s[begin] == ' ' {
		begin++
	}
	end := run(s, begin, base64url|base64std|dot, maxTokenLen)
	for end > begin && s[end-1] == '.' {
		end--
	}
	value := s[begin:end]
	if len(value) < 8 || placeholder(value) {
		return none, false
	}
	if !bearer {
		return finding.Finding{Start: begin, End: end, Kind: KindBearer, Score: scoreSure}, basicPair(value)
	}
	if len(value) < 16 || !random(value) {
		return none, false
	}
	if hasPrefix(value, "eyJ") {
		return none, false // the token itself is found behind the word
	}
	return finding.Finding{Start: begin, End: end, Kind: KindBearer, Score: scoreForm}, true
}

// basicPair reports whether value is base64 of "user:password".
func basicPair(value []byte) bool {
	var buf [512]byte
	value = bytes.TrimRight(value, "=")
	if len(value) > 600 {
		return false
	}
	n, err := base64.RawStdEncoding.Decode(buf[:], value)
	if err != nil {
		return false
	}
	pair := buf[:n]
	at := bytes.IndexByte(pair, ':')
	if at < 0 || at == n-1 {
		return false
	}
	for _, c := range pair {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
