package edge

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestDefaultHosts(t *testing.T) {
	local := []string{"127.0.0.1:8080", "localhost:8080", "[::1]:8080"}
	for listen, want := range map[string][]string{
		"127.0.0.1:8080": local, "localhost:8080": local, "[::1]:8080": local, ":8080": local, "0.0.0.0:8080": local, "[::]:8080": local,
		"127.0.0.9:8080":       append(local[:3:3], "127.0.0.9:8080"),
		"127.0.0.1:0":          {"127.0.0.1", "localhost", "[::1]"},
		"192.0.2.1:0":          {"192.0.2.1"},
		"192.0.2.1:80":         {"192.0.2.1:80"},
		"[2001:db8::1]:80":     {"[2001:db8::1]:80"},
		"mcp.example.com:8443": {"mcp.example.com:8443"},
	} {
		got, err := DefaultHosts(listen, "")
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("DefaultHosts(%q) = %q, %v; want %q", listen, got, err, want)
		}
		if _, err := ParseHosts(got); err != nil {
			t.Error(err)
		}
	}
	if _, err := DefaultHosts("8080", ""); err == nil {
		t.Error("listen address without a colon accepted")
	}
	hosts := must(Config{Hostname: "mcp.example.com"}.Hosts("127.0.0.1:8080", "[::1]:9090"))(t)
	for _, h := range []string{"localhost:8080", "[::1]:9090", "mcp.example.com"} {
		if !hosts.Match(h, false) {
			t.Errorf("%s does not match", h)
		}
	}
	hosts = must(Config{Hostname: "mcp.example.com", AllowedHosts: []string{"a.example"}}.Hosts("127.0.0.1:8080"))(t)
	if hosts.Match("localhost:8080", false) || !hosts.Match("a.example", false) || !hosts.Match("mcp.example.com", true) {
		t.Error("allowed_hosts does not replace the default")
	}
	if _, err := NewHost(nil); err == nil {
		t.Error("a Host guard without hosts")
	}
	if _, err := NewHost(&Hosts{}); err == nil {
		t.Error("a Host guard without hosts")
	}
}

func TestParseHostsErrors(t *testing.T) {
	for _, bad := range []string{"", "*", "*.", "*.com", "*.1.2.3.4", "a b", "user@host", "https://x", "x/y", "::1", "[::1", "[::1%eth0]", "[1.2.3.4]",
		"x:0", "x:70000", "x:08", "x:", "a..b", ".a", "a.", "a*.example.com", "*.*.example.com", strings.Repeat("a", 256)} {
		if _, err := ParseHosts([]string{"ok.example", bad}); err == nil || !strings.HasPrefix(err.Error(), "[1]: ") {
			t.Errorf("%q: error = %v", bad, err)
		}
	}
}

