package risk

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
)

var (
	start  = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	thief  = netip.MustParseAddr("203.0.113.9")
	office = netip.MustParseAddr("198.51.100.1")
)

func event(t portcullis.EventType, after time.Duration, who string, from netip.Addr, details ...slog.Attr) *portcullis.Event {
	return &portcullis.Event{Type: t, Time: start.Add(after), Actor: portcullis.Actor{ID: who, IP: from}, Details: details}
}

func failure(after time.Duration, from netip.Addr) *portcullis.Event {
	return event(portcullis.EventInvalidAPIKey, after, "", from)
}

func pattern(after time.Duration, name, who string, from netip.Addr) *portcullis.Event {
	return event(portcullis.EventAnomalyDetected, after, who, from, slog.String(DetailPattern, name))
}

func TestSixFailuresAndRapidRequests(t *testing.T) {
	b := NewBook(Options{})
	for i := range 6 {
		got := b.Observe(failure(time.Duration(i)*time.Second, thief))
		want := WeightAuthFailure
		if i == 5 {
			want = 60
		}
		if len(got) != 1 || got[0].Score != want || got[0].Subject.String() != "ip:203.0.113.9" || got[0].Facts.FailedAttempts != i+1 {
			t.Fatalf("failure %d: %+v, want %d", i+1, got, want)
		}
	}
	got := b.Observe(pattern(10*time.Second, PatternRapid, "", thief))
	if len(got) != 1 || got[0].Score != 85 {
		t.Fatalf("rapid requests: %+v", got)
	}
	if s := b.Score("", thief, start.Add(11*time.Second)); s != 85 {
		t.Errorf("stored score %d", s)
	}
	if s := b.Score("alice", office, start.Add(11*time.Second)); s != 0 {
		t.Errorf("score of somebody else %d", s)
	}
	// The window slides: the first failure is out of it, then all are.
	if s := b.Score("", thief, start.Add(DefaultWindow)); s != 45 {
		t.Errorf("score with five failures left %d, want 20+25", s)
	}
	if s := b.Score("", thief, start.Add(DefaultWindow+10*time.Second)); s != 0 {
		t.Errorf("score when all is over %d", s)
	}
}

// TestNobodyMakesOthersRisky: the name that a failed login tried is not blamed,
// and who asks what credentials are wanted has not guessed.
func TestNobodyMakesOthersRisky(t *testing.T) {
	b := NewBook(Options{})
	for i := range 20 {
		e := event(portcullis.EventAuthFailure, time.Duration(i)*time.Second, "user:alice", thief)
		for _, a := range b.Observe(e) {
			if a.Subject.Principal != "" {
				t.Fatalf("a failed login counts against %+v", a.Subject)
			}
		}
	}
	if s := b.Score("user:alice", office, start.Add(time.Minute)); s != 0 {
		t.Errorf("alice has %d", s)
	}
	for i := range 20 {
		b.Observe(event(portcullis.EventAuthFailure, time.Duration(i)*time.Second, "", office, slog.Bool(DetailNothing, true)))
	}
	if s := b.Score("", office, start.Add(time.Minute)); s != WeightAuthFailure {
		t.Errorf("callers without credentials have %d", s)
	}
	for _, e := range []*portcullis.Event{
		event(portcullis.EventCallFinished, 0, "bob", thief), event(portcullis.EventCallContained, 0, "bob", thief),
		event(portcullis.EventIncidentOpened, 0, "bob", thief), failure(0, netip.Addr{}), event(portcullis.EventAnomalyDetected, 0, "", netip.Addr{}),
		{Type: portcullis.EventAnomalyDetected, Severity: portcullis.SeverityInfo, Time: start, Actor: portcullis.Actor{ID: "bob"}, Details: []slog.Attr{slog.Float64(DetailZ, 9)}}, // over
	} {
		if got := b.Observe(e); got != nil {
			t.Errorf("%s: %+v", e.Type, got)
		}
	}
}

// TestOnlyWhomItIsAbout: a call of bob may set off what is odd about his
// address, which others share, or about a tool.
func TestOnlyWhomItIsAbout(t *testing.T) {
	for kind, want := range map[string]string{"principal": "bob", "key": "bob", "address": "ip:198.51.100.1", "tool": "", "route": ""} {
		got := NewBook(Options{}).Observe(event(portcullis.EventAnomalyDetected, 0, "bob", office, slog.String(DetailKind, kind), slog.Float64(DetailZ, 9)))
		if want == "" && len(got) == 0 {
			continue
		}
		if len(got) != 1 || got[0].Subject.String() != want || got[0].Score != WeightAnomaly {
			t.Errorf("an anomaly of a %s counts against %+v, want %q", kind, got, want)
		}
	}
}

