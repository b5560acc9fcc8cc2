package chronicle_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/chronicle"
	"github.com/portcullis-dev/portcullis/internal/chronicle/browser"
)

var update = flag.Bool("update", false, "write the golden files")

var sampleTime = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// newServer serves given files and nothing of this machine.
func newServer(t testing.TB, paths map[string]string, change ...func(*chronicle.Config)) *chronicle.Server {
	t.Helper()
	cfg := chronicle.Default()
	cfg.Discover = false
	cfg.Paths = paths
	cfg.TempDir = t.TempDir()
	cfg.Location = time.UTC
	cfg.Now = func() time.Time { return sampleTime }
	for _, f := range change {
		f(&cfg)
	}
	s, err := chronicle.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func newSample(t testing.TB, change ...func(*chronicle.Config)) *chronicle.Server {
	t.Helper()
	path, err := chronicle.WriteSample(filepath.Join(t.TempDir(), "profile"), sampleTime)
	if err != nil {
		t.Fatal(err)
	}
	return newServer(t, map[string]string{"chrome": path}, change...)
}

// realHistories returns the real databases by file name, or nil.
func realHistories(t testing.TB) map[string]string {
	t.Helper()
	dir := os.Getenv("PORTCULLIS_SAMPLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "samples")
	}
	dir, err := filepath.Abs(filepath.Join(dir, "history"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Logf("no real histories at %s: set PORTCULLIS_SAMPLES; nothing was compared", dir)
		return nil
	}
	out := map[string]string{}
	for _, e := range entries {
		if strings.Contains(e.Name(), "History") || strings.HasSuffix(e.Name(), ".sqlite") {
			out[e.Name()] = filepath.Join(dir, e.Name())
		}
	}
	return out
}

func ask(t testing.TB, path, query string, args ...any) int64 {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&immutable=1")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n sql.NullInt64
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n.Int64
}

func must[T any](t testing.TB, res *chronicle.Result, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	data, ok := res.Data.(T)
	if !ok {
		t.Fatalf("data is a %T", res.Data)
	}
	return data
}

// source says how a real file keeps its pages: its browser and independent SQL.
type source struct{ browser, pages, count, visitTimes string }

func sourceOf(file string) source {
	const chrome = "SELECT u.url AS url, COALESCE(u.title, '') AS title FROM urls u"
	switch {
	case strings.Contains(file, "firefox"):
		return source{
			"firefox", "SELECT url, COALESCE(title, '') AS title FROM moz_places WHERE visit_count > 0",
			"SELECT SUM(visit_count) FROM moz_places", "SELECT place_id AS p, visit_date / 1000000 AS at FROM moz_historyvisits",
		}
	case strings.Contains(file, "safari"):
		return source{
			"safari", "SELECT i.url AS url, COALESCE((SELECT MAX(v.title) FROM history_visits v WHERE v.history_item = i.id), '') AS title FROM history_items i",
			"SELECT SUM(visit_count) FROM history_items", "SELECT history_item AS p, visit_time + 978307200 AS at FROM history_visits",
		}
	case strings.Contains(file, "linux-chrome"):
		return source{
			"chrome", chrome, "SELECT COUNT(*) FROM visits",
			"SELECT url AS p, CAST(visit_time AS INTEGER) / 1000000 - 11644473600 AS at FROM visits",
		}
	case strings.Contains(file, "edge"):
		return source{"edge", chrome, "SELECT SUM(visit_count) FROM urls", "SELECT url AS p, visit_time / 1000000 - 11644473600 AS at FROM visits"}
	}
	return source{"chrome", chrome, "SELECT SUM(visit_count) FROM urls", "SELECT url AS p, visit_time / 1000000 - 11644473600 AS at FROM visits"}
}

// TestEveryToolOnEveryRealHistory compares each answer with SQL of its own.
func TestEveryToolOnEveryRealHistory(t *testing.T) {
	for file, path := range realHistories(t) {
		t.Run(file, func(t *testing.T) {
			src := sourceOf(file)
			s := newServer(t, map[string]string{src.browser: path})
			ctx := t.Context()
			pages := ask(t, path, "SELECT COUNT(*) FROM ("+src.pages+")")

			for _, q := range []string{"google", "GOOGLE", "Search", "github", "forensics - ", "%", "_", "no such text"} {
				res, err := s.ExportHistory(ctx, chronicle.Args{Query: q, Format: "json", Limit: 10000})
				got := must[chronicle.Export](t, res, err).Count
				want := ask(t, path, "SELECT COUNT(*) FROM ("+src.pages+") WHERE INSTR(LOWER(title), LOWER(?1)) > 0 OR INSTR(LOWER(url), LOWER(?1)) > 0", q)
				if strings.ContainsAny(q, "%_") { // may only stand in what the sanitizer took out
					if int64(got) > want {
						t.Errorf("search %q: %d, SQL says %d", q, got, want)
					}
				} else if int64(got) != want {
					t.Errorf("search %q: %d, SQL says %d", q, got, want)
				}
				res, err = s.SearchHistory(ctx, chronicle.Args{Query: q})
				if n := must[chronicle.Rows](t, res, err).Count; n != min(got, 5) {
					t.Errorf("search_history %q: %d of %d", q, n, got)
				}
			}
			res, err := s.BrowserStats(ctx, chronicle.Args{})
			stats := must[chronicle.Stats](t, res, err)
			if int64(stats.TotalEntries) != pages || stats.TotalVisits != ask(t, path, src.count) {
				t.Errorf("stats %+v: SQL says %d pages, %d visits", stats, pages, ask(t, path, src.count))
			}
			first, err := time.Parse(time.RFC3339, *stats.FirstVisit)
			if err != nil || first.Unix() > ask(t, path, "SELECT CAST(MIN(at) AS INTEGER) FROM ("+src.visitTimes+")") {
				t.Errorf("first visit %v %v", first, err)
			}
			last, err := time.Parse(time.RFC3339, *stats.LastVisit)
			if want := ask(t, path, "SELECT CAST(MAX(at) AS INTEGER) FROM ("+src.visitTimes+")"); err != nil || last.Unix() < want || last.Unix() > want+60 {
				t.Errorf("last visit %v, SQL says %v", last, time.Unix(want, 0))
			}
			day := last.Format(time.DateOnly)
			res, err = s.SearchByDate(ctx, chronicle.Args{Query: "http", StartDate: day, EndDate: day, Limit: 100})
			byDate := must[chronicle.Rows](t, res, err)
			want := ask(t, path, "SELECT COUNT(DISTINCT p) FROM ("+src.visitTimes+") WHERE DATE(at, 'unixepoch') = ?", day)
			if file == "bh-linux-chrome-History" {
				want = 0 // its one URL has no "http"
			}
			if int64(byDate.Count) != want {
				t.Errorf("visits on %s: %d, SQL says %d", day, byDate.Count, want)
			}
			res, err = s.CountVisits(ctx, chronicle.Args{Domain: "google.com"})
			if n := must[chronicle.Count](t, res, err).Count; src.browser != "safari" && file != "bh-linux-chrome-History" {
				table := map[string]string{"firefox": "moz_places", "chrome": "urls", "edge": "urls"}[src.browser]
				// A host ends at the first slash and is google.com or ends in .google.com.
				want := ask(t, path, `SELECT SUM(visit_count) FROM (SELECT visit_count, SUBSTR(url, INSTR(url, '://') + 3) || '/' AS r FROM `+table+`)
					WHERE SUBSTR(r, 1, INSTR(r, '/') - 1) = 'google.com' OR SUBSTR(r, 1, INSTR(r, '/') - 1) LIKE '%.google.com'`)
				if n != want {
					t.Errorf("visits to google.com: %d, SQL says %d", n, want)
				}
			}
			res, err = s.RecentHistory(ctx, chronicle.Args{Hours: 876000, Limit: 100})
			if n := must[chronicle.Rows](t, res, err).Count; int64(n) != min(pages, 100) {
				t.Errorf("recent: %d of %d", n, pages)
			}
			res, err = s.TopDomains(ctx, chronicle.Args{Limit: 50})
			var sum int64
			for _, d := range must[chronicle.TopDomains](t, res, err).Domains {
				sum += d.Visits
			}
			if sum > stats.TotalVisits || sum == 0 && file != "bh-linux-chrome-History" {
				t.Errorf("top domains have %d of %d visits", sum, stats.TotalVisits)
			}
			res, err = s.MostVisited(ctx, chronicle.Args{Limit: 100})
			if n := len(must[chronicle.TopPages](t, res, err).Pages); n != min(stats.UniqueURLs, 100) {
				t.Errorf("most visited: %d of %d", n, stats.UniqueURLs)
			}
			res, err = s.SearchByDomain(ctx, chronicle.Args{Domain: "google.com", Limit: 100, ExcludeDomains: []string{"www.google.com"}})
			for _, r := range must[chronicle.Rows](t, res, err).Results {
				if strings.Contains(r.URL, "//www.google.com/") {
					t.Errorf("excluded domain: %s", r.URL)
				}
			}
			for _, a := range []chronicle.Args{{UseRegex: true, Query: `^https?://`}, {UseFuzzy: true, Query: "gogle"}, {Query: "http", SortBy: "title"}} {
				a.Limit = 100
				res, err = s.SearchAdvanced(ctx, a)
				n := must[chronicle.Rows](t, res, err).Count
				if a.UseRegex && n != min(stats.UniqueURLs, 100) {
					t.Errorf("regex: %d of %d", n, stats.UniqueURLs)
				}
			}
			checkDownloadsAndBookmarks(t, s, file, path)
		})
	}
}

func checkDownloadsAndBookmarks(t *testing.T, s *chronicle.Server, file, path string) {
	t.Helper()
	ctx := t.Context()
	res, err := s.Downloads(ctx, chronicle.Args{})
	var e *chronicle.Error
	switch {
	case strings.Contains(file, "safari"):
		if !errors.As(err, &e) || e.Status != 404 || !strings.Contains(e.Message, "not read") {
			t.Errorf("safari downloads: %v", err)
		}
	case file == "bh-linux-chrome-History":
		if !errors.As(err, &e) || e.Status != 422 {
			t.Errorf("downloads of a reduced file: %v", err)
		}
	case strings.Contains(file, "firefox"):
		if n := must[chronicle.Downloads](t, res, err).Count; n != 0 {
			t.Errorf("firefox downloads: %d", n)
		}
	default:
		if n := must[chronicle.Downloads](t, res, err).Count; int64(n) != ask(t, path, "SELECT COUNT(*) FROM downloads") {
			t.Errorf("downloads: %d", n)
		}
	}
	res, err = s.Bookmarks(ctx, chronicle.Args{Limit: 100})
	if strings.Contains(file, "firefox") {
		if n := must[chronicle.Bookmarks](t, res, err).Count; n == 0 {
			t.Error("no firefox bookmarks")
		}
	} else if !errors.As(err, &e) || e.Status != 404 {
		t.Errorf("bookmarks without a file: %v", err)
	}
}

func TestBookmarksFileBesideNothing(t *testing.T) {
	files := realHistories(t)
	edge, ok := files["bh-win-edge-History"]
	if !ok {
		return
	}
	marks := filepath.Join(filepath.Dir(edge), "bh-win-brave-Bookmarks.json")
	s := newServer(t, map[string]string{"brave": edge}, func(c *chronicle.Config) { c.BookmarkPaths = map[string]string{"brave": marks} })
	res, err := s.Bookmarks(t.Context(), chronicle.Args{Query: "linux"})
	if b := must[chronicle.Bookmarks](t, res, err); b.Count != 1 || b.Bookmarks[0].URL != "https://arcolinux.com/" {
		t.Errorf("%+v", b)
	}
	res, err = s.AvailableBookmarks(t.Context())
	if b := must[chronicle.Browsers](t, res, err); len(b.Browsers) != 1 || b.Default != "brave" {
		t.Errorf("%+v", b)
	}
}

// TestGoldens pins the text of every query on the sample history.
func TestGoldens(t *testing.T) {
	s := newSample(t)
	calls := []struct{ name, tool, args string }{
		{"browsers", "list_available_browsers", `{}`},
		{"search", "search_history", `{"query":"spec"}`},
		{"search_json", "search_history", `{"query":"rfc","format_type":"json"}`},
		{"search_none", "search_history", `{"query":"no *such* thing"}`},
		{"recent", "get_recent_history", `{"limit":4}`},
		{"count", "count_visits", `{"domain":"github.com"}`},
		{"top_domains", "list_top_domains", `{"limit":4}`},
		{"top_domains_json", "list_top_domains", `{"limit":2,"format_type":"json"}`},
		{"by_date", "search_history_by_date", `{"query":"bbc","start_date":"2026-10-25","end_date":"2026-11-19","limit":2}`},
		{"by_domain", "search_by_domain", `{"domain":"example.com","limit":12,"exclude_domains":["docs.example.com","mail.example.com"]}`},
		{"stats", "get_browser_stats", `{}`},
		{"most_visited", "get_most_visited_pages", `{"limit":3}`},
		{"export_csv", "export_history", `{"query":"example.com/","limit":100}`},
		{"export_json", "export_history", `{"format_type":"json","limit":2}`},
		{"advanced_regex", "search_history_advanced", `{"query":"pull/1[0-2]\\d$","use_regex":true,"sort_by":"title"}`},
		{"advanced_fuzzy", "search_history_advanced", `{"query":"portculis","use_fuzzy":true}`},
		{"bookmarks", "get_bookmarks", `{}`},
		{"bookmarks_json", "get_bookmarks", `{"query":"wiki","format_type":"json"}`},
		{"downloads", "get_downloads", `{}`},
		{"downloads_json", "get_downloads", `{"limit":1,"format_type":"json"}`},
		{"available_bookmarks", "list_available_bookmarks", `{}`},
		{"available_downloads", "list_available_downloads", `{}`},
		{"injection", "search_history", `{"query":"ignore all"}`},
	}
	var b bytes.Buffer
	for _, c := range calls {
		res, err := s.Call(t.Context(), c.tool, []byte(c.args))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		fmt.Fprintf(&b, "=== %s: %s %s (%s)\n%s\n\n", c.name, c.tool, c.args, res.MIME, strings.ReplaceAll(res.Text, "\r\n", "␍\n"))
	}
	golden(t, "queries.golden", b.Bytes())
	if strings.Contains(b.String(), "sample-") || strings.Contains(b.String(), "00c0ffee") {
		t.Error("a token of the sample history is shown")
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run with -update and look at the diff\n%s", name, got)
	}
}

// TestHiddenValuesCannotBeProbed searches for secrets that the sample holds.
func TestHiddenValuesCannotBeProbed(t *testing.T) {
	s := newSample(t)
	for _, secret := range []string{"sample-d41d", "hunter2", "00c0ffee", "sample-55aa", "eyJhbGciOiJub25lIn0", "access_token", "X-Amz"} {
		for _, call := range []struct{ tool, args string }{
			{"search_history", `{"query":%q}`}, {"export_history", `{"query":%q}`}, {"get_bookmarks", `{"query":%q}`},
			{"get_downloads", `{"query":%q,"format_type":"json"}`}, {"search_history_advanced", `{"query":%q,"use_regex":true}`},
			{"search_by_domain", `{"domain":"example.com","query":%q}`},
			{"search_history_by_date", `{"query":%q,"start_date":"2000-01-01","end_date":"2030-01-01"}`},
		} {
			res, err := s.Call(t.Context(), call.tool, fmt.Appendf(nil, call.args, secret))
			if err != nil {
				t.Fatal(err)
			}
			data, err := json.Marshal(res.Data)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(data, []byte(`"count":0`)) && !bytes.Contains(data, []byte(`"exported_entries":0`)) {
				t.Errorf("%s finds %q: %s", call.tool, secret, data)
			}
		}
	}
}

func TestCustomSensitiveParams(t *testing.T) {
	s := newSample(t, func(c *chronicle.Config) { c.CustomSensitiveParams = []string{"utm_source", "orgId"} })
	res, err := s.ExportHistory(t.Context(), chronicle.Args{Limit: 10000})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(res.Text, "utm_source") || strings.Contains(res.Text, "orgId") || !strings.Contains(res.Text, "from=now-6h") {
		t.Error("custom parameters are shown, or others are not")
	}
}

func TestWhichBrowserAnswers(t *testing.T) {
	home := t.TempDir()
	for _, p := range []string{".config/microsoft-edge/Default", ".config/google-chrome/Default", ".config/google-chrome/Profile 1", ".config/vivaldi/Default"} {
		if _, err := chronicle.WriteSample(filepath.Join(home, p), sampleTime); err != nil {
			t.Fatal(err)
		}
	}
	env := browser.Env{OS: "linux", Home: home}
	s := newServer(t, nil, func(c *chronicle.Config) { c.Discover, c.Env = true, env })
	for arg, want := range map[string]string{
		"": "chrome", "chrome": "chrome", "chrome:Default": "chrome", "Chrome:profile 1": "chrome:Profile 1", "EDGE": "edge", "vivaldi": "vivaldi",
	} {
		res, err := s.BrowserStats(t.Context(), chronicle.Args{Browser: arg})
		if got := must[chronicle.Stats](t, res, err).Browser; got != want {
			t.Errorf("browser %q answers as %q, want %q", arg, got, want)
		}
	}
	for arg, want := range map[string]string{
		"firefox":  `404 browser "firefox": no history found; available: chrome, edge, vivaldi`,
		"chrome:x": `404 browser "chrome:x": no such profile; available: chrome:Default, chrome:Profile 1`,
		"lynx":     `400 browser: "lynx": want one of chrome, edge, brave, vivaldi, opera, chromium, firefox, safari`,
	} {
		_, err := s.BrowserStats(t.Context(), chronicle.Args{Browser: arg})
		var e *chronicle.Error
		if !errors.As(err, &e) || fmt.Sprintf("%d %s", e.Status, e.Message) != want {
			t.Errorf("browser %q: %v", arg, err)
		}
	}
	def := newServer(t, nil, func(c *chronicle.Config) { c.Discover, c.Env, c.DefaultBrowser = true, env, "vivaldi" })
	res, err := def.BrowserStats(t.Context(), chronicle.Args{})
	if got := must[chronicle.Stats](t, res, err).Browser; got != "vivaldi" {
		t.Errorf("default browser: %q", got)
	}
	none := newServer(t, nil)
	_, err = none.SearchHistory(t.Context(), chronicle.Args{Query: "x"})
	if err == nil || err.Error() != "no browser with a history found on this machine" {
		t.Errorf("no browser: %v", err)
	}
	res, err = none.AvailableBrowsers(t.Context())
	if b := must[chronicle.Browsers](t, res, err); len(b.Browsers) != 0 || b.Browsers == nil || res.Text != "No browsers with history found on this system" {
		t.Errorf("%+v %s", b, res.Text)
	}
}

func TestPanicIsAnErrorAndLeavesNothing(t *testing.T) {
	tmp := t.TempDir()
	var log bytes.Buffer
	s := newSample(t, func(c *chronicle.Config) {
		c.TempDir = tmp
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Now = func() time.Time { panic("clock") }
	})
	_, err := s.RecentHistory(t.Context(), chronicle.Args{})
	var e *chronicle.Error
	if !errors.As(err, &e) || e.Status != 500 || e.Message != "internal error" || !strings.Contains(log.String(), "clock") {
		t.Errorf("%v, log %s", err, log.String())
	}
	if entries, err := os.ReadDir(tmp); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func TestSampleIsDeterministic(t *testing.T) {
	a, b := newSample(t), newSample(t)
	ra, err := a.ExportHistory(t.Context(), chronicle.Args{Limit: 10000})
	if err != nil {
		t.Fatal(err)
	}
	rb, err := b.ExportHistory(t.Context(), chronicle.Args{Limit: 10000})
	if err != nil || ra.Text != rb.Text {
		t.Errorf("two samples differ: %v", err)
	}
	res, err := a.BrowserStats(t.Context(), chronicle.Args{})
	st := must[chronicle.Stats](t, res, err)
	if st.TotalVisits < 300 || st.UniqueDomains < 35 {
		t.Errorf("small sample: %+v", st)
	}
	dir := t.TempDir()
	if _, err := chronicle.WriteSample(dir, sampleTime); err != nil {
		t.Fatal(err)
	}
	if _, err := chronicle.WriteSample(dir, sampleTime); err == nil {
		t.Error("an existing history was overwritten")
	}
}

func TestConcurrentCalls(t *testing.T) {
	s := newSample(t, func(c *chronicle.Config) { c.CacheTTL = time.Nanosecond })
	errs := make(chan error, 64)
	for i := range cap(errs) {
		go func() {
			var err error
			switch i % 4 {
			case 0:
				_, err = s.SearchHistory(t.Context(), chronicle.Args{Query: "go"})
			case 1:
				_, err = s.BrowserStats(t.Context(), chronicle.Args{})
			case 2:
				_, err = s.Bookmarks(t.Context(), chronicle.Args{})
			case 3:
				_, err = s.SearchAdvanced(t.Context(), chronicle.Args{Query: "g.", UseRegex: true})
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
