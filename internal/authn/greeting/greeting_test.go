package greeting

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

func TestDue(t *testing.T) {
	var b Book
	who, ip, now := portcullis.Principal{ID: "a", KeyID: "k"}, netip.MustParseAddr("192.0.2.1"), time.Unix(1000, 0)
	due := func(p portcullis.Principal, ip netip.Addr, at time.Time, want bool) {
		t.Helper()
		if got := b.Due(p, ip, at); got != want {
			t.Errorf("due: %t, want %t", got, want)
		}
	}
	due(who, ip, now, true)
	due(who, ip, now, false)
	due(who, netip.MustParseAddr("192.0.2.2"), now, true)
	due(portcullis.Principal{ID: "a", KeyID: "other"}, ip, now, true)
	due(who, ip, now.Add(every-time.Second), false)
	due(who, ip, now.Add(every), true)
	due(who, ip, now.Add(every), false)
	b.Forget(who, ip)
	due(who, ip, now.Add(every), true)
	b.Forget(portcullis.Principal{ID: "unknown"}, ip)
}

// A flood of callers makes the book forget, never grow.
func TestBounded(t *testing.T) {
	var b Book
	ip, now := netip.MustParseAddr("192.0.2.1"), time.Unix(1000, 0)
	for i := range 3 * maxEntries {
		if !b.Due(portcullis.Principal{ID: strconv.Itoa(i)}, ip, now) {
			t.Fatalf("caller %d was never seen", i)
		}
	}
	n := 0
	b.seen.Range(func(any, any) bool { n++; return true })
	if n > maxEntries {
		t.Errorf("%d entries", n)
	}
}