// TestClockThatWasAhead: what an event of a clock a year ahead said does not
// count for a year, and what comes behind it does.
func TestClockThatWasAhead(t *testing.T) {
	b := NewBook(Options{Tor: func(a netip.Addr) bool { return a == thief }})
	const year = 365 * 24 * time.Hour
	for range 6 {
		b.Observe(failure(year, office))
	}
	b.Observe(pattern(year, PatternRapid, "bob", office))
	b.Observe(event(portcullis.EventCallStarted, year, "cid", thief))
	for who, addr := range map[string]netip.Addr{"": office, "bob": {}, "cid": {}} {
		if s := b.Score(who, addr, start.Add(time.Minute)); s != 0 {
			t.Errorf("%q at %s has %d of the future", who, addr, s)
		}
	}
	b.Observe(pattern(0, PatternRapid, "bob", netip.Addr{}))
	if s := b.Score("bob", netip.Addr{}, start.Add(time.Minute)); s != WeightRapid {
		t.Errorf("what happened now counts %d", s)
	}
}

func TestTorCountsForAddressAndCaller(t *testing.T) {
	b := NewBook(Options{Tor: func(a netip.Addr) bool { return a == thief }})
	if s := b.Score("", thief, start); s != WeightTor {
		t.Errorf("an exit of which nothing else is known: %d", s)
	}
	if got := b.Observe(event(portcullis.EventCallStarted, 0, "bob", office)); got != nil {
		t.Errorf("a call from elsewhere: %+v", got)
	}
	b.Observe(event(portcullis.EventCallStarted, 0, "bob", thief))
	if s := b.Score("bob", office, start.Add(time.Second)); s != WeightTor {
		t.Errorf("who just came through Tor: %d", s)
	}
	got := b.Observe(event(portcullis.EventAnomalyDetected, time.Second, "bob", thief, slog.Float64(DetailZ, 5.5), slog.String(DetailPattern, PatternScanning)))
	if len(got) != 2 || got[0].Score != 100 || got[1].Score != 100 {
		t.Errorf("anomaly, pattern and Tor: %+v", got)
	}
}

func TestSubjects(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.9": "ip:203.0.113.9", "::ffff:203.0.113.9": "ip:203.0.113.9",
		"2001:db8:1:2:3::4": "ip:2001:db8:1:2::/64", "fe80::1%eth0": "ip:fe80::/64",
	} {
		if got := Of(netip.MustParseAddr(text)).String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if Of(netip.Addr{}) != (Subject{}) || (Subject{}).String() != "" {
		t.Error("no address is a subject")
	}
}

// TestReplay: following events twice, from the beginning or from a window
// before the end, gives the same scores; nothing grows without bound.
func TestReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []*portcullis.Event
		at := time.Duration(0)
		for range rapid.IntRange(1, 200).Draw(t, "n") {
			at += time.Duration(rapid.IntRange(0, 90).Draw(t, "gap")) * time.Second
			from := netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, 3).Draw(t, "from"))})
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0, 1:
				list = append(list, failure(at, from))
			case 2:
				list = append(list, pattern(at, PatternRapid, fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "who")), from))
			case 3:
				list = append(list, event(portcullis.EventAnomalyDetected, at, "", from, slog.Float64(DetailZ, rapid.Float64Range(0, 12).Draw(t, "z"))))
			}
		}
		whole, tail := NewBook(Options{}), NewBook(Options{})
		end := start.Add(at)
		for _, e := range list {
			whole.Observe(e)
			if !e.Time.Before(end.Add(-DefaultWindow)) {
				tail.Observe(e)
			}
		}
		for i := range 4 {
			addr, who := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), fmt.Sprint(i)
			if a, b := whole.Score(who, addr, end), tail.Score(who, addr, end); a != b || a < 0 || a > Max {
				t.Fatalf("score of %s at %s: %d from the beginning, %d from a window ago", who, addr, a, b)
			}
		}
	})
}

func TestBounded(t *testing.T) {
	const most = 1000
	b := NewBook(Options{Subjects: most})
	for i := range 20 * most {
		b.Observe(failure(time.Duration(i)*time.Millisecond, netip.AddrFrom4([4]byte{1, byte(i >> 16), byte(i >> 8), byte(i)})))
		if i%10 == 0 { // who comes again is not forgotten for those who came once
			b.Observe(failure(time.Duration(i)*time.Millisecond, thief))
		}
		if b.Len() > most {
			t.Fatalf("%d subjects", b.Len())
		}
	}
	if s := b.Score("", thief, start.Add(20*time.Second)); s != 60 {
		t.Errorf("score of who came again and again: %d", s)
	}
}

func BenchmarkObserve(b *testing.B) {
	book := NewBook(Options{Tor: func(netip.Addr) bool { return false }})
	call := event(portcullis.EventCallStarted, 0, "bob", office)
	bad := failure(0, thief)
	b.Run("call", func(b *testing.B) {
		for b.Loop() {
			book.Observe(call)
		}
	})
	b.Run("failure", func(b *testing.B) {
		for b.Loop() {
			book.Observe(bad)
		}
	})
	b.Run("score", func(b *testing.B) {
		for b.Loop() {
			book.Score("bob", thief, start)
		}
	})
}
