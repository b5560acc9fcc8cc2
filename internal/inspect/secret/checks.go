package secret

import (
	"hash/crc32"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// withCRC checks the form that GitHub and npm share: 30 random characters and
// the CRC-32 of them in six digits of base 62. Longer tokens are newer forms
// without it.
func withCRC(token []byte, prefix int) uint8 {
	body := token[prefix:]
	if len(body) != 36 {
		return mixed(token, prefix)
	}
	sum := crc32.ChecksumIEEE(body[:30])
	for k := 35; k >= 30; k-- {
		if body[k] != base62[sum%62] {
			return scoreWeak
		}
		sum /= 62
	}
	return scoreSure
}

// mixed wants letters and digits, as random text has them.
func mixed(token []byte, prefix int) uint8 {
	var seen chars
	for _, c := range token[prefix:] {
		seen |= table[c]
	}
	if seen&digit == 0 || seen&(lower|upper) == 0 {
		return 0
	}
	return scoreForm
}

// sendGrid wants "SG.", 22 characters, a dot and 43 characters.
func sendGrid(token []byte, prefix int) uint8 {
	if len(token) != 69 || token[prefix+22] != '.' {
		return 0
	}
	return scoreSure
}

// discord finds a bot token: an id in base64, a time and a MAC, with dots.
func discord(s []byte, i int) (finding.Finding, bool) {
	a := run(s, i, base64url, 30)
	if a-i < 23 || a-i > 28 || a >= len(s) || s[a] != '.' {
		return finding.Finding{}, false
	}
	b := run(s, a+1, base64url, 8)
	if b-a != 7 || b >= len(s) || s[b] != '.' {
		return finding.Finding{}, false
	}
	c := run(s, b+1, base64url, 41)
	if n := c - b - 1; n < 27 || n > 40 || placeholder(s[i:a]) || mixed(s[i:c], 0) == 0 {
		return finding.Finding{}, false
	}
	return finding.Finding{Start: i, End: c, Kind: KindMessaging, Score: scoreForm}, true
}

const discordHookPath = "discord.com/api/webhooks/"

func discordHook(s []byte, i int) (finding.Finding, bool) {
	if !hasPrefix(s[i:], discordHookPath) {
		return finding.Finding{}, false
	}
	id := i + len(discordHookPath)
	a := run(s, id, digit, 21)
	if a-id < 17 || a >= len(s) || s[a] != '/' {
		return finding.Finding{}, false
	}
	b := run(s, a+1, base64url, 80)
	if b-a-1 < 60 || placeholder(s[a+1:b]) {
		return finding.Finding{}, false
	}
	return finding.Finding{Start: i, End: b, Kind: KindMessaging, Score: scoreForm}, true
}

// telegram finds a bot token: the bot's number, a colon and 35 characters that
// begin with AA.
func telegram(s []byte, i int) (finding.Finding, bool) {
	a := run(s, i, digit, 11)
	if a-i < 8 || a-i > 10 || a+3 >= len(s) || s[a] != ':' || s[a+1] != 'A' {
		return finding.Finding{}, false
	}
	b := run(s, a+1, base64url, 37)
	if n := b - a - 1; n < 34 || n > 36 || placeholder(s[a+1:b]) || mixed(s[a+1:b], 0) == 0 {
		return finding.Finding{}, false
	}
	return finding.Finding{Start: i, End: b, Kind: KindMessaging, Score: scoreForm}, true
}

// placeholders are what documentation writes in place of a secret. They are
// long or odd enough not to occur in random text.
var placeholders = [...]string{
	"example", "xxxx", "your", "changeme", "change-me", "change_me", "placeholder", "dummy", "sample",
	"redacted", "****", "....", "insert", "replace", "fake", "0000000", "1111111", "123456", "abcdef", "todo",
	"testtest", "----", "____", "notreal", "not-real", "not_real", "aaaaaa", "-here", "_here", "masked", "hidden",
	"foobar", "deadbeef", "mysecret", "my-secret", "my_secret", "mytoken", "my-token", "secretkey", "undefined",
}

// firstOfPlaceholder says which bytes begin a placeholder, in lower case.
func firstOfPlaceholder() [256]bool {
	var t [256]bool
	for _, p := range placeholders {
		t[p[0]] = true
	}
	return t
}

var beginsPlaceholder = firstOfPlaceholder()

// placeholder reports whether text stands for a secret without being one.
func placeholder(text []byte) bool {
	if len(text) == 0 {
		return true
	}
	switch text[0] {
	case '<', '$', '{', '[', '*', '(':
		return true
	case '%':
		return len(text) > 1 && (text[1] == '(' || text[1] == 's' || text[1] == 'v' || text[1] == '{' || text[len(text)-1] == '%')
	}
	var low, high uint64 // which of the first 128 bytes occur
	for i, c := range text {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c < 64 {
			low |= 1 << c
		} else {
			high |= 1 << (c & 63)
		}
		if beginsPlaceholder[c] {
			for _, p := range placeholders {
				if p[0] == c && foldedPrefix(text[i:], p) {
					return true
				}
			}
		}
	}
	return len(text) >= 12 && ones(low)+ones(high) < 5
}

func ones(x uint64) int {
	n := 0
	for ; x != 0; x &= x - 1 {
		n++
	}
	return n
}

// foldedPrefix reports whether s begins with p, which is in lower case.
func foldedPrefix(s []byte, p string) bool {
	return len(s) >= len(p) && strings.EqualFold(string(s[:len(p)]), p) // the conversion is not allocated
}
