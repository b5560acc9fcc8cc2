package content

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// like is a detector made of an expression.
type like struct {
	name  string
	hint  finding.Hint
	re    *regexp.Regexp
	score uint8
	mask  string
}

func (l *like) Name() string       { return l.name }
func (l *like) Kinds() []string    { return []string{l.name} }
func (l *like) Hint() finding.Hint { return l.hint }

func (l *like) Find(dst []finding.Finding, s []byte) []finding.Finding {
	for _, at := range l.re.FindAllIndex(s, -1) {
		dst = append(dst, finding.Finding{Start: at[0], End: at[1], Kind: l.name, Score: l.score})
	}
	return dst
}

func (l *like) Mask(dst []byte, _ string, found []byte) []byte {
	if l.mask == "" {
		return appendRedacted(dst, l.name)
	}
	return append(append(dst, found[0]), l.mask...)
}

// cleaner drops what it finds.
type cleaner struct{ like }

func (*cleaner) Clean(dst []byte, _ string, _ []byte) []byte { return dst }

// underName finds whatever stands under a name.
type underName struct{ like }

func (u *underName) FindUnder(dst []finding.Finding, name, s []byte) []finding.Finding {
	if len(s) > 0 && bytes.Contains(bytes.ToLower(name), []byte("password")) {
		return append(dst, finding.Finding{Start: 0, End: len(s), Kind: u.name, Score: 75})
	}
	return u.Find(dst, s)
}

func fakes() []finding.Detector {
	re := regexp.MustCompile
	return []finding.Detector{
		&like{name: "secret.key", hint: finding.Hint{Words: []string{"SECRET-"}}, re: re(`SECRET-[0-9a-z]{4,}`), score: 95},
		&like{name: "pii.email", hint: finding.Hint{Bytes: "@"}, re: re(`[a-z0-9*]+@[a-z.]+[a-z]`), score: 90, mask: "***@x.org"},
		&like{name: "pii.card", hint: finding.Hint{Digits: 13, MinLen: 13}, re: re(`\b[0-9]{13,16}\b`), score: 90},
		&cleaner{like{name: "html.tag", hint: finding.Hint{Bytes: "<"}, re: re(`<[a-z]+>`), score: 90}},
		&underName{like{name: "secret.password", hint: finding.Hint{Words: []string{"password"}}, re: re(`password=[^ ]+`), score: 75}},
		&cleaner{like{name: "unicode.tag", hint: finding.Hint{Beyond: true}, re: re(`[\x{E0000}-\x{E007F}]+`), score: 95}},
	}
}

func testTokens(t testing.TB) *Tokens {
	t.Helper()
	k, err := NewTokens(bytes.Repeat([]byte{1}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// message reads a message as the gateway does.
func message(t testing.TB, raw string, d portcullis.Direction) *portcullis.Message {
	t.Helper()
	var p mcp.Parsed
	if err := mcp.ParseInto(&p, []byte(raw), jsonrpc.DefaultReplyLimits(), d); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return &p.Message
}

// engine returns one with these rules in both directions.
func engine(t testing.TB, rules ...Rule) *Engine {
	t.Helper()
	e, err := New(Options{Route: "r", Detectors: fakes(), Arguments: rules, Results: rules, Tokens: testTokens(t)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// result is a reply that carries a JSON value.
func result(value string) string { return `{"jsonrpc":"2.0","id":1,"result":` + value + `}` }
