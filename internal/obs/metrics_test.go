package obs

import (
	"errors"
	"io"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func scrape(t *testing.T, m *Metrics, accept string) (body, contentType string) {
	t.Helper()
	req := httptest.NewRequest("GET", "/metrics", nil)
	req.Header.Set("Accept", accept)
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, req)
	data, err := io.ReadAll(rec.Body)
	if err != nil || rec.Code != 200 {
		t.Fatalf("status %d, %v: %s", rec.Code, err, data)
	}
	return string(data), rec.Header().Get("Content-Type")
}

func TestMetrics(t *testing.T) {
	m := NewMetrics(Build{Version: "1.2.3", Revision: "abc"})
	r := m.Route("files")
	if m.Route("files") != r {
		t.Error("a route asked for twice is another")
	}
	r.Begin()
	r.Begin()
	r.Observe("tools/call", 200, Succeeded, 3*time.Millisecond, "")
	r.Begin()
	r.Observe("evil\n\"method", 777, Refused, 0, "")
	r.Begin()
	r.Observe("", 502, Failed, time.Minute*2, "")
	r.Refused("authz", "tool", "forbidden")
	r.Refused("authz", "tool", "forbidden")
	j := m.Journal()
	j.Wrote(3, 1200)
	j.Synced(2 * time.Millisecond)
	j.Failed("write")
	j.Lost()
	if err := m.RateLimitKeys(func() int { return 42 }); err != nil {
		t.Error(err)
	}
	if err := m.RateLimitKeys(func() int { return 43 }); err == nil {
		t.Error("a second source of the same metric is accepted")
	}
	m.CertificateExpiry("public", time.Unix(1800000000, 0))
	m.Reloaded(nil)
	m.Reloaded(errors.New("x"))
	u := m.Upstream("files")
	u.OK.Inc()
	u.Answered(time.Millisecond)
	u.Open.Inc()
	m.Bridge("files").Children.Set(2)
	m.Bridge("files").Crashed.Inc()

	body, contentType := scrape(t, m, "")
	if !strings.HasPrefix(contentType, "text/plain; version=0.0.4") {
		t.Errorf("content type %q", contentType)
	}
	for _, want := range []string{
		`portcullis_requests_total{code="200",method="tools/call",outcome="success",route="files"} 1`,
		`portcullis_requests_total{code="other",method="other",outcome="refused",route="files"} 1`,
		`portcullis_requests_total{code="502",method="none",outcome="failure",route="files"} 1`,
		`portcullis_request_duration_seconds_bucket{route="files",le="0.0001"} 1`,
		`portcullis_request_duration_seconds_bucket{route="files",le="0.005"} 2`,
		`portcullis_request_duration_seconds_count{route="files"} 3`,
		`portcullis_refusals_total{guard="tool",phase="authz",reason="forbidden",route="files"} 2`,
		`portcullis_inflight_requests{route="files"} 1`,
		`portcullis_journal_records_total 3`, `portcullis_journal_bytes_total 1200`, `portcullis_journal_lost_total 1`,
		`portcullis_journal_errors_total{operation="write"} 1`, `portcullis_journal_sync_duration_seconds_count 1`,
		`portcullis_ratelimit_keys 42`,
		`portcullis_tls_certificate_expiry_timestamp_seconds{certificate="public"} 1.8e+09`,
		`portcullis_config_reloads_total{result="success"} 1`, `portcullis_config_reloads_total{result="failure"} 1`,
		`portcullis_upstream_requests_total{result="ok",route="files"} 1`,
		`portcullis_upstream_requests_total{result="timeout",route="files"} 0`,
		`portcullis_upstream_open_connections{route="files"} 1`,
		`portcullis_bridge_children{route="files"} 2`, `portcullis_bridge_exits_total{result="error",route="files"} 1`,
		`revision="abc",version="1.2.3"} 1`, "\ngo_goroutines ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("missing %s", want)
		}
	}
	if _, contentType = scrape(t, m, "application/openmetrics-text; version=1.0.0"); !strings.Contains(contentType, "openmetrics") {
		t.Errorf("content type %q, want OpenMetrics", contentType)
	}
}

// TestCallersMakeNoSeries: what callers and upstreams send cannot grow the
// metrics.
func TestCallersMakeNoSeries(t *testing.T) {
	m := NewMetrics(Build{})
	r := m.Route("r")
	r.Begin()
	for i := range 5000 {
		r.Begin()
		r.Observe(NewID(), i, Succeeded, 0, "")
		r.Refused("phase", NewID(), "reason")
	}
	body, _ := scrape(t, m, "")
	if n := strings.Count(body, "portcullis_requests_total{"); n > 70 {
		t.Errorf("%d series of requests", n)
	}
	if n := strings.Count(body, "portcullis_refusals_total{"); n > maxRefusals+1 {
		t.Errorf("%d series of refusals", n)
	}
}

func TestRouteConcurrently(t *testing.T) {
	m := NewMetrics(Build{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r := m.Route("r")
			for i := range 300 {
				r.Begin()
				r.Observe("tools/list", 200+i%5, Outcome(i%3), time.Millisecond, "")
				r.Refused("p", "g", []string{"a", "b", "c"}[i%3])
			}
		})
	}
	wg.Wait()
	body, _ := scrape(t, m, "")
	if !strings.Contains(body, `portcullis_request_duration_seconds_count{route="r"} 2400`) ||
		!strings.Contains(body, `portcullis_inflight_requests{route="r"} 0`) ||
		!strings.Contains(body, `portcullis_refusals_total{guard="g",phase="p",reason="b",route="r"} 800`) {
		t.Error(body)
	}
}

func TestObserveDoesNotAllocate(t *testing.T) {
	r := NewMetrics(Build{}).Route("r")
	n := testing.AllocsPerRun(100, func() {
		r.Begin()
		r.Observe("tools/call", 200, Succeeded, time.Millisecond, "")
		r.Refused("authz", "tool", "forbidden")
	})
	if n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestNewID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := make(map[string]bool)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5000 {
				id := NewID()
				mu.Lock()
				if seen[id] || !form.MatchString(id) {
					t.Errorf("id %q", id)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestIDsSortByTime(t *testing.T) {
	at := time.UnixMilli(0x0199aabbccdd)
	if got := string(appendIDAt(nil, at)); !strings.HasPrefix(got, "0199aabb-ccdd-7000-") {
		t.Errorf("id %q", got)
	}
	var ids []string
	for range 2000 {
		ids = append(ids, string(appendIDAt(nil, at)))
		at = at.Add(250 * time.Nanosecond)
	}
	if !slices.IsSorted(ids) {
		t.Error("ids of growing times do not sort")
	}
}

func TestIDAllocations(t *testing.T) {
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(1000, func() { buf = AppendID(buf[:0]) }); n != 0 {
		t.Errorf("AppendID: %v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() { _ = NewID() }); n > 1 {
		t.Errorf("NewID: %v allocations", n)
	}
}

func BenchmarkNewID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = NewID()
	}
}

func BenchmarkObserve(b *testing.B) {
	r := NewMetrics(Build{}).Route("r")
	b.ReportAllocs()
	for b.Loop() {
		r.Begin()
		r.Observe("tools/call", 200, Succeeded, time.Millisecond, "")
	}
}
