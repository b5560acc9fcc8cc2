package auditlog

import (
	"bytes"
	"errors"
	"flag"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	portcullis "github.com/portcullis-dev/portcullis"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type panicker struct{}

func (panicker) Error() string { panic("no") }

type lazy struct{}

func (lazy) LogValue() slog.Value { return slog.GroupValue(slog.Int("n", 1)) }

func fullEvent() portcullis.Event {
	return portcullis.Event{
		ID:       "019aa9c1-7d5b-7cc3-98c4-dc0c0c07398f",
		Time:     time.Date(2026, 11, 22, 7, 15, 19, 123_999_999, time.FixedZone("CET", 3600)),
		Type:     portcullis.EventAuthzDenied,
		Severity: portcullis.SeverityWarn,
		Outcome:  portcullis.OutcomeFailure,
		Actor: portcullis.Actor{
			ID: "alice", Method: "api_key", KeyID: "9f8e7d6c", IP: netip.MustParseAddr("2001:db8::7"),
			UserAgent: "curl/8.5 \"quoted\" \\ \x1b[31m\n\t\r\u2028\u2029\u202e\x7f\u0085",
			Geo:       portcullis.Geo{Country: "DE", Region: "BE", City: "Berlin", ASN: 64496, Org: "Example"},
		},
		Route: "files", Resource: "tool:write_file", Action: "tools/call", Reason: "forbidden",
		RequestID: "019aa9c1-7d5b-7cc3-98c4-dc0c0c073990", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736",
		Environment: "production", Service: "portcullis", RiskScore: 42,
		Details: []slog.Attr{
			slog.Int("attempts", -3), slog.Uint64("big", math.MaxUint64), slog.Float64("ratio", 0.25),
			slog.Bool("phi", true), slog.Duration("took", 1500*time.Microsecond),
			slog.Time("until", time.Date(2027, 1, 2, 3, 4, 5, 6e6, time.UTC)),
			slog.Any("scopes", []string{"tools:echo", "read"}), slog.Any("err", errors.New("no\nroute")),
			slog.Any("none", nil), slog.Group("rule", slog.String("name", "r1"), slog.Group("gone")),
			slog.String("bad\xff", "\xff\xfeok"), slog.Any("lazy", lazy{}), slog.Any("panics", panicker{}),
			slog.String("attempts", "again"), {},
			slog.Float64("nan", math.NaN()), slog.Float64("tiny", 1e-9), slog.Float64("zero", math.Copysign(0, -1)),
		},
	}
}

func TestAppendEntryGolden(t *testing.T) {
	full := fullEvent()
	least := portcullis.Event{ID: "1", Type: "T", Severity: "INFO", Outcome: "success"}
	emptyDetails := least
	emptyDetails.Details = []slog.Attr{{}, slog.Group("g")}
	emptyDetails.Actor.IP = netip.MustParseAddr("fe80::1%eth\"0")
	var got []byte
	for _, e := range []portcullis.Event{full, least, emptyDetails} {
		got = append(AppendEntry(got, &e), '\n')
	}
	golden := filepath.Join("testdata", "entries.golden")
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("entries differ from %s (-update rewrites it):\n%s", golden, got)
	}
}

func TestRoundTrip(t *testing.T) {
	e := fullEvent()
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	e.Details = []slog.Attr{
		slog.Int64("i", -1), slog.Uint64("u", math.MaxUint64), slog.Float64("f", 1.5), slog.Bool("b", false),
		slog.String("s", "x"), slog.Any("l", []string{"a", "b"}), slog.Any("n", nil),
		slog.Group("g", slog.String("k", "v")),
	}
	got, err := ParseEntry(AppendEntry(nil, &e))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, e) {
		t.Errorf("got  %+v\nwant %+v", got, e)
	}
}

