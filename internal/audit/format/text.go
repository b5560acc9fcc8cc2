package format

import (
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// timeLayout is how entries write times.
const timeLayout = "2006-01-02T15:04:05.000Z"

// clean returns s as valid UTF-8 of at most [auditlog.MaxString] bytes without
// characters that act on their surroundings: what ends a line or a cell becomes
// a space, the other controls and the marks that turn the direction of text
// become U+FFFD. Line ends are kept if the form can write them.
func clean(s string, lines bool) string {
	if plain(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r':
			if lines {
				return r
			}
			return ' '
		case r == '\t':
			return ' '
		case hidden(r):
			return utf8.RuneError
		}
		return r
	}, short(s))
}

// plain reports whether s is short and printable ASCII.
func plain(s string) bool {
	if len(s) > auditlog.MaxString {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// short returns as much of s as stays within [auditlog.MaxString].
func short(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= auditlog.MaxString {
		return s
	}
	end := auditlog.MaxString - len("…")
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// hidden reports whether r acts on its surroundings instead of being seen.
func hidden(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x061c || r == 0x200e || r == 0x200f || r == 0xfeff ||
		r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// millis is a time as milliseconds since 1970. Years that no entry can hold
// are clamped as entries clamp them.
func millis(t time.Time) int64 {
	return clamp(t).UnixMilli()
}

func clamp(t time.Time) time.Time {
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return time.Date(min(max(y, 0), 9999), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	}
	return t
}

func timestamp(t time.Time) string { return clamp(t).Format(timeLayout) }

// detail returns the first of the named details as text, or "".
func detail(details []slog.Attr, names ...string) string {
	for _, name := range names {
		for i := range details {
			if details[i].Key == name && details[i].Value.Kind() != slog.KindGroup {
				return details[i].Value.String()
			}
		}
	}
	return ""
}

// number returns a detail that is a whole number.
func number(details []slog.Attr, name string) (int64, bool) {
	for i := range details {
		if details[i].Key == name && details[i].Value.Kind() == slog.KindInt64 {
			return details[i].Value.Int64(), true
		}
	}
	return 0, false
}

// words returns a detail that is a list of strings.
func words(details []slog.Attr, names ...string) []string {
	for _, name := range names {
		for i := range details {
			if list, ok := details[i].Value.Any().([]string); ok && details[i].Key == name && len(list) > 0 {
				return list
			}
		}
	}
	return nil
}

// split divides "tool:echo" into its kind and its name.
func split(resource string) (kind, name string) {
	kind, name, ok := strings.Cut(resource, ":")
	if !ok || name == "" {
		return "", resource
	}
	return kind, name
}