// TestHost holds the DNS rebinding cases of CVE-2025-64443 and CVE-2026-34742:
// a page on evil.example that resolves to 127.0.0.1.
func TestHost(t *testing.T) {
	hosts := must(ParseHosts([]string{"127.0.0.1:8080", "localhost:8080", "[::1]:8080", "MCP.example.com", "*.corp.example", "secure.example:443"}))(t)
	g := must(NewHost(hosts))(t)
	for _, host := range []string{"127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080", "mcp.example.com", "mcp.Example.com:9999",
		"a.corp.example", "a.b.CORP.example:1"} {
		if err := check(g, request("POST", "/", "Host", host)); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, host := range []string{"", "evil.example", "evil.example:8080", "127.0.0.1", "127.0.0.1:80", "localhost", "localhost:8081", "localhost.:8080",
		"localhost:8080@evil.example", "user@localhost:8080", "localhost:8080,evil", "localhost:8080 ", "[::1]", "::1:8080", "[::1%25lo]:8080",
		"corp.example", ".corp.example", "evilcorp.example", "corp.example.evil.example", "mcp.example.com.", "127.0.0.1:08080", "2130706433:8080",
		"localhost:8080:8080", "localhost:8080/", "lоcalhost:8080", "secure.example", "localhost.evil.example:8080", "[::ffff:127.0.0.1]:8080"} {
		wantForbidden(t, check(g, request("POST", "/", "Host", host)))
	}
	if err := check(g, secure(request("GET", "/", "Host", "secure.example"))); err != nil {
		t.Errorf("the default port of https: %v", err)
	}
	c := request("GET", "/", "Host", "localhost:8080")
	c.HTTP.Header["Host"] = []string{"localhost:8080"}
	if err := check(g, c); err != nil {
		t.Error(err)
	}
	for _, extra := range [][]string{{"evil.example"}, {"localhost:8080", "localhost:8080"}, {}} {
		c.HTTP.Header["Host"] = extra
		wantForbidden(t, check(g, c))
	}
}

// TestOrigin holds the cases of CVE-2026-33252: a web page calls a tool of a
// server on the visitor's machine.
func TestOrigin(t *testing.T) {
	hosts := must(ParseHosts([]string{"127.0.0.1:8080", "localhost:8080", "mcp.example.com"}))(t)
	cors := must(NewCORS(withOrigins("https://app.example.com", "https://*.trusted.example")))(t)
	g := NewOrigin(hosts, cors)
	at := func(host, method string, pairs ...string) error {
		return check(g, request(method, "/mcp", append(pairs, "Host", host)...))
	}
	for _, origin := range []string{"http://localhost:8080", "http://127.0.0.1:8080", "https://localhost:8080", "http://LOCALHOST:8080",
		"https://app.example.com", "https://a.b.trusted.example", "https://mcp.example.com"} {
		if err := at("localhost:8080", "POST", "Origin", origin, "Sec-Fetch-Site", "cross-site"); err != nil {
			t.Errorf("%s: %v", origin, err)
		}
	}
	for _, origin := range []string{"null", "", "https://evil.example", "http://localhost", "http://localhost:3000", "http://localhost:8080/", "http://localhost:8080.evil.example",
		"https://app.example.com.evil.example", "https://app.example.com:444", "http://app.example.com", "https://trusted.example", "ftp://localhost:8080",
		"http://u@localhost:8080", "localhost:8080", "http://", "chrome-extension://abc", "http://localhost:8080 http://localhost:8080", "https://mcp.example.com:9999"} {
		for _, method := range []string{"POST", "GET", "DELETE", "OPTIONS"} {
			wantForbidden(t, at("localhost:8080", method, "Origin", origin))
		}
	}
	wantForbidden(t, at("localhost:8080", "POST", "Origin", "http://localhost:8080", "Origin", "http://localhost:8080"))

	// Without an Origin.
	for _, site := range []string{"cross-site", "same-site", "weird", ""} {
		wantForbidden(t, at("localhost:8080", "POST", "Sec-Fetch-Site", site))
		wantForbidden(t, at("localhost:8080", "DELETE", "Sec-Fetch-Site", site))
		if err := at("localhost:8080", "GET", "Sec-Fetch-Site", site); err != nil {
			t.Errorf("following a link: %v", err)
		}
	}
	wantForbidden(t, at("localhost:8080", "POST", "Sec-Fetch-Site", "none", "Sec-Fetch-Site", "cross-site"))
	for _, pairs := range [][]string{nil, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}} {
		if err := at("localhost:8080", "POST", pairs...); err != nil {
			t.Errorf("%q: %v", pairs, err)
		}
	}

	// Over TLS, a plain page of the same name is not us.
	wantForbidden(t, check(g, secure(request("POST", "/", "Host", "mcp.example.com", "Origin", "http://mcp.example.com"))))
	if err := check(g, secure(request("POST", "/", "Host", "mcp.example.com:443", "Origin", "https://mcp.example.com"))); err != nil {
		t.Error(err)
	}
	if err := at("mcp.example.com:8080", "POST", "Origin", "https://mcp.example.com"); err != nil {
		t.Errorf("behind a proxy that ends TLS: %v", err)
	}
	wantForbidden(t, check(g, request("POST", "/", "Host", "", "Origin", "http://localhost:8080")))
	wantForbidden(t, check(NewOrigin(hosts, nil), request("POST", "/", "Host", "localhost:8080", "Origin", "https://app.example.com")))
}

func FuzzSplitHost(f *testing.F) {
	for _, s := range []string{"localhost:8080", "[::1]:8080", "a.b", "user@x", "[::1%25a]", "x:", "xn--a", "1.2.3.4:5"} {
		f.Add(s)
	}
	local, err := ParseHosts([]string{"localhost:8080", "*.corp.example"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, port, ok := splitHost(s)
		if !ok {
			if local.Match(s, true) {
				t.Fatalf("%q cannot be split, yet matches", s)
			}
			return
		}
		if strings.ContainsAny(host, "/@?#\\%, \t\r\n\x00") {
			t.Fatalf("splitHost(%q) = %q", s, host)
		}
		if strings.Contains(host, ":") {
			if a, err := netip.ParseAddr(host); err != nil || !a.Is6() {
				t.Fatalf("splitHost(%q) = %q", s, host)
			}
		}
		again := host
		if strings.Contains(host, ":") {
			again = "[" + host + "]"
		}
		if port != "" {
			again = net.JoinHostPort(host, port)
		}
		if again != s {
			t.Fatalf("splitHost(%q) joins to %q", s, again)
		}
		lower := strings.ToLower(s)
		want := lower == "localhost:8080" || strings.HasSuffix(strings.ToLower(host), ".corp.example")
		if got := local.Match(s, false); got != want {
			t.Fatalf("Match(%q) = %t", s, got)
		}
	})
}

func BenchmarkHost(b *testing.B) {
	g := must(NewHost(must(Config{Hostname: "mcp.example.com"}.Hosts("127.0.0.1:8080"))(b)))(b)
	for _, host := range []string{"localhost:8080", "MCP.example.com:443"} {
		c := request("POST", "/", "Host", host)
		b.Run(host, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := check(g, c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOrigin(b *testing.B) {
	hosts := must(Config{}.Hosts("127.0.0.1:8080"))(b)
	g := NewOrigin(hosts, nil)
	none := request("POST", "/", "Host", "localhost:8080")
	same := request("POST", "/", "Host", "localhost:8080", "Origin", "http://localhost:8080")
	b.Run("none", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := check(g, none); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("same", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := check(g, same); err != nil {
				b.Fatal(err)
			}
		}
	})
}
