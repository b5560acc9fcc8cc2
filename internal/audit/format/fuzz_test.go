package format_test

import (
	"encoding/csv"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/format"
)

func seeds(f *testing.F) {
	f.Helper()
	for _, s := range []string{
		"", "alice", hostile, "|", "=", "\\", "\n", "\\n", "\\|", "a|b|c", "x=1 y=2", "'", "''=", " =1+1", "\"=1", "＝1", "-2+3", "@SUM(A1)", "a\tb", "a\u202eb",
		"\xff\xfe", strings.Repeat("é", 3000), "a,b;c", "cs1=evil cs1Label=route", "\r\n", "{\"a\":1}", "\x00", "end\\",
	} {
		f.Add(s)
	}
}

// shape is what a form of an event looks like without its values.
func shape(t *testing.T, name, line string) []string {
	t.Helper()
	switch name {
	case "cef":
		keys, _ := parseCEF(t, line)
		return keys
	case "leef":
		keys, _ := parseLEEF(t, line)
		return keys
	case "csv":
		return make([]string, len(parseCSV(t, line)))
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(line), &v); err != nil {
		t.Fatalf("%s: %v: %q", name, err, line)
	}
	return paths("", v)
}

func paths(at string, v any) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if k == "details" {
				continue // its names are those of the event
			}
			out = append(out, paths(at+"."+k, x)...)
		}
	case []any:
		for _, x := range v {
			out = append(out, paths(at+"[]", x)...)
		}
	default:
		return []string{at}
	}
	slices.Sort(out)
	return out
}

// Whatever a text is, an event that holds it everywhere has the same fields as
// one that holds a word, stands on one line and is valid.
func FuzzTextStaysInItsField(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, s string) {
		want, got := attacked("word"), attacked(s)
		want.Type, want.Resource, want.Action, want.Severity, want.Outcome = "AUTHZ_DENIED", "tool:x", "tools/call", "WARN", "failure"
		got.Type, got.Severity, got.Outcome = want.Type, want.Severity, want.Outcome
		got.Resource, got.Action = want.Resource+s, "tools/call"+s
		if s == "" || strings.TrimSpace(s) == "" || strings.HasSuffix(s, ":") {
			return
		}
		for _, name := range format.Names() {
			line := encode(t, name, &got)
			if strings.ContainsAny(line, "\n\r\u2028\u2029\u202e\x1b") || !utf8.ValidString(line) {
				t.Errorf("%s: acts on its surroundings: %q", name, line)
			}
			if a, b := shape(t, name, line), shape(t, name, encode(t, name, &want)); !slices.Equal(a, b) {
				t.Errorf("%s: fields\n%q\nwant\n%q\nof %q", name, a, b, line)
			}
		}
	})
}

// FuzzEverywhere also changes what has a meaning of its own.
func FuzzEverywhere(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, s string) {
		e := attacked(s)
		for _, name := range format.Names() {
			line := encode(t, name, &e)
			if strings.ContainsAny(line, "\n\r\u2028\u2029\u202e\x1b") || !utf8.ValidString(line) {
				t.Errorf("%s: acts on its surroundings: %q", name, line)
			}
			shape(t, name, line)
		}
	})
}

// FuzzCEF reads back what was written: each value has one encoding.
func FuzzCEF(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, s string) {
		e := portcullis.Event{Type: portcullis.EventType(s), Reason: s, Actor: portcullis.Actor{ID: s, IP: netip.MustParseAddr("::ffff:192.0.2.7")}}
		line := encode(t, "cef", &e)
		keys, values := parseCEF(t, line)
		if again := writeCEF(values[:7], keys, values[7:]); again != line {
			t.Errorf("%q is written again as %q", line, again)
		}
		i := slices.Index(keys, "suid")
		switch {
		case s == "" && i >= 0:
			t.Errorf("an empty value is written: %q", line)
		case s != "" && strings.ContainsAny(s, "|=\\") && !visible(s):
			if i < 0 || values[7+i] != s {
				t.Errorf("value %q came back as %q", s, values)
			}
		}
	})
}

