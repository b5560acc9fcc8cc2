package ipfilter

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func mustPrefixes(t testing.TB, list ...string) *Prefixes {
	t.Helper()
	p, err := ParsePrefixes(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPrefixes(t *testing.T) {
	p := mustPrefixes(t, "10.0.0.0/8", " 192.0.2.7 ", "2001:db8::/32", "::1", "0.0.0.0/32", "255.255.255.255",
		"::ffff:198.51.100.0/120", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0/124")
	if p.Len() != 8 {
		t.Errorf("Len = %d", p.Len())
	}
	for addr, want := range map[string]bool{
		"10.0.0.0": true, "10.255.255.255": true, "9.255.255.255": false, "11.0.0.0": false,
		"192.0.2.7": true, "192.0.2.6": false, "192.0.2.8": false, "::ffff:192.0.2.7": true,
		"2001:db8::": true, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": true, "2001:db7:ffff::": false, "2001:db9::": false,
		"::1": true, "::": false, "::2": false, "0.0.0.0": true, "255.255.255.255": true, "0.0.0.1": false,
		"198.51.100.9": true, "198.51.101.9": false, "::1%eth0": true,
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": true, "::a00:1": false,
	} {
		if got := p.Contains(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Contains(%s) = %t", addr, got)
		}
	}
	if p.Contains(netip.Addr{}) || mustPrefixes(t, "0.0.0.0/0", "::/0").Contains(netip.Addr{}) {
		t.Error("the zero Addr is in a set")
	}
	if new(Prefixes).Contains(netip.MustParseAddr("10.0.0.1")) {
		t.Error("the zero Prefixes contains an address")
	}
}

func TestPrefixErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                  `[1]: "": want an address or a prefix`,
		"localhost":         "want an address or a prefix",
		"10.0.0.0/33":       "want an address or a prefix",
		"10.0.0.1/8":        `want "10.0.0.0/8"`,
		"2001:db8::1/32":    `want "2001:db8::/32"`,
		"fe80::1%eth0":      "want an address or a prefix",
		"010.0.0.1":         "want an address or a prefix",
		"::ffff:10.0.0.0/8": "shorter than /96",
	} {
		if _, err := ParsePrefixes([]string{"10.0.0.0/8", in}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error = %v, want %q", in, err, want)
		}
	}
}

// TestPrefixesAgainstScan compares the search with a scan of all prefixes, on
// addresses at and around their borders.
func TestPrefixesAgainstScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []string
		var prefixes []netip.Prefix
		var probes []netip.Addr
		for range rapid.IntRange(0, 12).Draw(t, "n") {
			a := netip.AddrFrom4([4]byte{10, rapid.Byte().Draw(t, "b"), rapid.Byte().Draw(t, "c"), rapid.Byte().Draw(t, "d")})
			if rapid.Bool().Draw(t, "v6") {
				b := netip.MustParseAddr("2001:db8::").As16()
				for _, i := range []int{4, 7, 8, 15} {
					b[i] = rapid.Byte().Draw(t, "x")
				}
				a = netip.AddrFrom16(b)
			}
			p := netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")).Masked()
			list = append(list, p.String())
			prefixes = append(prefixes, p)
			last := p.Addr()
			b := last.As16()
			for i := range b {
				if from := i*8 - (128 - a.BitLen()); from >= p.Bits() {
					b[i] = 0xff
				} else if from+8 > p.Bits() && from >= 0 {
					b[i] |= 0xff >> (p.Bits() - from)
				}
			}
			last = netip.AddrFrom16(b)
			if a.Is4() {
				last = last.Unmap()
			}
			probes = append(probes, a, p.Addr(), p.Addr().Prev(), last, last.Next())
		}
		set, err := ParsePrefixes(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range probes {
			want := false
			for _, p := range prefixes {
				want = want || a.IsValid() && p.Contains(a)
			}
			if got := set.Contains(a); got != want {
				t.Fatalf("Contains(%s) = %t, want %t, of %q", a, got, want, list)
			}
		}
	})
}

func benchmarkSet(b *testing.B, n int) *Prefixes {
	rng := rand.New(rand.NewPCG(1, 2))
	list := make([]string, n)
	for i := range list {
		if i%2 == 0 {
			list[i] = fmt.Sprintf("%d.%d.%d.0/24", 1+rng.IntN(220), rng.IntN(256), rng.IntN(256))
		} else {
			list[i] = fmt.Sprintf("2a%02x:%x:%x::/48", rng.IntN(256), rng.IntN(65536), rng.IntN(65536))
		}
	}
	return mustPrefixes(b, list...)
}

func BenchmarkContains(b *testing.B) {
	v4, v6 := netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("2a03:2880:f10c::25de")
	for _, n := range []int{10, 10_000} {
		set := benchmarkSet(b, n)
		for name, a := range map[string]netip.Addr{"v4": v4, "v6": v6} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					set.Contains(a)
				}
			})
		}
	}
}