func TestTimes(t *testing.T) {
	for _, tt := range []struct {
		in   time.Time
		want string
	}{
		{time.Time{}, "0001-01-01T00:00:00.000Z"},
		{time.Date(2024, 2, 29, 23, 59, 59, 999_999_999, time.UTC), "2024-02-29T23:59:59.999Z"},
		{time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC), "9999-01-01T00:00:00.000Z"},
		{time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), "0000-01-01T00:00:00.000Z"},
	} {
		if got := string(appendTime(nil, tt.in)); got != tt.want {
			t.Errorf("appendTime(%v) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestLongStringsAreCut(t *testing.T) {
	for name, s := range map[string]string{
		"ascii":   strings.Repeat("x", MaxString+1),
		"euro":    strings.Repeat("€", MaxString),
		"invalid": strings.Repeat("\xe2", MaxString),
	} {
		e := portcullis.Event{Reason: s, Details: []slog.Attr{slog.String(s, s), slog.String(s, s)}}
		first := AppendEntry(nil, &e)
		got, err := ParseEntry(first)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(got.Reason) > MaxString || !strings.HasSuffix(got.Reason, "…") {
			t.Errorf("%s: %d bytes ending in %q", name, len(got.Reason), got.Reason[len(got.Reason)-3:])
		}
		if len(got.Details) != 2 {
			t.Errorf("%s: %d details, want 2", name, len(got.Details))
		}
		if second := AppendEntry(nil, &got); !bytes.Equal(first, second) {
			t.Errorf("%s: entry changes when written again", name)
		}
	}
	exact := strings.Repeat("x", MaxString)
	got, err := ParseEntry(AppendEntry(nil, &portcullis.Event{Reason: exact}))
	if err != nil || got.Reason != exact {
		t.Errorf("a string of exactly MaxString bytes changed: %v", err)
	}
}

func TestDeepGroupsAreCut(t *testing.T) {
	a := slog.String("leaf", "x")
	for range 20 {
		a = slog.Attr{Key: "g", Value: slog.GroupValue(a)}
	}
	line := AppendEntry(nil, &portcullis.Event{Details: []slog.Attr{a}})
	if _, err := ParseEntry(line); err != nil || !bytes.Contains(line, []byte(`"…"`)) {
		t.Errorf("%v: %s", err, line)
	}
}

func TestParseEntryRefuses(t *testing.T) {
	good := `{"id":"1","time":"2026-11-22T06:15:19.123Z","type":"T","severity":"INFO","outcome":"success"`
	if _, err := ParseEntry([]byte(good + "}")); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		``, `null`, `[]`, `{}`, good, good + `}x`, good + `}{}`, good + `,"id":"2"}`, good + `,"extra":1}`,
		good + `,"ID":"2"}`, good + `,"actor":{"geo":"x"}}`, good + `,"actor":{"geo":{"x":"y"}}}`, good + `,"actor":{"geo":{"asn":-1}}}`, good + `,"actor":{"geo":{"asn":4294967296}}}`, good + `,"actor":{"ip":"300.1.1.1"}}`,
		good + `,"actor":"alice"}`, good + `,"risk_score":"7"}`, good + `,"risk_score":1.5}`,
		good + `,"reason":null}`, good + ",\"reason\":\"\xff\"}", good + `,"details":{"a":1,"a":2}}`,
		good + `,"details":{"a":[1]}}`, good + `,"details":[]}`, good + `,"details":{"a":[`,
		good + `,"details":{"n":1e999}}`,
		good + `,"details":` + strings.Repeat(`{"g":`, MaxDepth+1) + `1` + strings.Repeat(`}`, MaxDepth+2),
		strings.Replace(good, ".123Z", "Z", 1) + "}", strings.Replace(good, ".123Z", ".123+00:00", 1) + "}",
		strings.Replace(good, `"severity":"INFO",`, "", 1) + "}",
	} {
		if e, err := ParseEntry([]byte(bad)); err == nil {
			t.Errorf("%s: accepted as %+v", bad, e)
		}
	}
}

func TestAppendEntryDoesNotAllocate(t *testing.T) {
	e := fullEvent()
	e.Details = e.Details[:7]
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = AppendRecord(buf[:0], &e) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzEntry(f *testing.F) {
	f.Add("alice", "curl/8", "k", "v", "k", "w", int64(7), 0.5, []byte("::1"))
	f.Add("\xff\x00\u2028", "\u202e\x7f", "", "\xc3\x28", "\xff", "\xfe", int64(-1), math.Inf(1), []byte{})
	f.Fuzz(func(t *testing.T, id, ua, k1, v1, k2, v2 string, n int64, x float64, ip []byte) {
		addr, _ := netip.AddrFromSlice(ip)
		e := portcullis.Event{
			ID: id, Type: portcullis.EventType(v1), Time: time.Unix(n, 0),
			Actor: portcullis.Actor{ID: id, UserAgent: ua, IP: addr}, RiskScore: int(n), Reason: v2,
			Details: []slog.Attr{
				slog.String(k1, v1), slog.Float64(k2, x), slog.Int64(k1, n), slog.Any(v1, []string{v1, v2}),
				slog.Group(v2, slog.String(k1, v2), slog.Any(k2, errors.New(v1))),
			},
		}
		line := AppendRecord(nil, &e)
		if bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Fatalf("%q is not one line", line)
		}
		entry, err := ParseLine(line)
		if err != nil {
			t.Fatal(err)
		}
		if v := jsontext.Value(entry); !v.IsValid() {
			t.Fatalf("%s is not valid JSON", entry)
		}
		got, err := ParseEntry(entry)
		if err != nil {
			t.Fatalf("%s: %v", entry, err)
		}
		if again := AppendEntry(nil, &got); !bytes.Equal(entry, again) {
			t.Fatalf("entry changes when written again:\n%s\n%s", entry, again)
		}
	})
}

// FuzzParseEntry: what is accepted reads the same after it is written again.
func FuzzParseEntry(f *testing.F) {
	e := fullEvent()
	f.Add(AppendEntry(nil, &e))
	f.Add([]byte(`{"id":"1","time":"2026-11-22T06:15:19.123Z","type":"T","severity":"I","outcome":"s","details":{"a":1e2}}`))
	var used Parser
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := ParseEntry(data)
		if _, again := used.Parse(data); (again == nil) != (err == nil) {
			t.Fatalf("a parser that was used says %v, a new one %v", again, err)
		}
		if err != nil {
			return
		}
		line := AppendEntry(nil, &first)
		second, err := ParseEntry(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if again := AppendEntry(nil, &second); !bytes.Equal(line, again) {
			t.Fatalf("%s\n%s", line, again)
		}
	})
}

func BenchmarkAppendEntry(b *testing.B) {
	e := callEvent()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendRecord(buf[:0], &e)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkParseEntry(b *testing.B) {
	e := callEvent()
	entry := AppendEntry(nil, &e)
	b.ReportAllocs()
	var p Parser
	for b.Loop() {
		if _, err := p.Parse(entry); err != nil {
			b.Fatal(err)
		}
	}
}

// callEvent is an event as every call makes two of.
func callEvent() portcullis.Event {
	e := fullEvent()
	e.Type, e.Severity, e.Outcome = portcullis.EventCallFinished, portcullis.SeverityInfo, portcullis.OutcomeSuccess
	e.Actor.UserAgent, e.Reason, e.RiskScore = "node", "", 0
	e.Details = []slog.Attr{slog.Int("status", 200), slog.Int64("bytes", 512), slog.Float64("duration_ms", 1.25)}
	return e
}
