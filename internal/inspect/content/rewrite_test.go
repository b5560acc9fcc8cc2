package content

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// piece is one token of a message as another parser reads it: what stands
// before it, its bytes, and its value.
type piece struct {
	before, raw string
	value       json.Token
	name        bool
}

func pieces(t *testing.T, raw []byte) []piece {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var out []piece
	var inside []byte // '{' before a name, 'v' before its value, '['
	at := int64(0)
	for {
		token, err := d.Token()
		if err == io.EOF {
			return append(out, piece{before: string(raw[at:])})
		}
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		text := string(raw[at:d.InputOffset()])
		at = d.InputOffset()
		start := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune(" \t\r\n,:", r) })
		p := piece{before: text[:start], raw: text[start:], value: token}
		top := len(inside) - 1
		switch delim, _ := token.(json.Delim); {
		case delim == '}' || delim == ']':
			inside = inside[:top]
		case top >= 0 && inside[top] == '{':
			p.name, inside[top] = true, 'v'
		default:
			if top >= 0 && inside[top] == 'v' {
				inside[top] = '{'
			}
			if delim != 0 {
				inside = append(inside, byte(delim))
			}
		}
		out = append(out, p)
	}
}

// checkRewrite holds a rewrite to what it promises: outside of string values
// that a rule changed every byte is as before, and it changes nothing more when
// it comes by again.
func checkRewrite(t *testing.T, e *Engine, in string, d portcullis.Direction) (changed bool) {
	t.Helper()
	before := message(t, in, d)
	m, err := e.Inspect(t.Context(), portcullis.Principal{}, before)
	if err != nil {
		return false
	}
	out := string(m.Raw)
	var parsed mcp.Parsed
	wide := jsonrpc.DefaultReplyLimits()
	if err := mcp.ParseInto(&parsed, []byte(out), wide, d); err != nil {
		t.Fatalf("%s\nbecame %s\nwhich is refused: %v", in, out, err)
	}
	if string(parsed.Params) != string(m.Params) || string(parsed.Arguments) != string(m.Arguments) || string(parsed.ID) != string(m.ID) {
		t.Errorf("params %s and arguments %s are not those of %s", m.Params, m.Arguments, out)
	}
	was, is := pieces(t, []byte(in)), pieces(t, []byte(out))
	if len(was) != len(is) {
		t.Fatalf("%s\nbecame %s", in, out)
	}
	for i := range was {
		if was[i].before != is[i].before || was[i].name != is[i].name {
			t.Fatalf("%s\nbecame %s\nwhich differs beside the strings", in, out)
		}
		if was[i].raw == is[i].raw {
			continue
		}
		_, isText := is[i].value.(string)
		_, wasText := was[i].value.(string)
		_, wasNumber := was[i].value.(json.Number)
		if was[i].name || !isText || !wasText && !wasNumber || was[i].value == is[i].value {
			t.Fatalf("%s\nbecame %s\nfor %s", in, out, was[i].raw)
		}
	}
	again, err := e.Inspect(t.Context(), portcullis.Principal{}, message(t, out, d))
	if err != nil {
		t.Fatalf("%s\nbecame %s\nwhich is refused: %v", in, out, err)
	}
	if string(again.Raw) != out {
		t.Fatalf("%s\nbecame %s\nand then %s", in, out, again.Raw)
	}
	return out != in
}

// mixed are rules of every action.
func mixed(tb testing.TB) *Engine {
	tb.Helper()
	return engine(tb,
		Rule{Detect: []string{"pii.email"}, Action: Mask}, Rule{Detect: []string{"pii.card"}, Action: Tokenize},
		Rule{Detect: []string{"html", "unicode"}, Action: Clean}, Rule{Detect: []string{"secret"}, Action: Redact})
}

// words are what strings are made of.
var words = [...]string{
	"n@x.org", "SECRET-abcd1", "password=x y", "4111111111111111", "<b>", "<", "<<b>b>", "\U000E0041", " ", "\"", "\\", "\n", "é", "😀", "a", "/",
	"[redacted:", "[redacted:pii.email]", "]", "pctok_v1_", "\x00", "\u2028", "text ", "{\"a\":1}",
}

