package failures

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestFailedAttemptsAreCountedByAddressAndKey(t *testing.T) {
	if _, err := New("identity.api_key.failures", "often"); err == nil || !strings.HasPrefix(err.Error(), "identity.api_key.failures: ") {
		t.Errorf("got %v", err)
	}
	f, err := New("identity.api_key.failures", "2/1m")
	if err != nil {
		t.Fatal(err)
	}
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i, tt := range []struct {
		id   string
		slow bool
	}{{"k", false}, {"k", false}, {"", true}, {"other", true}} {
		if wait := f.Failed(a, tt.id); (wait > 0) != tt.slow || wait > time.Minute {
			t.Errorf("attempt %d: %s", i, wait)
		}
	}
	if f.Failed(b, "k") <= 0 {
		t.Error("guesses at one key from many addresses are not slowed")
	}
	if wait := f.Failed(netip.MustParseAddr("192.0.2.3"), ""); wait != 0 {
		t.Errorf("a stranger waits %s", wait)
	}
}
