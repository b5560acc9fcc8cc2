package shape

import (
	"bytes"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Bounds on single values.
const (
	longestID    = 256
	longestURI   = 8192
	longestMedia = 256
	longestTime  = 64
)

// scalar returns the rule that a value breaks, or "".
func (f *field) scalar(raw []byte, v jsonrpc.Value) string {
	switch f.kind {
	case kindAny:
		return ""
	case kindFree:
		return unless(v.Kind == jsonrpc.Object, RuleObject)
	case kindBool:
		return unless(v.Kind == jsonrpc.Bool, RuleBool)
	case kindInt:
		return unless(v.Kind == jsonrpc.Number && within(v.Raw(raw), f.low, f.high), RuleInteger)
	case kindVoid:
		return unless(v.Is(raw, ""), RuleForbidden)
	case kindNever, kindObject:
		return RuleForbidden
	case kindText, kindID, kindWord, kindTime, kindDate, kindBytes, kindURI, kindMedia:
	}
	if v.Kind != jsonrpc.String {
		return RuleText
	}
	switch f.kind {
	case kindWord:
		for _, word := range f.words {
			if v.Is(raw, word) {
				return ""
			}
		}
		return RuleWord
	case kindID:
		return unless(ValidID(v.Text(raw)), RuleID)
	case kindTime:
		_, err := time.Parse(time.RFC3339Nano, v.Text(raw))
		return unless(err == nil && v.End-v.Start <= longestTime, RuleTime)
	case kindDate:
		return unless(dateLike(v.Text(raw)), RuleTime)
	case kindBytes:
		return unless(DecodedLen(raw, v) >= 0, RuleBase64)
	case kindURI:
		return unless(validURI(v.Text(raw)), RuleURI)
	case kindMedia:
		return unless(v.Is(raw, "") || MediaType(v.Text(raw)) != "", RuleMedia)
	}
	return ""
}

func unless(ok bool, rule string) string {
	if ok {
		return ""
	}
	return rule
}

// within reports whether a number is an integer within bounds, written the one
// way that every parser reads alike.
func within(raw []byte, low, high int) bool {
	text, _ := bytes.CutPrefix(raw, []byte{'-'})
	if len(text) == 0 || len(text) > 15 || text[0] == '0' && len(raw) > 1 {
		return false
	}
	n, err := strconv.Atoi(string(raw))
	return err == nil && n >= low && n <= high
}

// ValidID reports whether a text can be the id of a task, context, message,
// artifact or configuration. The specification calls them opaque; what cannot
// be seen or stand in a log line does not identify anything.
func ValidID(s string) bool { return len(s) > 0 && len(s) <= longestID && visible(s) }

func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// validURI reports whether a text is an absolute URI. Who fetches from it or
// sends to it has rules of its own; here it must only be readable in one way.
func validURI(s string) bool {
	if len(s) > longestURI || !visible(s) || strings.ContainsAny(s, "\\\"<>^`{|}") {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && (u.Host != "" || u.Opaque != "" || u.Path != "")
}

// dateLike reports whether a text can be meant as a point in time: digits and
// what stands between them in the forms of ISO 8601.
func dateLike(s string) bool {
	if len(s) < len("2006-01-02") || len(s) > longestTime {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && !strings.ContainsRune("-:.,+TZtz W", rune(c)) {
			return false
		}
	}
	return true
}

// DecodedLen returns how many bytes a base64 string stands for, -1 if it is
// none. Both alphabets are taken, but not in one text; padding is taken where
// it belongs.
func DecodedLen(raw []byte, v jsonrpc.Value) int {
	if v.Kind != jsonrpc.String {
		return -1
	}
	text := raw[v.Start+1 : v.End-1]
	if v.Escaped {
		text = []byte(v.Text(raw)) // an escaped solidus
	}
	digits := bytes.TrimRight(text, "=")
	if pad := len(text) - len(digits); pad > 2 || pad > 0 && len(text)%4 != 0 || len(digits)%4 == 1 {
		return -1
	}
	var standard, urlSafe bool
	for _, c := range digits {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '+' || c == '/':
			standard = true
		case c == '-' || c == '_':
			urlSafe = true
		default:
			return -1
		}
	}
	if standard && urlSafe {
		return -1
	}
	return len(digits) * 3 / 4
}

// MediaType returns type and subtype of a media type in lower case, without
// parameters, "" if the text is none.
func MediaType(s string) string {
	if len(s) > longestMedia || !strings.Contains(s, "/") {
		return ""
	}
	name, _, err := mime.ParseMediaType(s)
	if err != nil || strings.Count(name, "/") != 1 || strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") {
		return ""
	}
	return name
}
