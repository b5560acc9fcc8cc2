package history_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/chronicle/history"
	"github.com/portcullis-dev/portcullis/internal/chronicle/sanitize"
)

// samples returns the folder of real histories, or "" when it is not there.
func samples(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("PORTCULLIS_SAMPLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "samples")
	}
	dir = filepath.Join(dir, "history")
	if _, err := os.Stat(dir); err != nil {
		t.Logf("no real histories at %s: set PORTCULLIS_SAMPLES; nothing was compared", dir)
		return ""
	}
	return dir
}

func newReader(t testing.TB) *history.Reader {
	t.Helper()
	s, err := sanitize.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &history.Reader{Clean: s, Limits: history.DefaultLimits(), TempDir: t.TempDir()}
}

// ask runs independent SQL on the file itself.
func ask(t testing.TB, path, query string) int64 {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&immutable=1")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int64
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func empty(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left behind: %s", e.Name())
	}
}

func TestLoadRealHistories(t *testing.T) {
	dir := samples(t)
	if dir == "" {
		return
	}
	const (
		chromiumLast = "SELECT MAX(last_visit_time) - 11644473600000000 FROM urls"
		chromiumSum  = "SELECT SUM(visit_count) FROM urls"
	)
	tests := []struct {
		file, schema                          string
		pages, visits, sum, last, downloads   string
		downloadsErr, bookmarksErr, hasTarget bool
	}{
		{file: "hindsight-chrome01-History", schema: "chromium"}, {file: "hindsight-chrome10-History", schema: "chromium"},
		{file: "hindsight-chrome20-History", schema: "chromium"}, {file: "hindsight-chrome30-History", schema: "chromium"},
		{file: "hindsight-chrome60-History", schema: "chromium"}, {file: "bh-win-edge-History", schema: "chromium"},
		{
			file: "bh-linux-chrome-History", schema: "chromium", sum: "SELECT COUNT(*) FROM visits",
			last: "SELECT MAX(CAST(visit_time AS INTEGER)) - 11644473600000000 FROM visits", downloads: "SELECT 0", downloadsErr: true,
		},
		{
			file: "bh-linux-firefox-places.sqlite", schema: "firefox",
			pages: "SELECT COUNT(*) FROM moz_places WHERE visit_count > 0", visits: "SELECT COUNT(*) FROM moz_historyvisits",
			sum: "SELECT SUM(visit_count) FROM moz_places", last: "SELECT MAX(visit_date) FROM moz_historyvisits", downloads: "SELECT 0",
		},
		{
			file: "bh-mac-safari-History.db", schema: "safari",
			pages: "SELECT COUNT(*) FROM history_items", visits: "SELECT COUNT(*) FROM history_visits",
			sum:       "SELECT SUM(visit_count) FROM history_items",
			last:      "SELECT CAST(ROUND((MAX(visit_time) + 978307200) * 1000000) AS INTEGER) FROM history_visits",
			downloads: "SELECT 0", downloadsErr: true, bookmarksErr: true,
		},
	}
	or := func(s, d string) string {
		if s == "" {
			return d
		}
		return s
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			r := newReader(t)
			path := filepath.Join(dir, tt.file)
			h, err := r.Load(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			empty(t, r.TempDir)
			if h.Schema != tt.schema || h.Truncated {
				t.Errorf("schema %s, truncated %v", h.Schema, h.Truncated)
			}
			var sum int64
			for _, p := range h.Pages {
				sum += p.Visits
			}
			for _, c := range []struct {
				what  string
				got   int64
				query string
			}{
				{"pages", int64(len(h.Pages)), or(tt.pages, "SELECT COUNT(*) FROM urls")},
				{"visits", int64(len(h.Visits)), or(tt.visits, "SELECT COUNT(*) FROM visits")},
				{"sum of visits", sum, or(tt.sum, chromiumSum)},
				{"last", int64(h.Pages[0].Last), or(tt.last, chromiumLast)},
				{"downloads", int64(len(h.Downloads)), or(tt.downloads, "SELECT COUNT(*) FROM downloads")},
			} {
				if want := ask(t, path, c.query); c.got != want {
					t.Errorf("%s: got %d, SQL says %d", c.what, c.got, want)
				}
			}
			if (h.DownloadsErr != nil) != tt.downloadsErr {
				t.Errorf("downloads: %v", h.DownloadsErr)
			}
			for _, d := range h.Downloads {
				if d.File == "" || strings.ContainsAny(d.File, `/\`) || d.At.Std().Year() < 2013 || d.State != "complete" || d.Bytes < 1 {
					t.Errorf("download %+v", d)
				}
			}
			for i := 1; i < len(h.Pages); i++ {
				if h.Pages[i].Last > h.Pages[i-1].Last {
					t.Fatalf("page %d is later than the one before", i)
				}
			}
		})
	}
}

func TestFirefoxBookmarksOfARealProfile(t *testing.T) {
	dir := samples(t)
	if dir == "" {
		return
	}
	path := filepath.Join(dir, "bh-linux-firefox-places.sqlite")
	h, err := newReader(t).Load(t.Context(), path)
	if err != nil || h.BookmarksErr != nil {
		t.Fatal(err, h.BookmarksErr)
	}
	want := ask(t, path, `SELECT COUNT(*) FROM moz_bookmarks b JOIN moz_places p ON p.id = b.fk
		WHERE b.type = 1 AND p.url NOT LIKE 'place:%' AND b.parent NOT IN (SELECT id FROM moz_bookmarks WHERE parent = 4)`)
	if int64(len(h.Bookmarks)) != want || want == 0 {
		t.Errorf("%d bookmarks, SQL says %d", len(h.Bookmarks), want)
	}
	tags := 0
	for _, b := range h.Bookmarks {
		if !strings.HasPrefix(b.Folder, "Bookmarks ") {
			t.Errorf("folder %q", b.Folder)
		}
		tags += len(b.Tags)
	}
	if want := ask(t, path, `SELECT COUNT(*) FROM moz_bookmarks WHERE type = 1 AND parent IN (SELECT id FROM moz_bookmarks WHERE parent = 4)
		AND fk IN (SELECT fk FROM moz_bookmarks WHERE parent NOT IN (SELECT id FROM moz_bookmarks WHERE parent = 4))`); int64(tags) != want {
		t.Errorf("%d tags, SQL says %d", tags, want)
	}
}

func TestChromiumBookmarksFile(t *testing.T) {
	dir := samples(t)
	if dir == "" {
		return
	}
	marks, err := newReader(t).Bookmarks(t.Context(), filepath.Join(dir, "bh-win-brave-Bookmarks.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range marks {
		got = append(got, b.Folder+" | "+b.URL)
	}
	want := "Bookmarks | https://www.google.com/\nBookmarks/linux | https://pop.system76.com/\n" +
		"Bookmarks/linux | https://arcolinux.com/\nBookmarks | https://github.com/"
	if strings.Join(got, "\n") != want {
		t.Errorf("got %s", strings.Join(got, "\n"))
	}
	if marks[0].Added.Std().Year() != 2021 {
		t.Errorf("added %v", marks[0].Added.Std())
	}
}