func randomText(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(5) {
		b.WriteString(words[r.IntN(len(words))])
	}
	return b.String()
}

// spell writes a JSON string in one of its spellings.
func spell(r *rand.Rand, text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range text {
		switch {
		case c < ' ' || c == '"' || c == '\\' || c < 0x80 && r.IntN(8) == 0:
			fmt.Fprintf(&b, `\u%04x`, c)
		case c == '/' && r.IntN(2) == 0:
			b.WriteString(`\/`)
		case c >= 0x10000 && r.IntN(2) == 0:
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(c-0x10000)>>10, 0xdc00+(c-0x10000)&0x3ff)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func randomValue(r *rand.Rand, depth int) string {
	gap := strings.Repeat(" ", r.IntN(2))
	switch n := r.IntN(9); {
	case n < 4 || depth == 0:
		return spell(r, randomText(r))
	case n == 4:
		return [...]string{"null", "true", "4111111111111111", "-12.5e3", "0"}[r.IntN(5)]
	case n < 7:
		var items []string
		for range r.IntN(4) {
			items = append(items, gap+randomValue(r, depth-1))
		}
		return "[" + strings.Join(items, gap+",") + gap + "]"
	default:
		var items []string
		for i := range r.IntN(4) {
			name := [...]string{"a", "password", "blob", "text", "\\u0041"}[r.IntN(5)]
			items = append(items, fmt.Sprintf(`%s"%s%d"%s:%s`, gap, name, i, gap, randomValue(r, depth-1)))
		}
		return "{" + strings.Join(items, ",\n") + "}"
	}
}

func TestRewritesNothingElse(t *testing.T) {
	e := mixed(t)
	changed := 0
	for seed := range uint64(10_000) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test that repeats
		for in, d := range map[string]portcullis.Direction{
			`{"jsonrpc":"2.0", "id":1,"result": ` + randomValue(r, 4) + `}`:                                                      portcullis.ToClient,
			`{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"t","arguments":{"a":` + randomValue(r, 4) + `}}}`: portcullis.ToServer,
		} {
			if checkRewrite(t, e, in, d) {
				changed++
			}
		}
	}
	if changed < 5000 {
		t.Errorf("only %d messages were rewritten", changed)
	}
}

func FuzzRewrite(f *testing.F) {
	for seed := range uint64(30) {
		f.Add(randomValue(rand.New(rand.NewPCG(seed, 2)), 4)) //nolint:gosec // a test that repeats
	}
	e := mixed(f)
	f.Fuzz(func(t *testing.T, value string) {
		in := result(value)
		var p mcp.Parsed
		if err := mcp.ParseInto(&p, []byte(in), jsonrpc.DefaultReplyLimits(), portcullis.ToClient); err != nil {
			if _, err := e.Inspect(t.Context(), portcullis.Principal{}, &portcullis.Message{Raw: []byte(value), Direction: portcullis.ToClient}); err != nil {
				return
			}
			return
		}
		checkRewrite(t, e, in, portcullis.ToClient)
	})
}

// FuzzWalk holds the walk to the strict reader: what that accepts can be walked.
func FuzzWalk(f *testing.F) {
	for _, s := range []string{`{"jsonrpc":"2.0","id":1,"result":{}}`, `{"jsonrpc":"2.0","method":"a","params":{"a":[1,"x",{"b":null}]}}`} {
		f.Add([]byte(s))
	}
	e := engine(f, Rule{Detect: []string{"*"}, Action: Alert})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var p mcp.Parsed
		accepted := mcp.ParseInto(&p, raw, jsonrpc.DefaultReplyLimits(), portcullis.ToClient) == nil
		_, err := e.Inspect(t.Context(), portcullis.Principal{}, &portcullis.Message{Raw: raw, Direction: portcullis.ToClient})
		if accepted && len(raw) > 0 && err != nil {
			t.Fatalf("%q is read and cannot be walked: %v", raw, err)
		}
	})
}
