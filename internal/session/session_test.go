package session

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/portcullis-dev/portcullis"
)

func sealerAt(t testing.TB, now *time.Time) *Sealer {
	t.Helper()
	s, err := NewSealer(bytes.Repeat([]byte{1}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	if now != nil {
		s.now = func() time.Time { return *now }
	}
	return s
}

// refused wants the one refusal that tells nothing.
func refused(t testing.TB, id string, err error) {
	t.Helper()
	var e *portcullis.Error
	if id != "" || !errors.As(err, &e) {
		t.Fatalf("opened: %q, %v", id, err)
	}
	if e.Kind != portcullis.KindNotFound || e.Reason != "not_found" || e.Public != "Session not found" ||
		e.Event != portcullis.EventUnauthorizedAccess || len(e.Header) > 0 || len(e.Data) > 0 || e.RetryAfter != 0 {
		t.Fatalf("another refusal: %+v", e)
	}
}

func TestOpen(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := sealerAt(t, &now)
	sealed, err := s.Seal("upstream-1", "mcp", "key:a")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(sealed, "upstream") || !visibleASCII(sealed) {
		t.Errorf("sealed: %q", sealed)
	}
	if id, err := s.Open(sealed, "mcp", "key:a"); err != nil || id != "upstream-1" {
		t.Fatalf("opened: %q, %v", id, err)
	}
	other, err := NewSealer(bytes.Repeat([]byte{2}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Seal("upstream-1", "mcp", "key:a")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ sealed, route, principal string }{
		"another route":               {sealed, "mcp2", "key:a"},
		"another principal":           {sealed, "mcp", "key:b"},
		"nobody":                      {sealed, "mcp", ""},
		"route and principal shifted": {sealed, "mcpk", "ey:a"},
		"another key":                 {foreign, "mcp", "key:a"},
		"the upstream's own":          {"upstream-1", "mcp", "key:a"},
		"empty":                       {"", "mcp", "key:a"},
		"cut":                         {sealed[:len(sealed)-2], "mcp", "key:a"},
		"longer":                      {sealed + "AA", "mcp", "key:a"},
		"padded":                      {sealed + "=", "mcp", "key:a"},
		"line break":                  {sealed + "\n", "mcp", "key:a"},
		"huge":                        {strings.Repeat("A", 100_000), "mcp", "key:a"},
		"no nonce":                    {"AAAA", "mcp", "key:a"},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := s.Open(c.sealed, c.route, c.principal)
			refused(t, id, err)
		})
	}
	t.Run("expired", func(t *testing.T) {
		now = now.Add(Life)
		if _, err := s.Open(sealed, "mcp", "key:a"); err != nil {
			t.Errorf("at its last moment: %v", err)
		}
		now = now.Add(time.Second)
		id, err := s.Open(sealed, "mcp", "key:a")
		refused(t, id, err)
	})
}

func TestEveryBitCounts(t *testing.T) {
	s := sealerAt(t, nil)
	sealed, err := s.Seal("upstream-1", "mcp", "key:a")
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(sealed) {
		for bit := range 8 {
			b := []byte(sealed)
			b[i] ^= 1 << bit
			id, err := s.Open(string(b), "mcp", "key:a")
			refused(t, id, err)
		}
	}
}

func TestSealingTwiceDiffers(t *testing.T) {
	s := sealerAt(t, nil)
	one, err := s.Seal("u", "r", "p")
	if err != nil {
		t.Fatal(err)
	}
	two, err := s.Seal("u", "r", "p")
	if err != nil || one == two {
		t.Errorf("the same twice: %q, %v", one, err)
	}
}

func TestSealRefuses(t *testing.T) {
	s := sealerAt(t, nil)
	for name, id := range map[string]string{
		"empty": "", "blank": "a b", "control": "a\x00", "line break": "a\r\nb", "no ASCII": "é", "long": strings.Repeat("a", maxID+1),
	} {
		var e *portcullis.Error
		if sealed, err := s.Seal(id, "r", "p"); sealed != "" || !errors.As(err, &e) || e.Kind != portcullis.KindUpstream {
			t.Errorf("%s: %q, %v", name, sealed, err)
		}
	}
	long := strings.Repeat("a", maxID)
	sealed, err := s.Seal(long, "r", "p")
	if err != nil {
		t.Fatal(err)
	}
	if id, err := s.Open(sealed, "r", "p"); err != nil || id != long {
		t.Errorf("the longest id: %v", err)
	}
}

func TestNewSealer(t *testing.T) {
	for _, n := range []int{0, 16, 24, 31, 33} {
		if _, err := NewSealer(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes", n)
		}
	}
}

// What is sealed opens for the same route and principal, and for no other.
func TestProperty(t *testing.T) {
	s := sealerAt(t, nil)
	holds := func(raw []byte, route, principal, otherRoute, otherPrincipal string) bool {
		id := visible(raw)
		sealed, err := s.Seal(id, route, principal)
		if err != nil {
			return false
		}
		if got, err := s.Open(sealed, route, principal); err != nil || got != id {
			return false
		}
		if route == otherRoute && principal == otherPrincipal {
			return true
		}
		_, err = s.Open(sealed, otherRoute, otherPrincipal)
		return err != nil
	}
	if err := quick.Check(holds, nil); err != nil {
		t.Error(err)
	}
}

// visible maps bytes to an id of visible ASCII.
func visible(raw []byte) string {
	out := []byte("x")
	for _, c := range raw[:min(len(raw), maxID-1)] {
		out = append(out, 0x21+c%94)
	}
	return string(out)
}

// FuzzOpen wants that nothing opens but what was sealed.
func FuzzOpen(f *testing.F) {
	s := sealerAt(f, nil)
	sealed, err := s.Seal("upstream-1", "mcp", "key:a")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed, "mcp", "key:a")
	f.Add(sealed, "mcp", "key:b")
	f.Add(sealed+"\n", "mcp", "key:a")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, text, route, principal string) {
		id, err := s.Open(text, route, principal)
		if err == nil { // processes of one run share the key, not the nonce
			if id != "upstream-1" || route != "mcp" || principal != "key:a" {
				t.Fatalf("opened for %q on %q: %q", principal, route, id)
			}
			return
		}
		refused(t, id, err)
	})
}

func BenchmarkOpen(b *testing.B) {
	s := sealerAt(b, nil)
	sealed, err := s.Seal("0123456789abcdef0123456789abcdef", "mcp", "key:a")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Open(sealed, "mcp", "key:a"); err != nil {
			b.Fatal(err)
		}
	}
}
