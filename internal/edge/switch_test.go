package edge

import (
	"net/http"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

func TestSwitch(t *testing.T) {
	var s Switch
	c := request("GET", "/")
	if err := check(&s, c); err != nil || s.Maintenance() || s.Draining() {
		t.Fatalf("the zero Switch refuses: %v", err)
	}
	if !s.SetMaintenance(5*time.Minute) || s.SetMaintenance(time.Minute) || !s.Maintenance() {
		t.Error("SetMaintenance does not tell what it changed")
	}
	if e := wantRefusal(t, check(&s, c), portcullis.KindUnavailable, "maintenance"); e.RetryAfter != time.Minute || e.Header != nil {
		t.Errorf("%+v", e)
	}
	if !s.ClearMaintenance() || s.ClearMaintenance() || s.Maintenance() {
		t.Error("ClearMaintenance does not tell what it changed")
	}
	if err := check(&s, c); err != nil {
		t.Error(err)
	}
	s.SetMaintenance(-1)
	if e := wantRefusal(t, check(&s, c), portcullis.KindUnavailable, "maintenance"); e.RetryAfter != 0 {
		t.Errorf("%+v", e)
	}
	s.Drain(2 * time.Second)
	if e := wantRefusal(t, check(&s, c), portcullis.KindUnavailable, "draining"); e.RetryAfter != 2*time.Second || e.Header.Get("Connection") != "close" || !s.Draining() {
		t.Errorf("%+v", e)
	}
	s.ClearMaintenance()
	wantRefusal(t, check(&s, c), portcullis.KindUnavailable, "draining")
}

func TestHTTPS(t *testing.T) {
	g := must(NewHTTPS(HTTPSAuto, "0.0.0.0:8080", "mcp.example.com:8443"))(t)
	if err := check(g, secure(request("POST", "/mcp"))); err != nil {
		t.Error(err)
	}
	for target, want := range map[string]string{
		"/":                                 "https://mcp.example.com:8443/",
		"/mcp?a=b%20c&d":                    "https://mcp.example.com:8443/mcp?a=b%20c&d",
		"//evil.example/x":                  "https://mcp.example.com:8443//evil.example/x",
		"http://evil.example/x?y":           "https://mcp.example.com:8443/x?y",
		"/a%0d%0aSet-Cookie:x":              "https://mcp.example.com:8443/a%0d%0aSet-Cookie:x",
		"http://user:pw@evil.example/@evil": "https://mcp.example.com:8443/@evil",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			c := request(method, target, "Host", "evil.example", "X-Forwarded-Host", "evil.example")
			e := wantRefusal(t, check(g, c), portcullis.KindRedirect, "https_required")
			if got := e.Header.Get("Location"); got != want {
				t.Errorf("%s %s → %q, want %q", method, target, got, want)
			}
		}
	}
	for _, method := range []string{"POST", "DELETE", "OPTIONS", "PUT"} {
		wantForbidden(t, check(g, request(method, "/")))
	}
	c := request("OPTIONS", "/")
	c.HTTP.Method, c.HTTP.URL.Path, c.HTTP.URL.Opaque = "GET", "", "*"
	if e := wantRefusal(t, check(g, c), portcullis.KindRedirect, "https_required"); e.Header.Get("Location") != "https://mcp.example.com:8443/" {
		t.Error(e.Header)
	}
	// Nowhere to redirect to.
	wantForbidden(t, check(must(NewHTTPS("", ":8080", ""))(t), request("GET", "/")))
}

func TestHTTPSModes(t *testing.T) {
	for _, tc := range []struct {
		mode, listen string
		on           bool
	}{
		{"auto", "127.0.0.1:8080", false}, {"", "[::1]:8080", false}, {"auto", "localhost:8080", false},
		{"auto", "0.0.0.0:8080", true}, {"auto", ":8080", true}, {"auto", "192.0.2.1:80", true}, {"auto", "[::]:80", true}, {"auto", "nonsense", true},
		{"always", "127.0.0.1:8080", true}, {"insecure_never", "0.0.0.0:80", false},
	} {
		g := must(NewHTTPS(tc.mode, tc.listen, ""))(t)
		if (g != nil) != tc.on {
			t.Errorf("%s on %s: %t, want %t", tc.mode, tc.listen, g != nil, tc.on)
		}
	}
	if _, err := NewHTTPS("never", "", ""); err == nil {
		t.Error("unknown mode accepted")
	}
}

