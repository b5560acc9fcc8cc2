package index

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
)

// start is when the journals of the tests begin.
var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// makeEvent is event i of a log like that of a busy gateway: two events per
// call, 200 callers, 100 tools, now and then something refused.
func makeEvent(i int) portcullis.Event {
	r := rand.New(rand.NewPCG(uint64(i/2), 7))
	caller := r.IntN(200)
	ms := start.UnixMilli() + int64(i)*20
	request := fmt.Sprintf("%08x-%04x-7%03x-8%03x-%012x", ms>>16, ms&0xffff, r.IntN(1<<12), r.IntN(1<<12), r.Int64N(1<<48))
	e := portcullis.Event{
		ID:   fmt.Sprintf("%08x-%04x-7%03x-9%03x-%012x", ms>>16, ms&0xffff, i&0xfff, r.IntN(1<<12), r.Int64N(1<<48)),
		Time: time.UnixMilli(ms).UTC(), Type: portcullis.EventCallStarted, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomePending,
		Actor: portcullis.Actor{
			ID: fmt.Sprintf("user:%03d", caller), Method: "api_key", KeyID: fmt.Sprintf("%032x", caller*7919),
			IP: netip.AddrFrom4([4]byte{10, 0, byte(caller / 8), byte(caller)}), UserAgent: "agent/1.0",
		},
		Route: fmt.Sprintf("route-%d", caller%5), Action: "tools/call", Resource: fmt.Sprintf("tool:tool_%02d", r.IntN(100)), RequestID: request,
		Environment: "production", Service: "portcullis",
	}
	switch {
	case r.IntN(50) == 0:
		e.Type, e.Severity, e.Outcome, e.Reason = portcullis.EventAuthzDenied, portcullis.SeverityWarn, portcullis.OutcomeFailure, "forbidden"
		e.Details = []slog.Attr{slog.String("phase", "authz"), slog.String("guard", "scope"), slog.Int("status", 403)}
	case r.IntN(2000) == 0:
		e.Type, e.Severity, e.Outcome, e.Reason = portcullis.EventContentBlocked, portcullis.SeverityCritical, portcullis.OutcomeFailure, "content_blocked"
		e.Details = []slog.Attr{slog.String("rule", fmt.Sprintf("Needle-%d", i)), slog.Any("kinds", []string{"secret.aws", "pii.email"})}
	case i%2 == 1:
		e.Type, e.Outcome = portcullis.EventCallFinished, portcullis.OutcomeSuccess
		e.Details = []slog.Attr{slog.Int("status", 200), slog.Int("duration_us", r.IntN(1e6)), slog.Int("bytes_in", r.IntN(2000)), slog.Int("bytes_out", r.IntN(1e5))}
	}
	return e
}

// fill writes records from to to into the journal below dir, as a journal does.
func fill(t testing.TB, dir string, from, to, segment int) {
	t.Helper()
	fillWith(t, dir, from, to, segment, makeEvent)
}

func fillWith(t testing.TB, dir string, from, to, segment int, event func(int) portcullis.Event) {
	t.Helper()
	folder := filepath.Join(dir, "journal")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for from < to {
		first := from / segment * segment
		f, err := os.OpenFile(filepath.Join(folder, fmt.Sprintf("%020d.log", first)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		var buf []byte
		for end := min(first+segment, to); from < end; from++ {
			e := event(from)
			buf = auditlog.AppendRecord(buf, &e)
			if len(buf) > 1<<20 {
				if _, err := f.Write(buf); err != nil {
					t.Fatal(err)
				}
				buf = buf[:0]
			}
		}
		if _, err := f.Write(buf); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