// visible reports a text that the encoders change because of what is in it.
func visible(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || r < ' ' || r >= 0x7f {
			return true
		}
	}
	return len(s) > 4096
}

// parseCEF reads a line as the format describes it. Values are the seven
// fields of the header and then those of the keys.
func parseCEF(t *testing.T, line string) (keys, values []string) {
	t.Helper()
	rest, ok := strings.CutPrefix(line, "CEF:")
	if !ok {
		t.Fatalf("no CEF: %q", line)
	}
	field := ""
	for len(values) < 7 {
		switch {
		case rest == "":
			t.Fatalf("header of %d fields: %q", len(values), line)
		case rest[0] == '\\':
			if rest[1] != '\\' && rest[1] != '|' {
				t.Fatalf("escape of %q in the header: %q", rest[1], line)
			}
			field, rest = field+rest[1:2], rest[2:]
		case rest[0] == '|':
			values, field, rest = append(values, field), "", rest[1:]
		default:
			field, rest = field+rest[:1], rest[1:]
		}
	}
	value, word := "", 0 // where the last word of value begins
	for rest != "" {
		switch c := rest[0]; c {
		case '\\':
			unescaped := map[byte]string{'\\': "\\", '=': "=", 'n': "\n", 'r': "\r"}[rest[1]]
			if unescaped == "" {
				t.Fatalf("escape of %q in a value: %q", rest[1], line)
			}
			value, rest = value+unescaped, rest[2:]
		case '=':
			if len(keys) > 0 {
				values = append(values, value[:max(word-1, 0)])
			}
			keys, value, word, rest = append(keys, value[word:]), "", 0, rest[1:]
		default:
			value, rest = value+rest[:1], rest[1:]
			if c == ' ' {
				word = len(value)
			}
		}
	}
	if len(keys) > 0 {
		values = append(values, value)
	}
	return keys, values
}

func writeCEF(header, keys, values []string) string {
	out := "CEF:"
	for _, h := range header {
		out += strings.NewReplacer(`\`, `\\`, `|`, `\|`).Replace(h) + "|"
	}
	for i, k := range keys {
		if i > 0 {
			out += " "
		}
		out += k + "=" + strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\n", `\n`, "\r", `\r`).Replace(values[i])
	}
	return out
}

func parseLEEF(t *testing.T, line string) (keys, values []string) {
	t.Helper()
	header := strings.SplitN(line, "|", 7)
	if len(header) != 7 || header[0] != "LEEF:2.0" || header[5] != "x09" {
		t.Fatalf("header %q", line)
	}
	for pair := range strings.SplitSeq(header[6], "\t") {
		k, v, ok := strings.Cut(pair, "=")
		if !ok || k == "" || v == "" {
			t.Fatalf("attribute %q of %q", pair, line)
		}
		keys, values = append(keys, k), append(values, v)
	}
	return keys, values
}

func parseCSV(t *testing.T, line string) []string {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(line + "\r\n")).ReadAll()
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v: %q", len(records), err, line)
	}
	return records[0]
}

// FuzzCSV reads back what was written with a reader that is not ours, and
// wants no cell that a spreadsheet computes.
func FuzzCSV(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, s string) {
		e := portcullis.Event{Reason: s}
		line := encode(t, "csv", &e)
		cells := parseCSV(t, line)
		if len(cells) != 20 {
			t.Fatalf("%d cells: %q", len(cells), line)
		}
		cell := cells[13]
		if trimmed := strings.TrimLeft(cell, " \t\r\n\""); trimmed != "" && strings.ContainsRune("=+-@|%＝＋－＠", []rune(trimmed)[0]) {
			t.Errorf("%q is a formula", cell)
		}
		if visible(s) {
			return
		}
		if got := strings.TrimPrefix(cell, "'"); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	})
}
