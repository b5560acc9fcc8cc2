package chronicle_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/chronicle"
)

const benchPages = 100_000

// benchHistory is a Chromium history of 100,000 pages with 300,000 visits.
func benchHistory(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "History")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(OFF)&_pragma=synchronous(0)")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for _, q := range []string{
		`CREATE TABLE urls(id INTEGER PRIMARY KEY AUTOINCREMENT,url LONGVARCHAR,title LONGVARCHAR,visit_count INTEGER DEFAULT 0 NOT NULL,
			typed_count INTEGER DEFAULT 0 NOT NULL,last_visit_time INTEGER NOT NULL,hidden INTEGER DEFAULT 0 NOT NULL)`,
		`CREATE TABLE visits(id INTEGER PRIMARY KEY,url INTEGER NOT NULL,visit_time INTEGER NOT NULL)`,
		fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) INSERT INTO urls SELECT i,
			'https://site' || (i %% 2000) || '.example.com/section/' || (i %% 37) || '/article-number-' || i ||
			CASE i %% 3 WHEN 0 THEN '?utm_source=mail&page=' || i WHEN 1 THEN '?token=secret' || i || '&a=1' ELSE '' END,
			'The title of article number ' || i || ' - Site ' || (i %% 2000), 1 + i %% 9, 0, %d + i * 7000000, 0 FROM n`,
			benchPages, sampleTime.UnixMicro()+11_644_473_600_000_000-int64(benchPages)*7_000_000),
		fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < %d) INSERT INTO visits
			SELECT i+1, 1 + i %% %d, (SELECT last_visit_time FROM urls WHERE id = 1 + i %% %d) - (i / %d) * 86400000000 FROM n`,
			3*benchPages-1, benchPages, benchPages, benchPages),
		`CREATE INDEX v ON visits(visit_time)`,
	} {
		if _, err := db.ExecContext(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
	return path
}

// BenchmarkQueries measures a call on 100,000 pages: cold with the copy, the
// reading and sanitizing; the rest on cached rows.
func BenchmarkQueries(b *testing.B) {
	path := benchHistory(b)
	b.Run("cold", func(b *testing.B) {
		s := newServer(b, map[string]string{"chrome": path}, func(c *chronicle.Config) { c.CacheTTL = 0 })
		for b.Loop() {
			if _, err := s.SearchHistory(b.Context(), chronicle.Args{Query: "article"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	s := newServer(b, map[string]string{"chrome": path}, func(c *chronicle.Config) { c.SearchTimeout = time.Minute })
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if _, err := s.BrowserStats(b.Context(), chronicle.Args{}); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for _, c := range []struct{ name, tool, args string }{
		{"search_hit", "search_history", `{"query":"article"}`}, {"search_miss", "search_history", `{"query":"no such text"}`},
		{"recent", "get_recent_history", `{}`}, {"count", "count_visits", `{"domain":"example.com"}`},
		{"top_domains", "list_top_domains", `{}`}, {"stats", "get_browser_stats", `{}`},
		{"by_date", "search_history_by_date", `{"query":"777","start_date":"2026-11-10","end_date":"2026-11-20"}`},
		{"most_visited", "get_most_visited_pages", `{}`}, {"export_10000", "export_history", `{"limit":10000}`},
		{"regex", "search_history_advanced", `{"query":"number-9+$","use_regex":true}`},
		{"fuzzy", "search_history_advanced", `{"query":"artcle nmber","use_fuzzy":true}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Call(b.Context(), c.tool, []byte(c.args)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB-cached")
		})
	}
}
