package ipfilter

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

const (
	proxy    = "10.0.0.1"
	outsider = "203.0.113.66"
)

func mustResolver(t testing.TB, header string, trusted ...string) *Resolver {
	t.Helper()
	r, err := NewResolver(Config{TrustedProxies: trusted, ForwardedHeader: header})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

func TestResolveXFF(t *testing.T) {
	r := mustResolver(t, "", "10.0.0.0/8", "fd00::/8")
	for _, tc := range []struct {
		peer string
		xff  []string
		want string
	}{
		{outsider, []string{"198.51.100.1"}, outsider}, // an untrusted peer is not believed
		{"::ffff:203.0.113.66", nil, outsider},
		{"fe80::1%eth0", nil, "fe80::1"},
		{proxy, nil, proxy},
		{proxy, []string{"198.51.100.1"}, "198.51.100.1"},
		{"::ffff:10.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},
		{proxy, []string{"198.51.100.9, 198.51.100.1"}, "198.51.100.1"},           // the client made up the left one
		{proxy, []string{"198.51.100.9, 198.51.100.1, 10.2.3.4"}, "198.51.100.1"}, // two proxies
		{proxy, []string{"198.51.100.9", "198.51.100.1,10.2.3.4"}, "198.51.100.1"},
		{proxy, []string{"10.9.9.9, 10.2.3.4"}, "10.9.9.9"}, // all trusted: the leftmost
		{proxy, []string{"127.0.0.1, 198.51.100.1"}, "198.51.100.1"},
		{proxy, []string{"198.51.100.1:8443"}, "198.51.100.1"},
		{proxy, []string{"[2001:db8::1]:8443"}, "2001:db8::1"},
		{proxy, []string{"[2001:db8::1]"}, "2001:db8::1"},
		{proxy, []string{"2001:db8::1"}, "2001:db8::1"},
		{proxy, []string{"2001:db8::1%25eth0"}, "2001:db8::1"},
		{proxy, []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{proxy, []string{"198.51.100.1, fd00::5"}, "198.51.100.1"},
		{proxy, []string{" , 198.51.100.1 ,, "}, "198.51.100.1"},
		{proxy, []string{""}, proxy},                               // an empty list says nothing
		{proxy, []string{"garbage, 198.51.100.1"}, "198.51.100.1"}, // never read
		{proxy, []string{"198.51.100.1, garbage"}, ""},
		{proxy, []string{"198.51.100.1, unknown, 10.2.3.4"}, ""},
		{proxy, []string{"198.51.100.1:"}, ""},
		{proxy, []string{"198.51.100.1:123456"}, ""},
		{proxy, []string{"198.51.100.1:8x"}, ""},
		{proxy, []string{"[198.51.100.1]"}, ""},
		{proxy, []string{"[2001:db8::1"}, ""},
		{proxy, []string{"[2001:db8::1]x"}, ""},
		{proxy, []string{"198.51.100.01"}, ""},
		{proxy, []string{"198.51.100.1 198.51.100.2"}, ""},
		{proxy, []string{"2001:db8::" + strings.Repeat("1", 80)}, ""},
	} {
		h := http.Header{}
		if tc.xff != nil {
			h["X-Forwarded-For"] = tc.xff
		}
		if got := r.Resolve(addr(tc.peer), false, h); got.Addr != addr(tc.want) || got.Secure {
			t.Errorf("peer %s, %q: %v, want %q", tc.peer, tc.xff, got, tc.want)
		}
	}
	if got := r.Resolve(netip.Addr{}, false, http.Header{"X-Forwarded-For": {"198.51.100.1"}}); got.Addr.IsValid() {
		t.Errorf("unknown peer: %v", got)
	}
}

func TestResolveForwarded(t *testing.T) {
	r := mustResolver(t, "", "10.0.0.0/8")
	for _, tc := range []struct {
		lines  []string
		want   string
		secure bool
	}{
		{[]string{"for=198.51.100.1"}, "198.51.100.1", false},
		{[]string{"For=198.51.100.1;Proto=HTTPS"}, "198.51.100.1", true},
		{[]string{`for="[2001:db8:cafe::17]:4711";proto=https;by=10.0.0.1`}, "2001:db8:cafe::17", true},
		{[]string{`for="198.51.100.1:_port"`}, "198.51.100.1", false},
		{[]string{`for=[2001:db8::17]:80`}, "2001:db8::17", false},
		{[]string{`for="\[2001:db8::17\]"`}, "2001:db8::17", false},
		{[]string{"for=198.51.100.9, for=198.51.100.1;proto=http, for=10.2.3.4;proto=https"}, "198.51.100.1", false},
		{[]string{"for=198.51.100.9", "for=198.51.100.1;proto=https"}, "198.51.100.1", true},
		{[]string{"for=198.51.100.1;proto=https", "for=10.2.3.4"}, "198.51.100.1", true},
		{[]string{`host="a,b;c";for=198.51.100.1 ; proto=https ;`}, "198.51.100.1", true},
		{[]string{`,, for=198.51.100.1`}, "198.51.100.1", false},
		{[]string{""}, proxy, false},
		{[]string{"for=unknown"}, "", false},
		{[]string{"for=_hidden;proto=https"}, "", true},
		{[]string{`for="_SEVKISEK"`}, "", false},
		{[]string{"for=198.51.100.1, for=_hidden"}, "", false},
		{[]string{"proto=https"}, "", true},
		{[]string{"for=198.51.100.1;for=198.51.100.2"}, "", false},
		{[]string{"for=198.51.100.1;proto=https;proto=https"}, "", false},
		{[]string{"for 198.51.100.1"}, "", false},
		{[]string{"for=198.51.100.1 proto=https"}, "", false},
		{[]string{"=198.51.100.1"}, "", false},
		{[]string{"for="}, "", false},
		{[]string{`for="198.51.100.1`}, "", false},
		{[]string{`for="198.51.100.1\`}, "", false},
		// A stranger left a quote open to swallow what the proxy appends.
		{[]string{`for=198.51.100.9;x=", for=198.51.100.1`}, "", false},
		{[]string{`for=198.51.100.9;x=", for="[2001:db8::1]"`}, "", false},
		{[]string{`for=198.51.100.9;x="`, `for=198.51.100.1`}, "198.51.100.1", false},
		{[]string{strings.Repeat("for=10.1.1.1,", maxHops+1)}, "", false},
	} {
		got := r.Resolve(addr(proxy), false, http.Header{"Forwarded": tc.lines})
		if got.Addr != addr(tc.want) || got.Secure != tc.secure {
			t.Errorf("%q: %v, want %q secure %t", tc.lines, got, tc.want, tc.secure)
		}
		if got := r.Resolve(addr(outsider), false, http.Header{"Forwarded": tc.lines}); got.Addr != addr(outsider) || got.Secure {
			t.Errorf("%q from an untrusted peer: %v", tc.lines, got)
		}
	}
}

func TestResolveBothHeaders(t *testing.T) {
	h := http.Header{"X-Forwarded-For": {"198.51.100.1"}, "Forwarded": {"for=198.51.100.2"}}
	for header, want := range map[string]string{"auto": "", "x-forwarded-for": "198.51.100.1", "forwarded": "198.51.100.2"} {
		if got := mustResolver(t, header, proxy).Resolve(addr(proxy), false, h); got.Addr != addr(want) {
			t.Errorf("%s: %v, want %q", header, got, want)
		}
	}
	h.Set("Forwarded", "for=198.51.100.1")
	if got := mustResolver(t, "auto", proxy).Resolve(addr(proxy), false, h); got.Addr != addr("198.51.100.1") {
		t.Errorf("agreeing headers: %v", got)
	}
}

func TestResolveSecure(t *testing.T) {
	for _, tc := range []struct {
		peer string
		tls  bool
		xfp  []string
		fwd  string
		want bool
	}{
		{outsider, false, []string{"https"}, "for=198.51.100.1;proto=https", false},
		{outsider, true, []string{"http"}, "", true},
		{proxy, false, nil, "", false},
		{proxy, true, nil, "", true},
		{proxy, false, []string{"https"}, "", true},
		{proxy, false, []string{"HTTPS"}, "", true},
		{proxy, false, []string{"wss"}, "", true},
		{proxy, true, []string{"http"}, "", false}, // TLS only on the inner hop
		{proxy, false, []string{"https, http"}, "", false},
		{proxy, false, []string{"https", "http"}, "", false},
		{proxy, false, []string{"https,https"}, "", true},
		{proxy, false, []string{"https,"}, "", false},
		{proxy, false, []string{""}, "", false},
		{proxy, false, []string{"https"}, "for=198.51.100.1;proto=http", false},
		{proxy, false, nil, "for=198.51.100.1;proto=https", true},
	} {
		h := http.Header{}
		if tc.xfp != nil {
			h["X-Forwarded-Proto"] = tc.xfp
		}
		if tc.fwd != "" {
			h.Set("Forwarded", tc.fwd)
		}
		r := mustResolver(t, "auto", proxy)
		if got := r.Resolve(addr(tc.peer), tc.tls, h); got.Secure != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
	// A proxy that writes Forwarded does not clean X-Forwarded-Proto.
	r := mustResolver(t, "forwarded", proxy)
	if r.Resolve(addr(proxy), false, http.Header{"X-Forwarded-Proto": {"https"}}).Secure {
		t.Error("X-Forwarded-Proto believed though the proxy writes Forwarded")
	}
}

// FuzzResolve checks that nothing left of what the trusted proxy appends has
// any influence on the client.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{"", "198.51.100.9", "garbage", `for=1.1.1.1;x="`, `for="_x", `, "10.0.0.1, 10.0.0.2", `\`, `;,=`} {
		f.Add(s)
	}
	xff := mustResolver(f, "x-forwarded-for", "10.0.0.0/8")
	std := mustResolver(f, "forwarded", "10.0.0.0/8")
	want := addr("198.51.100.1")
	f.Fuzz(func(t *testing.T, s string) {
		h := http.Header{"X-Forwarded-For": {s + ", 198.51.100.1"}}
		if got := xff.Resolve(addr(proxy), false, h); got.Addr != want {
			t.Fatalf("%q: %v", h, got)
		}
		for _, node := range []string{`for=198.51.100.1`, `for="198.51.100.1:80";proto=http`, `proto=http;for="198.51.100.1"`} {
			h = http.Header{"Forwarded": {s + ", " + node}}
			got := std.Resolve(addr(proxy), false, h)
			if got.Addr.IsValid() && got.Addr != want || got.Secure {
				t.Fatalf("%q: %v", h, got)
			}
			h = http.Header{"Forwarded": {s, node}}
			if got := std.Resolve(addr(proxy), false, h); got.Addr != want || got.Secure {
				t.Fatalf("%q: %v", h, got)
			}
		}
		if a := parseNode(s); a.IsValid() && (a.Zone() != "" || a.Is4In6()) {
			t.Fatalf("parseNode(%q) = %s", s, a)
		}
	})
}

func BenchmarkResolve(b *testing.B) {
	r := mustResolver(b, "auto", "10.0.0.0/8")
	for name, h := range map[string]http.Header{
		"direct":    {},
		"xff":       {"X-Forwarded-For": {"198.51.100.1"}, "X-Forwarded-Proto": {"https"}},
		"forwarded": {"Forwarded": {`for="198.51.100.1:4711";proto=https`}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			peer := addr(proxy)
			for b.Loop() {
				r.Resolve(peer, false, h)
			}
		})
	}
}
