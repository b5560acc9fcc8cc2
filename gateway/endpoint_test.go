package gateway

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/anonymous"
)

// TestEndpointAnswersForItself: what an endpoint of this process says is said to
// the caller, where the same from an upstream would be masked.
func TestEndpointAnswersForItself(t *testing.T) {
	r := newRig(t, anyone, answering)
	own := Endpoint{
		Name: "own", Path: "/auth/own", Methods: []string{http.MethodPost}, Rate: "100/1m per address", MaxBody: 64, JSON: true,
		Auth: []portcullis.Authenticator{anonymous.Authenticator{}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			status, err := strconv.Atoi(req.URL.Query().Get("status"))
			if err != nil {
				t.Error(err)
			}
			w.Header().Set("WWW-Authenticate", `Own realm="x"`)
			w.Header().Set("Retry-After", "1")
			w.Header().Set("Set-Cookie", "a=b")
			w.WriteHeader(status)
			_, _ = w.Write([]byte("own words"))
		}),
	}
	table, err := Build(parse(t, oneRoute), Deps{
		Metrics: r.metrics, Recorder: r.journal, APIKeys: named(anyone), Switch: r.sw, Own: []Endpoint{own},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Use(table)
	for _, status := range []int{200, 400, 401, 403, 429, 503} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8080/auth/own?status="+strconv.Itoa(status), strings.NewReader("{}"))
		req.Header.Set("Content-Type", "application/json")
		req.RemoteAddr = "192.0.2.1:1"
		w := r.do(req)
		if w.Code != status || w.Body.String() != "own words" || w.Header().Get("WWW-Authenticate") == "" || w.Header().Get("Retry-After") != "1" || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%d: %d %v %s", status, w.Code, w.Header(), w.Body)
		}
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8080/auth/own?status=200", strings.NewReader("{}"))
	req.Header.Set("Content-Type", "text/plain")
	if w := r.do(req); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("text: %d", w.Code)
	}
}

// TestEndpointOfCallers: a path of this process that callers of routes may use
// takes what the routes take, but nobody for whom a route has no credential,
// and answers for what lies below it.
func TestEndpointOfCallers(t *testing.T) {
	r := newRig(t, anyone, answering)
	own := Endpoint{
		Name: "own", Path: "/api/own", Below: true, Callers: true, Methods: []string{http.MethodGet}, Rate: "100/1m per address", MaxBody: 64,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			_, _ = w.Write([]byte(PrincipalFrom(req.Context()).ID + " " + req.URL.Path))
		}),
	}
	open := strings.Replace(oneRoute, "[[route]]", "[[route]]\nname = \"open\"\npath = \"/open\"\nupstream = \"http://127.0.0.1:1/mcp\"\nauth = [\"none\"]\ninsecure_no_auth = true\n[[route]]", 1)
	table, err := Build(parse(t, open), Deps{
		Metrics: r.metrics, Recorder: r.journal, APIKeys: named(anyone), Switch: r.sw, Own: []Endpoint{own},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Use(table)
	for path, want := range map[string]int{"/api/own": 200, "/api/own/x/y": 200, "/api/ownx": 404, "/api": 404} {
		for _, name := range []string{"ada", ""} {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8080"+path, nil)
			req.RemoteAddr = "192.0.2.1:1"
			status := want
			if name != "" {
				req.Header.Set("X-Name", name)
			} else if want == 200 {
				status = http.StatusUnauthorized
			}
			w := r.do(req)
			if w.Code != status || w.Code == 200 && w.Body.String() != "ada "+path {
				t.Errorf("%s as %q: %d %s", path, name, w.Code, w.Body)
			}
		}
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8080/api/own", nil)
	req.RemoteAddr = "192.0.2.1:1"
	req.Header.Set("X-Name", "ada")
	req.Header.Set("API-Version", "2")
	if w := r.do(req); w.Code != http.StatusBadRequest {
		t.Errorf("an unknown version: %d %s", w.Code, w.Body)
	}
}