func TestVersion(t *testing.T) {
	g := must(NewVersion("1", "2"))(t)
	for _, tc := range []struct {
		path    string
		headers []string
		want    string // "" = refused
	}{
		{"/api/v1/user", nil, "1"},
		{"/api/v2", nil, "2"},
		{"/api/user", nil, "1"},
		{"/api/version", nil, "1"},
		{"/api/user", []string{"2"}, "2"},
		{"/api/v2/user", []string{"2"}, "2"},
		{"/api/v3/user", nil, ""},
		{"/api/v01/user", nil, ""},
		{"/api/v1.5/user", nil, ""},
		{"/api/user", []string{"3"}, ""},
		{"/api/user", []string{""}, ""},
		{"/api/user", []string{"v1"}, ""},
		{"/api/v1/user", []string{"2"}, ""},
		{"/api/user", []string{"1", "1"}, ""},
	} {
		c := request("GET", tc.path)
		for _, v := range tc.headers {
			c.HTTP.Header.Add("API-Version", v)
		}
		err := check(g, c)
		if c.Reply.Get("Vary") != "API-Version" {
			t.Errorf("%s: Vary = %q", tc.path, c.Reply.Get("Vary"))
		}
		if tc.want == "" {
			e := wantRefusal(t, err, portcullis.KindMalformed, "input_rejected")
			if e.Public != "Unknown API version; known: 1, 2" || e.Event != portcullis.EventInputRejected {
				t.Errorf("%+v", e)
			}
			continue
		}
		if err != nil || c.Reply.Get("API-Version") != tc.want {
			t.Errorf("%s %q: %v, version %q", tc.path, tc.headers, err, c.Reply.Get("API-Version"))
		}
	}
	for _, bad := range [][]string{nil, {""}, {"v1"}, {"0"}, {"10000"}} {
		if _, err := NewVersion(bad...); err == nil {
			t.Errorf("NewVersion(%q) accepted", bad)
		}
	}
}

func TestBody(t *testing.T) {
	g := must(NewBody(DefaultBody()))(t)
	json := []string{"Content-Type", "application/json"}
	for _, tc := range []struct {
		method  string
		length  int64
		headers []string
		kind    portcullis.Kind // 0 = passes
	}{
		{"POST", 10, json, 0},
		{"POST", 1 << 20, json, 0},
		{"POST", -1, json, 0},
		{"GET", 0, nil, 0},
		{"GET", 0, []string{"Content-Type", "text/plain"}, 0},
		{"DELETE", 0, nil, 0},
		{"POST", 1, []string{"Content-Type", "Application/JSON ; charset=UTF-8"}, 0},
		{"POST", 1, []string{"Content-Type", `application/json;charset="utf-8";`}, 0},
		{"POST", 1, append([]string{"Content-Encoding", "identity"}, json...), 0},

		{"PUT", 1, json, portcullis.KindMethodNotAllowed},
		{"OPTIONS", 0, nil, portcullis.KindMethodNotAllowed},
		{"get", 0, nil, portcullis.KindMethodNotAllowed},
		{"TRACE", 0, nil, portcullis.KindMethodNotAllowed},
		{"POST", 1<<20 + 1, json, portcullis.KindTooLarge},
		{"POST", 1, nil, portcullis.KindMediaType},
		{"POST", 1, []string{"Content-Type", ""}, portcullis.KindMediaType},
		{"POST", 1, []string{"Content-Type", "text/plain"}, portcullis.KindMediaType},
		{"POST", 1, []string{"Content-Type", "application/json-seq"}, portcullis.KindMediaType},
		{"POST", 1, []string{"Content-Type", "application/json; charset=utf-16"}, portcullis.KindMediaType},
		{"POST", 1, []string{"Content-Type", "application/json; charset"}, portcullis.KindMediaType},
		{"POST", 1, []string{"Content-Type", "application/json; version=1"}, portcullis.KindMediaType},
		{"POST", 1, []string{"Content-Type", "application/json, text/plain"}, portcullis.KindMediaType},
		{"POST", 1, append(json, json...), portcullis.KindMediaType},
		{"POST", 1, append([]string{"Content-Encoding", "gzip"}, json...), portcullis.KindMediaType},
		{"POST", 1, append([]string{"Content-Encoding", "identity, br"}, json...), portcullis.KindMediaType},
		{"GET", 1, nil, portcullis.KindMalformed},
		{"GET", -1, nil, portcullis.KindMalformed},
		{"DELETE", 5, json, portcullis.KindMalformed},
	} {
		c := request("POST", "/mcp", tc.headers...)
		c.HTTP.Method, c.HTTP.ContentLength = tc.method, tc.length
		err := check(g, c)
		if tc.kind == 0 {
			if err != nil {
				t.Errorf("%+v: %v", tc, err)
			}
			continue
		}
		e := wantRefusal(t, err, tc.kind, "input_rejected")
		if tc.kind == portcullis.KindMethodNotAllowed && e.Header.Get("Allow") != "GET, POST, DELETE" {
			t.Errorf("Allow = %q", e.Header.Get("Allow"))
		}
	}
	// A route that is not JSON takes any type, but no compressed body.
	g = must(NewBody(BodyConfig{Methods: []string{"POST", "DELETE"}, MaxBody: 10}))(t)
	c := request("DELETE", "/", "Content-Type", "text/plain")
	c.HTTP.ContentLength = 10
	if err := check(g, c); err != nil {
		t.Error(err)
	}
	wantRefusal(t, check(g, request("POST", "/", "Content-Encoding", "br")), portcullis.KindMediaType, "input_rejected")

	for _, bad := range []BodyConfig{{}, {Methods: []string{"GET"}}, {MaxBody: 1}, {MaxBody: 1, Methods: []string{"get"}},
		{MaxBody: 1, Methods: []string{http.MethodTrace}}, {MaxBody: 1, Methods: []string{"CONNECT"}}, {MaxBody: 1<<30 + 1, Methods: []string{"GET"}}} {
		if _, err := NewBody(bad); err == nil {
			t.Errorf("%+v accepted", bad)
		}
	}
}
