package osv

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
)

// double speaks as much of the API of OSV as is documented of /v1/querybatch and
// /v1/vulns/{id}.
type double struct {
	mu      sync.Mutex
	batches []int          // sizes
	vulns   map[string]int // how often each was asked for
	failing int            // answers that fail first
	status  int
	header  http.Header
	pages   bool
	entries map[string]string
	raw     string // answer to querybatch, whatever was asked
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failing > 0 {
		d.failing--
		for k, v := range d.header {
			w.Header()[k] = v
		}
		w.WriteHeader(d.status)
		return
	}
	if id, ok := strings.CutPrefix(r.URL.Path, "/mirror/v1/vulns/"); ok && r.Method == http.MethodGet {
		d.vulns[id]++
		text, ok := d.entries[id]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprint(w, text)
		return
	}
	if r.URL.Path != "/mirror/v1/querybatch" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if d.raw != "" {
		fmt.Fprint(w, d.raw)
		return
	}
	var q asks
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || len(q.Queries) > 1000 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	d.batches = append(d.batches, len(q.Queries))
	type vuln struct {
		ID       string `json:"id"`
		Modified string `json:"modified"`
	}
	type result struct {
		Vulns []vuln `json:"vulns,omitempty"`
		Next  string `json:"next_page_token,omitempty"`
	}
	out := struct {
		Results []result `json:"results"`
	}{}
	for _, one := range q.Queries {
		var res result
		if one.Package.Name == "a" && one.Package.Ecosystem == "npm" {
			switch {
			case d.pages && one.Page == "":
				res = result{[]vuln{{"X-1", "2026-01-01T00:00:00Z"}}, "second"}
			case d.pages:
				res = result{[]vuln{{"X-2", "2026-01-01T00:00:00Z"}}, ""}
			default:
				res = result{[]vuln{{"X-1", "2026-01-01T00:00:00Z"}}, ""}
			}
		}
		out.Results = append(out.Results, res)
	}
	_ = json.NewEncoder(w).Encode(out)
}

func start(t *testing.T, d *double) (*Server, *[]time.Duration) {
	t.Helper()
	d.vulns = map[string]int{}
	if d.entries == nil {
		d.entries = map[string]string{"X-1": sample, "X-2": strings.ReplaceAll(sample, "X-1", "X-2")}
	}
	web := httptest.NewServer(d)
	t.Cleanup(web.Close)
	s, err := NewServer(web.URL+"/mirror", "portcullis/test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var waits []time.Duration
	s.wait = func(ctx context.Context, d time.Duration) error {
		waits = append(waits, d)
		return ctx.Err()
	}
	return s, &waits
}

func manyQueries(n int) []Query {
	out := []Query{{lockfile.NPM, "a", "1.0.0"}}
	for i := 1; i < n; i++ {
		out = append(out, Query{lockfile.NPM, fmt.Sprintf("b%d", i), "1.0.0"})
	}
	return out
}

func TestServer(t *testing.T) {
	d := &double{pages: true}
	s, _ := start(t, d)
	found, err := Find(t.Context(), s, manyQueries(2500))
	if err != nil || len(found) != 2 || found[0].ID != "X-1" || found[1].ID != "X-2" {
		t.Errorf("%+v, %v", found, err)
	}
	if fmt.Sprint(d.batches) != "[1000 1000 500 1]" || d.vulns["X-1"] != 1 || d.vulns["X-2"] != 1 {
		t.Errorf("batches %v, entries %v", d.batches, d.vulns)
	}
}

// What passes is tried again, politely; what does not is told.
func TestServerFails(t *testing.T) {
	d := &double{failing: 3, status: http.StatusTooManyRequests, header: http.Header{"Retry-After": {"5"}}}
	s, waits := start(t, d)
	if found, err := Find(t.Context(), s, manyQueries(1)); err != nil || len(found) != 1 {
		t.Errorf("%+v, %v", found, err)
	}
	if len(*waits) != 3 || (*waits)[0] < 5*time.Second || (*waits)[0] > 8*time.Second {
		t.Errorf("waited %v", *waits)
	}
	d = &double{failing: 100, status: http.StatusBadGateway, header: http.Header{"Retry-After": {"99999999"}}}
	s, waits = start(t, d)
	if _, err := Find(t.Context(), s, manyQueries(1)); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("%v", err)
	}
	if len(*waits) != tries-1 || (*waits)[0] > maxWait*3/2 {
		t.Errorf("waited %v", *waits)
	}
	d = &double{failing: 1, status: http.StatusFound, header: http.Header{"Location": {"http://127.0.0.1:1/"}}}
	if s, waits = start(t, d); true {
		if _, err := Find(t.Context(), s, manyQueries(1)); err == nil || len(*waits) != 0 {
			t.Errorf("another place is followed: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, _ = start(t, &double{})
	if _, err := Find(ctx, s, manyQueries(1)); err == nil {
		t.Error("a cancelled question has an answer")
	}
}

// A server that answers something else is not one that knows of nothing.
func TestServerLies(t *testing.T) {
	for want, d := range map[string]*double{
		"gave 0 answers":   {raw: `{"results":[]}`},
		"not what the API": {raw: `{"results":{}}`},
		"is no id":         {raw: `{"results":[{"vulns":[{"id":"../../x"}]}]}`},
		"404":              {entries: map[string]string{"Y": ""}},
		"gave \"X-2\"":     {entries: map[string]string{"X-1": strings.ReplaceAll(sample, "X-1", "X-2")}},
		"more than 50":     {raw: `{"results":[{"next_page_token":"x"}]}`},
	} {
		s, _ := start(t, d)
		if found, err := Find(t.Context(), s, manyQueries(1)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %+v, %v", want, found, err)
		}
	}
}

func TestServerAddresses(t *testing.T) {
	for address, ok := range map[string]bool{
		PublicServer: true, "https://mirror.example/osv": true, "http://127.0.0.1:8080": true, "http://[::1]:1": true, "http://localhost": true,
		"http://mirror.example": false, "https://u:p@mirror.example": false, "file:///x": false, "": false, "https://x/?key=1": false, "::": false,
	} {
		s, err := NewServer(address, "x")
		if (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
		if err != nil && strings.Contains(err.Error(), "u:p") {
			t.Errorf("the error shows the credential: %v", err)
		}
		if s != nil {
			_ = s.Close()
		}
	}
}
