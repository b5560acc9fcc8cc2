package enrich

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

var (
	here  = netip.MustParseAddr("192.0.2.7")
	there = netip.MustParseAddr("2001:db8::7")
	exit  = netip.MustParseAddr("203.0.113.9")
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func use(t *testing.T, e *Enricher, c Config) {
	t.Helper()
	if c.Refresh == 0 {
		c.Refresh, c.Stale = time.Hour, 48*time.Hour
	}
	put, err := e.Next(c)
	if err != nil {
		t.Fatal(err)
	}
	put()
}

func write(t *testing.T, name, text string, at time.Time) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestPlaces(t *testing.T) {
	name := filepath.Join(t.TempDir(), "geo.mmdb")
	writeDatabase(t, name, map[string]map[string]any{
		"192.0.2.0/24": nested("DE", "Berlin"), "2001:db8::/32": flat("fr"), "198.51.100.0/24": {"country": map[string]any{"iso_code": "Germany"}},
	})
	e := New(Options{})
	use(t, e, Config{GeoIP: name})
	for text, want := range map[string]portcullis.Geo{
		"192.0.2.7":        {Country: "DE", Region: "BE", City: "Berlin", ASN: 64496, Org: "Example Net"},
		"::ffff:192.0.2.7": {Country: "DE", Region: "BE", City: "Berlin", ASN: 64496, Org: "Example Net"},
		"2001:db8::7":      {Country: "FR", Region: "North", City: "Town", ASN: 64497, Org: "Other Net"},
		"198.51.100.1":     {}, // no code of a country
		"10.0.0.1":         {},
	} {
		for range 2 { // looked up, and kept
			if got := e.geo.Load().place(netip.MustParseAddr(text)); got != want {
				t.Errorf("%s: %+v, want %+v", text, got, want)
			}
		}
	}
	if e.Country(here) != "DE" || e.Country(netip.Addr{}) != "" || New(Options{}).Country(here) != "" {
		t.Error("Country")
	}
}

func TestBrokenFileKeepsTheLastGood(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "geo.mmdb")
	writeDatabase(t, name, map[string]map[string]any{"192.0.2.0/24": nested("DE", "Berlin")})
	var log bytes.Buffer
	e := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	use(t, e, Config{GeoIP: name})
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i, bad := range []string{"", "not a database", string(whole[:len(whole)/2]), strings.Repeat("x", 1000)} {
		write(t, name, bad, time.Now().Add(time.Duration(i+1)*time.Minute))
		log.Reset()
		e.refresh(t.Context())
		e.refresh(t.Context())
		if e.Country(here) != "DE" {
			t.Fatalf("%d bytes of rubbish: the last good one is gone", len(bad))
		}
		if n := strings.Count(log.String(), "keeping the geography database"); n != 1 {
			t.Errorf("%d bytes of rubbish: told of %d times: %s", len(bad), n, log.String())
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	e.refresh(t.Context())
	if e.Country(here) != "DE" {
		t.Error("a file that is away for a moment was forgotten")
	}
	write(t, name, string(database6(map[string]map[string]any{"192.0.2.0/24": nested("FR", "Paris")})), time.Now().Add(time.Hour))
	e.refresh(t.Context())
	if e.Country(here) != "FR" {
		t.Error("the new file is not read")
	}
	if _, err := e.Next(Config{GeoIP: filepath.Join(dir, "missing")}); err == nil || !strings.Contains(err.Error(), "detect.enrich.geoip") {
		t.Errorf("a configuration with a file that is not there: %v", err)
	}
	use(t, e, Config{})
	if e.Country(here) != "" {
		t.Error("a database that is not configured any more is asked")
	}
}

func TestEnrich(t *testing.T) {
	dir := t.TempDir()
	geo, list := filepath.Join(dir, "geo.mmdb"), filepath.Join(dir, "exits")
	writeDatabase(t, geo, map[string]map[string]any{"203.0.113.0/24": nested("NL", "Delft")})
	write(t, list, "203.0.113.9\n", time.Now())
	e := New(Options{Risk: func(who string, addr netip.Addr) int {
		if who == "alice" && addr == exit {
			return 85
		}
		return 0
	}})
	use(t, e, Config{GeoIP: geo, TorFile: list})
	shared := make([]slog.Attr, 1, 8)
	shared[0] = slog.Int("status", 200)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ev := portcullis.Event{Time: at, Environment: "production", Service: "portcullis", RequestID: "r", Details: shared, Actor: portcullis.Actor{ID: "alice", IP: exit, UserAgent: firefox}}
	for range 2 { // nothing is added twice
		e.Enrich(&ev)
	}
	want := []slog.Attr{
		slog.Int("status", 200),
		slog.Group(DetailAgent, slog.String("name", "Firefox"), slog.String("version", "140.0"), slog.String("os", "Linux"), slog.String("os_version", "x86_64"), slog.String("kind", "desktop")),
		slog.Bool(DetailTor, true),
	}
	if fmt.Sprint(ev.Details) != fmt.Sprint(want) {
		t.Errorf("details %v, want %v", ev.Details, want)
	}
	if ev.Actor.Geo.Country != "NL" || ev.RiskScore != 85 || !ev.Time.Equal(at) || ev.Environment != "production" || ev.RequestID != "r" {
		t.Errorf("%+v", ev)
	}
	if full := shared[:cap(shared)]; !reflect.DeepEqual(full[1], slog.Attr{}) {
		t.Error("the array that others share was written to")
	}
	plain := portcullis.Event{Actor: portcullis.Actor{ID: "bob", IP: here}}
	if e.Enrich(&plain); plain.Details != nil || !plain.Actor.Geo.IsZero() || plain.RiskScore != 0 {
		t.Errorf("of whom nothing is known: %+v", plain)
	}
	scored := portcullis.Event{RiskScore: 12, Actor: portcullis.Actor{ID: "alice", IP: exit}}
	if e.Enrich(&scored); scored.RiskScore != 12 {
		t.Error("a score that the event had was replaced")
	}
	if n := testing.AllocsPerRun(100, func() {
		ev.Details = shared
		ev.Actor.Geo = portcullis.Geo{}
		e.Enrich(&ev)
	}); n > 1 {
		t.Errorf("%v allocations, want the details only", n)
	}
}

// feed is a server of lists.
type feed struct {
	status int
	text   string
	etag   string
	err    error
	asked  []string // If-None-Match of the requests
}

func (f *feed) Do(r *http.Request) (*http.Response, error) {
	f.asked = append(f.asked, r.Header.Get("If-None-Match"))
	if f.err != nil {
		return nil, f.err
	}
	status := f.status
	if f.etag != "" && r.Header.Get("If-None-Match") == f.etag {
		status = http.StatusNotModified
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Etag": {f.etag}}, Body: io.NopCloser(strings.NewReader(f.text))}, nil
}

func TestFeed(t *testing.T) {
	c := &clock{at: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	f := &feed{status: 200, text: "203.0.113.9\n", etag: `"a"`}
	kept := filepath.Join(t.TempDir(), "feeds", "tor")
	e := New(Options{Client: f, Kept: kept, Now: c.now})
	conf := Config{TorURL: "https://example.org/exits", Refresh: time.Hour, Stale: 3 * time.Hour}
	use(t, e, conf)
	if e.Tor(exit) {
		t.Error("an exit before the feed was asked")
	}
	e.refresh(t.Context())
	if !e.Tor(exit) || e.Tor(here) || !e.Tor(netip.MustParseAddr("::ffff:203.0.113.9")) {
		t.Error("the list is not in use")
	}
	e.refresh(t.Context()) // too early
	c.add(time.Hour)
	e.refresh(t.Context())
	if want := []string{"", `"a"`}; !reflect.DeepEqual(f.asked, want) {
		t.Errorf("asked %q, want %q", f.asked, want)
	}
	f.etag = `"b"`
	for name, bad := range map[string]*feed{
		"error": {err: errors.New("no route")}, "status": {status: 503, text: "203.0.113.1"}, "page": {status: 200, text: "<html>busy</html>"},
		"empty": {status: 200, text: "# none\n"}, "large": {status: 200, text: strings.Repeat("#", maxList+1)},
	} {
		*f = feed{status: bad.status, text: bad.text, err: bad.err}
		c.add(retryIn(e))
		if e.refresh(t.Context()); len(f.asked) != 1 || !e.Tor(exit) {
			t.Errorf("%s: asked %d times, the last good list is in use: %t", name, len(f.asked), e.Tor(exit))
		}
	}
	c.add(3 * time.Hour)
	if e.Tor(exit) {
		t.Error("a list that is stale still counts")
	}
	again := New(Options{Client: f, Kept: kept, Now: time.Now}) // a restart
	use(t, again, Config{TorURL: conf.TorURL})
	if !again.Tor(exit) {
		t.Error("the last good list was not kept")
	}
	use(t, again, Config{})
	if again.Tor(exit) {
		t.Error("a feed that is not configured any more counts")
	}
}

// retryIn is how long until e asks again.
func retryIn(e *Enricher) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failing {
		return retry
	}
	return time.Hour
}

func TestTorFileFollowed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "exits")
	write(t, name, "203.0.113.9\n", time.Now())
	e := New(Options{})
	use(t, e, Config{TorFile: name})
	write(t, name, "what?\n", time.Now().Add(time.Minute))
	e.refresh(t.Context())
	if !e.Tor(exit) {
		t.Error("a broken file replaced the good one")
	}
	write(t, name, "192.0.2.7\n", time.Now().Add(2*time.Minute))
	e.refresh(t.Context())
	if e.Tor(exit) || !e.Tor(here) {
		t.Error("the new file is not read")
	}
	if _, err := e.Next(Config{TorFile: name + "x"}); err == nil || !strings.Contains(err.Error(), "detect.enrich.tor_file") {
		t.Errorf("a configuration with a list that is not there: %v", err)
	}
}

func TestParseExits(t *testing.T) {
	nodes := "ExitNode 0011BD2485AD45D984EC4159C88FC066E5E3300E\nPublished 2026-11-22 01:00:00\nLastStatus 2026-11-22 02:00:00\nExitAddress 203.0.113.9 2026-11-22 02:10:00\n"
	for text, want := range map[string]int{
		"203.0.113.9": 1, "203.0.113.9\r\n# x\n\n2001:db8::7\n203.0.113.9": 2, nodes: 1, "::ffff:203.0.113.9\n203.0.113.9\n": 1,
		"": -1, "# none": -1, "203.0.113.9 or so": -1, "203.0.113.0/24": -1, "fe80::1%eth0": -1, "<html>": -1, "ExitAddress": -1, "ExitNode x": -1,
	} {
		got, err := parseExits([]byte(text))
		if (err != nil) != (want < 0) || err == nil && len(got) != want {
			t.Errorf("%q: %d addresses, %v; want %d", text, len(got), err, want)
		}
	}
}

func FuzzParseExits(f *testing.F) {
	f.Add([]byte("203.0.113.9\n2001:db8::7\n"))
	f.Add([]byte("ExitAddress 203.0.113.9 2026-11-22 02:10:00\nExitNode x"))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		x, err := parseExits(text)
		if err != nil {
			return
		}
		var again bytes.Buffer
		for a := range x {
			if !a.IsValid() || a.Zone() != "" || a.Is4In6() {
				t.Fatalf("%v is no address to compare with", a)
			}
			fmt.Fprintln(&again, a)
		}
		if y, err := parseExits(again.Bytes()); err != nil || !reflect.DeepEqual(x, y) {
			t.Fatalf("%v reads back as %v, %v", x, y, err)
		}
	})
}

