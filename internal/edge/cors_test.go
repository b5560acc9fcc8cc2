package edge

import (
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

func withOrigins(origins ...string) CORSConfig {
	c := DefaultCORS()
	c.Origins = origins
	return c
}

func TestCORSConfig(t *testing.T) {
	if g := must(NewCORS(DefaultCORS()))(t); g != nil {
		t.Error("CORS without origins")
	}
	for want, change := range map[string]func(*CORSConfig){
		`origins: "*" with credentials`: func(c *CORSConfig) { c.Origins = []string{" * "} },
		"max_age: -1s: want whole":      func(c *CORSConfig) { c.MaxAge = -time.Second },
		"max_age: 25h0m0s: want whole":  func(c *CORSConfig) { c.MaxAge = 25 * time.Hour },
		`headers: "-*": want a header`:  func(c *CORSConfig) { c.Headers = []string{"-*"} },
		"building cors: ":               func(c *CORSConfig) { c.Origins = []string{"null"} },
	} {
		c := withOrigins("https://a.example")
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
	for _, bad := range []string{"https://a.example/path", "http://a.example", "https://*.com", "a.example", "https://a.example:443"} {
		if withOrigins(bad).Validate() == nil {
			t.Errorf("origin %q accepted", bad)
		}
	}
}

func TestCORSActual(t *testing.T) {
	g := must(NewCORS(withOrigins(" https://a.example , https://b.example", "http://localhost:*")))(t)
	for origin, want := range map[string]bool{
		"https://a.example": true, "https://b.example": true, "http://localhost:5173": true,
		"https://c.example": false, "null": false, "": false, "https://a.example.evil": false, "http://a.example": false,
	} {
		if got := g.Allows(origin); got != want {
			t.Errorf("Allows(%q) = %t", origin, got)
		}
		c := request("POST", "/", "Origin", origin)
		if err := check(g, c); err != nil {
			t.Fatal(err)
		}
		h := c.Reply
		if h.Get("Vary") != "Origin" {
			t.Errorf("%q: Vary = %q", origin, h.Get("Vary"))
		}
		if !want {
			if len(h) != 1 {
				t.Errorf("%q: %v", origin, h)
			}
			continue
		}
		if h.Get(allowOrigin) != origin || h.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%q: %v", origin, h)
		}
		for _, name := range []string{"retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "www-authenticate", "mcp-session-id", "x-request-id"} {
			if !strings.Contains(strings.ToLower(h.Get("Access-Control-Expose-Headers")), name) {
				t.Errorf("%s is not exposed", name)
			}
		}
	}
	c := request("POST", "/")
	if err := check(g, c); err != nil || c.Reply.Get("Vary") != "Origin" || len(c.Reply) != 1 {
		t.Errorf("no Origin: %v, %v", err, c.Reply)
	}

	open := withOrigins("*")
	open.Credentials = false
	g = must(NewCORS(open))(t)
	c = request("GET", "/")
	if err := check(g, c); err != nil || c.Reply.Get(allowOrigin) != "*" || c.Reply.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("any origin: %v, %v", err, c.Reply)
	}
	if g.Allows("null") || !g.Allows("https://x.example") {
		t.Error("any origin: null passes, or others do not")
	}
}

func TestCORSPreflight(t *testing.T) {
	g := must(NewCORS(withOrigins("https://a.example")))(t)
	preflight := func(origin, method, headers string) *portcullis.Conn {
		c := request("OPTIONS", "/mcp", "Origin", origin, askMethod, method)
		if headers != "" {
			c.HTTP.Header.Set(askHeaders, headers)
		}
		return c
	}
	for _, headers := range []string{"", "content-type", "authorization,content-type,mcp-protocol-version,mcp-session-id",
		"content-type,mcp-method,mcp-name,mcp-param-query", "mcp-param-a,mcp-param-b", "last-event-id, mcp-param-x"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			c := preflight("https://a.example", method, headers)
			wantRefusal(t, check(g, c), portcullis.KindPreflight, "preflight")
			h := c.Reply
			if h.Get(allowOrigin) != "https://a.example" || h.Get("Access-Control-Max-Age") != "86400" ||
				h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Vary") != "Origin" {
				t.Errorf("%s %q: %v", method, headers, h)
			}
			if method == "DELETE" && h.Get("Access-Control-Allow-Methods") != "DELETE" {
				t.Errorf("methods: %v", h)
			}
			allowed := strings.Join(h[allowHeaders], ",")
			for name := range strings.SplitSeq(headers, ",") {
				if !strings.Contains(","+allowed+",", ","+strings.TrimSpace(name)+",") && !strings.Contains(allowed, strings.TrimSpace(name)) {
					t.Errorf("%q is not allowed by %q", name, allowed)
				}
			}
		}
	}
	for _, c := range []*portcullis.Conn{
		preflight("https://evil.example", "POST", ""),
		preflight("null", "POST", ""),
		preflight("https://a.example", "PUT", ""),
		preflight("https://a.example", "POST", "x-evil"),
		preflight("https://a.example", "POST", "mcp-param-a,x-evil"),
		preflight("https://a.example", "POST", "mcp-param-"),
		preflight("https://a.example", "POST", "mcp-param-a b"),
		preflight("https://a.example", "POST", "mcp-param-"+strings.Repeat("x", 200)),
		preflight("https://a.example", "POST", strings.Repeat("mcp-param-x,", maxAsked+1)),
	} {
		wantForbidden(t, check(g, c))
		if len(c.Reply) != 0 {
			t.Errorf("a refused preflight leaves %v", c.Reply)
		}
	}
	// An OPTIONS that is no preflight goes on, to be refused by method.
	if err := check(g, request("OPTIONS", "/", "Origin", "https://a.example")); err != nil {
		t.Error(err)
	}
	// What one reply does to its headers must not reach the next.
	c := preflight("https://a.example", "POST", "")
	_ = check(g, c)
	for key := range c.Reply {
		c.Reply[key][0] = "changed"
	}
	c = preflight("https://a.example", "POST", "")
	_ = check(g, c)
	for key, v := range c.Reply {
		if v[0] == "changed" {
			t.Errorf("%s is shared between replies", key)
		}
	}
}

func TestCORSWithoutCaching(t *testing.T) {
	cfg := withOrigins("https://a.example")
	cfg.MaxAge, cfg.Headers = 0, nil
	c := request("OPTIONS", "/", "Origin", "https://a.example", askMethod, "POST")
	wantRefusal(t, check(must(NewCORS(cfg))(t), c), portcullis.KindPreflight, "preflight")
	if got := c.Reply.Get("Access-Control-Max-Age"); got != "0" {
		t.Errorf("max age %q", got)
	}
}

func BenchmarkCORSNoOrigin(b *testing.B) {
	g := must(NewCORS(withOrigins("https://a.example")))(b)
	c := request("POST", "/")
	b.ReportAllocs()
	for b.Loop() {
		clear(c.Reply)
		if err := check(g, c); err != nil {
			b.Fatal(err)
		}
	}
}
