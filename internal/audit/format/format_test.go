package format_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/format"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// hostile is text that means something in every form.
const hostile = "=cmd|'/c calc'!A1, \"q\"; a|b=c\\d\te\nf\r\ng\u2028h\u202ei\x1b[31m\xff cs1=x"

func info() format.Info {
	return format.Info{Version: "1.2.3", Host: "gw-1.example"}
}

// event returns an event of a type that has everything.
func event(t portcullis.EventType) portcullis.Event {
	return portcullis.Event{
		ID: "019aa9c1-7d5b-7cc3-98c4-dc0c0c07398f", Time: time.Date(2026, 11, 22, 6, 15, 19, 123e6, time.UTC),
		Type: t, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeFailure,
		Actor: portcullis.Actor{ID: "alice", Method: "api_key", KeyID: "9f8e7d6c", IP: netip.MustParseAddr("2001:db8::7"), UserAgent: "curl/8.5"},
		Route: "files", Resource: "tool:write_file", Action: "tools/call", Reason: "forbidden",
		RequestID: "019aa9c1-7d5b-7cc3-98c4-dc0c0c073990", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736",
		Environment: "production", Service: "portcullis", RiskScore: 42,
		Details: []slog.Attr{slog.Int("status", 403), slog.Int64("duration_us", 1500), slog.String("guard", "scope"), slog.Any("scopes", []string{"read"})},
	}
}

// bare returns an event that has only what every entry has.
func bare(t portcullis.EventType) portcullis.Event {
	return portcullis.Event{ID: "1", Time: time.Unix(0, 0).UTC(), Type: t, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess}
}

// attacked returns an event that holds s wherever an event holds text.
func attacked(s string) portcullis.Event {
	return portcullis.Event{
		ID: s, Time: time.Date(2026, 11, 22, 6, 15, 19, 0, time.UTC), Type: portcullis.EventType(s), Severity: portcullis.Severity(s), Outcome: portcullis.Outcome(s),
		Actor: portcullis.Actor{ID: s, Method: s, KeyID: s, IP: netip.MustParseAddr("192.0.2.1"), UserAgent: s},
		Route: s, Resource: s, Action: s, Reason: s, RequestID: s, TraceID: s, Environment: s, Service: s,
		Details: []slog.Attr{slog.String(s, s)},
	}
}

func samples() []portcullis.Event {
	out := []portcullis.Event{event("AUTHZ_DENIED"), attacked(hostile), bare("NO_SUCH_TYPE")}
	for _, t := range []portcullis.EventType{
		"CALL_FINISHED", "AUTH_SUCCESS", "SESSION_OPENED", "API_KEY_ROTATED", "USER_DISABLED", "CONTENT_BLOCKED",
		"RATE_LIMIT_EXCEEDED", "GATEWAY_STARTED",
	} {
		out = append(out, event(t), bare(t))
	}
	return out
}

func encode(t testing.TB, name string, e *portcullis.Event) string {
	t.Helper()
	enc, ok := format.ByName(name, info())
	if !ok {
		t.Fatalf("no form %q", name)
	}
	out, err := enc.Append([]byte("kept"), e)
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(string(out), "kept")
	if !ok {
		t.Fatalf("%s: what stood in the buffer is gone: %q", name, out)
	}
	return text
}

func TestGoldens(t *testing.T) {
	for _, name := range format.Names() {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			enc, _ := format.ByName(name, info())
			if h, ok := enc.(format.Header); ok {
				got.Write(append(h.AppendHeader(nil), '\n'))
			}
			for _, e := range samples() {
				got.WriteString(encode(t, name, &e) + "\n")
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("differs from %s (-update rewrites it):\n%s", golden, got.Bytes())
			}
		})
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", "JSON", "xml", "csv "} {
		if _, ok := format.ByName(name, info()); ok {
			t.Errorf("%q is a form", name)
		}
	}
}