// FuzzDatabase: whatever a file holds, opening it and asking it end.
func FuzzDatabase(f *testing.F) {
	good := database6(map[string]map[string]any{"192.0.2.0/24": nested("DE", "Berlin"), "2001:db8::/32": flat("FR")})
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte("\xab\xcd\xefMaxMind.com"))
	name := filepath.Join(f.TempDir(), "geo.mmdb")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := openDatabase(name)
		if err != nil {
			return
		}
		for _, a := range []netip.Addr{here, there, exit} {
			if c := d.place(a).Country; c != "" && len(c) != 2 {
				t.Fatalf("country %q", c)
			}
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	geo, list := filepath.Join(dir, "geo.mmdb"), filepath.Join(dir, "exits")
	writeDatabase(t, geo, map[string]map[string]any{"0.0.0.0/1": nested("DE", "Berlin")})
	write(t, list, "10.0.0.1\n", time.Now())
	e := New(Options{})
	use(t, e, Config{GeoIP: geo, TorFile: list})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { e.Run(ctx) })
	for w := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				ev := portcullis.Event{Actor: portcullis.Actor{ID: "a", IP: netip.AddrFrom4([4]byte{10, byte(w), byte(i >> 8), byte(i)}), UserAgent: fmt.Sprintf("agent/%d", i)}}
				if e.Enrich(&ev); ev.Actor.Geo.Country != "DE" {
					t.Errorf("%+v", ev.Actor)
					return
				}
			}
		})
	}
	for range 20 {
		use(t, e, Config{GeoIP: geo, TorFile: list})
	}
	for e.agents.size() < 1000 {
		e.agents.get(fmt.Sprint(e.agents.size()), parseAgent)
	}
	cancel()
	wg.Wait()
	if n := e.agents.size(); n > maxAgents {
		t.Errorf("%d user agents are kept", n)
	}
}

func BenchmarkEnrich(b *testing.B) {
	name := filepath.Join(b.TempDir(), "geo.mmdb")
	writeDatabase(b, name, map[string]map[string]any{"0.0.0.0/1": nested("DE", "Berlin")})
	e := New(Options{})
	put, err := e.Next(Config{GeoIP: name})
	if err != nil {
		b.Fatal(err)
	}
	put()
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ev := portcullis.Event{Actor: portcullis.Actor{ID: "a", IP: here, UserAgent: firefox}}
			ev.Actor.IP = netip.AddrFrom4([4]byte{10, 0, 0, 1})
			e.Enrich(&ev)
		}
	})
	b.Run("new", func(b *testing.B) {
		i := uint32(0)
		for b.Loop() {
			i++
			ev := portcullis.Event{Actor: portcullis.Actor{ID: "a", UserAgent: firefox}}
			ev.Actor.IP = netip.AddrFrom4([4]byte{byte(i>>24) & 0x7f, byte(i >> 16), byte(i >> 8), byte(i)})
			e.Enrich(&ev)
		}
	})
}