// declared returns the event types that the code of the gateway declares.
func declared(t *testing.T) []portcullis.EventType {
	t.Helper()
	var out []portcullis.EventType
	root := filepath.Join("..", "..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || path != root && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, []byte("EventType")) {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && eventType(v.Type) {
				for _, value := range v.Values {
					if lit, ok := value.(*ast.BasicLit); ok {
						name, err := strconv.Unquote(lit.Value)
						if err != nil {
							t.Fatal(err)
						}
						out = append(out, portcullis.EventType(name))
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func eventType(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "EventType"
	case *ast.SelectorExpr:
		return e.Sel.Name == "EventType"
	}
	return false
}

// Every declared type has its row, on purpose: SIEM rules are written on it.
func TestEveryTypeHasItsMeaning(t *testing.T) {
	found := declared(t)
	if len(found) < 40 || !slices.Contains(found, "AUDIT_LOG_DAMAGED") {
		t.Fatalf("only %d types found: %q", len(found), found)
	}
	for _, name := range found {
		if _, ok := format.Lookup(name); !ok {
			t.Errorf("%s is declared, and has no row in catalog.go", name)
		}
	}
	seen := map[portcullis.EventType]bool{}
	for _, name := range format.Types() {
		m, _ := format.Lookup(name)
		if seen[name] || m.Title == "" || m.Does == "" || len(m.Category) == 0 || len(m.Kind) == 0 {
			t.Errorf("%s: row is doubled or not whole: %+v", name, m)
		}
		seen[name] = true
	}
}

// TestDocsTable keeps the table in docs/siem-formats.md.
func TestDocsTable(t *testing.T) {
	const begin, end = "<!-- types -->\n", "<!-- /types -->"
	page := filepath.Join("..", "..", "..", "docs", "siem-formats.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	have, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the marks of the table are gone")
	}
	want := "| type | tells | OCSF class | activity | ECS category, type |\n|---|---|---|---|---|\n"
	for _, name := range format.Types() {
		m, _ := format.Lookup(name)
		want += fmt.Sprintf("| `%s` | %s | %d | %d %s | %s, %s |\n", name, m.Title, m.Class, m.Activity, m.Does, m.Category[0], strings.Join(m.Kind, " "))
	}
	if *update {
		if err := os.WriteFile(page, []byte(head+begin+want+end+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have != want {
		t.Error("docs/siem-formats.md has another table (-update rewrites it)")
	}
}

func TestNear(t *testing.T) {
	for name, want := range map[portcullis.EventType]portcullis.EventType{
		"AUTHZ_DENID": "AUTHZ_DENIED", "AUTH_FAILED": "AUTH_FAILURE", "RATE_LIMIT": "", "TOOL_APROVED": "TOOL_APPROVED", "": "", "QUITE_DIFFERENT_THING": "",
	} {
		if got := format.Near(name); got != want {
			t.Errorf("nearest to %q is %q, want %q", name, got, want)
		}
	}
}

// ecsAllowed is what ECS 8 expects event.type to be in each category in use.
var ecsAllowed = map[string]string{
	"api":                 "access admin allowed change creation deletion denied end info start user",
	"authentication":      "start end info",
	"configuration":       "access change creation deletion info",
	"iam":                 "admin change creation deletion group info user",
	"intrusion_detection": "allowed denied info",
	"process":             "access change end info start",
	"session":             "start end info",
	"web":                 "access error info denied",
}

func TestECSWords(t *testing.T) {
	for _, name := range format.Types() {
		m, _ := format.Lookup(name)
		for _, kind := range m.Kind {
			if !slices.Contains(strings.Fields(ecsAllowed[m.Category[0]]), kind) {
				t.Errorf("%s: event.type %q is none of category %q", name, kind, m.Category[0])
			}
		}
	}
}

func TestECSDocument(t *testing.T) {
	e := event("AUTHZ_DENIED")
	var got struct {
		Time  string `json:"@timestamp"`
		Event struct {
			Kind, Action, Outcome, Code, Reason string
			Category, Type                      []string
			Severity, Duration                  int
		}
		Source struct{ IP string }
		User   struct{ ID string }
		Trace  struct{ ID string }
		Labels map[string]string
	}
	if err := json.Unmarshal([]byte(encode(t, "ecs", &e)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Time != "2026-11-22T06:15:19.123Z" || got.Event.Kind != "event" || got.Event.Action != "authz-denied" || got.Event.Outcome != "failure" ||
		got.Event.Severity != 47 || got.Event.Duration != 1500000 || got.Source.IP != "2001:db8::7" || got.User.ID != "alice" ||
		got.Trace.ID != e.TraceID || got.Labels["resource"] != "tool:write_file" || !strings.Contains(got.Labels["details"], `"guard":"scope"`) {
		t.Errorf("got %+v", got)
	}
	e.Outcome = portcullis.OutcomePending
	if got := encode(t, "ecs", &e); !strings.Contains(got, `"outcome":"unknown"`) {
		t.Errorf("a pending call has the outcome of another: %s", got)
	}
}

func TestEntriesAreThoseOfTheJournal(t *testing.T) {
	e := event("AUTHZ_DENIED")
	if got := encode(t, "json", &e); got != string(auditlog.AppendEntry(nil, &e)) {
		t.Errorf("got %s", got)
	}
}

func BenchmarkAppend(b *testing.B) {
	e := event("AUTHZ_DENIED")
	for _, name := range format.Names() {
		b.Run(name, func(b *testing.B) {
			enc, _ := format.ByName(name, info())
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = enc.Append(dst[:0], &e)
			}
		})
	}
}
