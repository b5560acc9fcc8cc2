//go:build unix

package history_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis/internal/chronicle/history"
)

const firefoxTables = `
CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url LONGVARCHAR, title LONGVARCHAR, rev_host LONGVARCHAR, visit_count INTEGER DEFAULT 0,
	hidden INTEGER DEFAULT 0 NOT NULL, typed INTEGER DEFAULT 0 NOT NULL, frecency INTEGER DEFAULT -1 NOT NULL, last_visit_date INTEGER);
CREATE TABLE moz_historyvisits (id INTEGER PRIMARY KEY, from_visit INTEGER, place_id INTEGER, visit_date INTEGER, visit_type INTEGER);
CREATE TABLE moz_bookmarks (id INTEGER PRIMARY KEY, type INTEGER, fk INTEGER DEFAULT NULL, parent INTEGER, position INTEGER, title LONGVARCHAR,
	dateAdded INTEGER, guid TEXT);
CREATE TABLE moz_anno_attributes (id INTEGER PRIMARY KEY, name VARCHAR(32) UNIQUE NOT NULL);
CREATE TABLE moz_annos (id INTEGER PRIMARY KEY, place_id INTEGER NOT NULL, anno_attribute_id INTEGER, content LONGVARCHAR, dateAdded INTEGER);`

// create makes a database and keeps the writer's connection open.
func create(t testing.TB, name string, statements ...string) (path string, db *sql.DB) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	run(t, db, statements...)
	return path, db
}

func run(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func titles(h *history.History) string {
	var out []string
	for _, p := range h.Pages {
		out = append(out, p.Title)
	}
	return strings.Join(out, ",")
}

func addPlace(id int, title string) string {
	at := 1_700_000_000_000_000 + id
	return fmt.Sprintf(`INSERT INTO moz_places (id, url, title, visit_count, last_visit_date) VALUES (%d, 'https://h%d/', '%s', 1, %d);
		INSERT INTO moz_historyvisits (place_id, visit_date, visit_type) VALUES (%d, %d, 1);`, id, id, title, at, id, at)
}

func TestUncheckpointedLogIsRead(t *testing.T) {
	path, db := create(t, "places.sqlite", "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0", firefoxTables,
		addPlace(1, "first"), "PRAGMA wal_checkpoint(TRUNCATE)", addPlace(2, "only in the log"))
	if fi, err := os.Stat(path + "-wal"); err != nil || fi.Size() == 0 {
		t.Fatalf("no log: %v", err)
	}
	if n := ask(t, path, "SELECT COUNT(*) FROM moz_places"); n != 1 {
		t.Fatalf("the file without its log holds %d places", n)
	}
	r := newReader(t)
	load := func() *history.History {
		h, err := r.Load(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if got := titles(load()); got != "only in the log,first" {
		t.Errorf("got %q", got)
	}
	before, err := history.Signature(path)
	if err != nil {
		t.Fatal(err)
	}
	run(t, db, addPlace(3, "later"))
	if after, err := history.Signature(path); err != nil || after == before {
		t.Errorf("signature did not change: %v", err)
	}
	if got := titles(load()); got != "later,only in the log,first" {
		t.Errorf("got %q", got)
	}
	// An open transaction is not there, and the writer is not disturbed.
	run(t, db, "BEGIN IMMEDIATE", addPlace(4, "uncommitted"))
	if got := titles(load()); got != "later,only in the log,first" {
		t.Errorf("got %q", got)
	}
	run(t, db, "COMMIT")
	if got := titles(load()); !strings.HasPrefix(got, "uncommitted,") {
		t.Errorf("got %q", got)
	}
	empty(t, r.TempDir)
}

func TestLockedDatabaseIsRead(t *testing.T) {
	path, db := create(t, "places.sqlite", firefoxTables, addPlace(1, "one"), "BEGIN EXCLUSIVE")
	r := newReader(t)
	h, err := r.Load(t.Context(), path)
	if err != nil || titles(h) != "one" {
		t.Fatalf("%v %v", h, err)
	}
	run(t, db, "ROLLBACK")
}

func TestHotJournalIsRolledBack(t *testing.T) {
	path, db := create(t, "places.sqlite", "PRAGMA cache_size=1", "PRAGMA journal_mode=DELETE", firefoxTables, addPlace(1, "one"))
	run(t, db, "BEGIN IMMEDIATE", "UPDATE moz_places SET title = 'half'")
	// More rows than the cache holds spill into the database before the commit.
	run(t, db, `WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i+1 FROM n WHERE i < 3000)
		INSERT INTO moz_places (id, url, title, visit_count, last_visit_date) SELECT i, 'https://spill/'||i, hex(zeroblob(100)), 1, i FROM n`)
	if fi, err := os.Stat(path + "-journal"); err != nil || fi.Size() == 0 {
		t.Fatalf("no journal: %v", err)
	}
	// The browser died here: copy what is on the disk.
	dead := filepath.Join(t.TempDir(), "places.sqlite")
	for _, suffix := range []string{"", "-journal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dead+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h, err := newReader(t).Load(t.Context(), dead)
	if err != nil || titles(h) != "one" {
		t.Fatalf("%v %v", h, err)
	}
	run(t, db, "ROLLBACK")
}

func TestErrorsHaveTheirClass(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(fifo, link); err != nil {
		t.Fatal(err)
	}
	other, _ := create(t, "other", "CREATE TABLE x (id INTEGER)")
	reduced, _ := create(t, "reduced", "CREATE TABLE urls (id INTEGER, url TEXT)", "INSERT INTO urls VALUES (1, 'https://h/')")
	noVisits, _ := create(t, "safari", "CREATE TABLE history_items (id INTEGER, url TEXT)")
	view, _ := create(t, "view", "CREATE TABLE x (id INTEGER, url TEXT, last_visit_time INTEGER)", "CREATE VIEW urls AS SELECT * FROM x")
	for _, tt := range []struct {
		path string
		want error
	}{
		{filepath.Join(dir, "missing"), history.ErrNotFound}, {filepath.Join(dir, "no/folder"), history.ErrNotFound},
		{text, history.ErrFormat}, {fifo, history.ErrFormat}, {link, history.ErrFormat}, {dir, history.ErrFormat},
		{other, history.ErrFormat}, {reduced, history.ErrFormat}, {noVisits, history.ErrFormat}, {view, history.ErrFormat},
	} {
		r := newReader(t)
		if _, err := r.Load(t.Context(), tt.path); !errors.Is(err, tt.want) {
			t.Errorf("Load(%s): %v, want %v", filepath.Base(tt.path), err, tt.want)
		}
		empty(t, r.TempDir)
	}
	r := newReader(t)
	r.Limits.Bytes = 4096
	big, _ := create(t, "big", firefoxTables)
	if _, err := r.Load(t.Context(), big); !errors.Is(err, history.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newReader(t).Load(ctx, big); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	empty(t, r.TempDir)
}

func TestLinkedProfileIsReadWithItsLog(t *testing.T) {
	path, _ := create(t, "places.sqlite", "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0", firefoxTables, addPlace(1, "one"))
	link := filepath.Join(t.TempDir(), "moved.sqlite")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	h, err := newReader(t).Load(t.Context(), link)
	if err != nil || titles(h) != "one" {
		t.Fatalf("%v %v", h, err)
	}
}

func TestLogThatIsALinkIsRefused(t *testing.T) {
	path, _ := create(t, "places.sqlite", firefoxTables, addPlace(1, "one"))
	if err := os.Symlink("/etc/passwd", path+"-wal"); err != nil {
		t.Fatal(err)
	}
	r := newReader(t)
	if _, err := r.Load(t.Context(), path); err == nil {
		t.Error("a log that is a symbolic link was followed")
	}
	empty(t, r.TempDir)
}

func TestCopyIsPrivate(t *testing.T) {
	path, _ := create(t, "places.sqlite", "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0", firefoxTables, addPlace(1, "one"))
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	snap, err := history.Take(t.Context(), path, tmp, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	db, err := snap.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM moz_places").Scan(&n); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if _, err := db.ExecContext(t.Context(), "DELETE FROM moz_places"); err == nil {
		t.Error("the copy can be written")
	}
	seen := 0
	err = filepath.WalkDir(tmp, func(p string, d os.DirEntry, err error) error {
		if err != nil || p == tmp {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if fi.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v", d.Name(), fi.Mode().Perm(), want)
		}
		seen++
		return nil
	})
	if err != nil || seen < 4 {
		t.Errorf("%d files, %v", seen, err)
	}
	if err := errors.Join(db.Close(), snap.Close(), snap.Close()); err != nil {
		t.Error(err)
	}
	empty(t, tmp)
}

type panicker struct{}

func (panicker) Page(string, string) (string, string) { panic("cleaner") }
func (panicker) Text(s string) string                 { return s }

func TestCopyIsRemovedOnPanic(t *testing.T) {
	path, _ := create(t, "places.sqlite", firefoxTables, addPlace(1, "one"))
	r := newReader(t)
	r.Clean = panicker{}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_, _ = r.Load(t.Context(), path)
	}()
	empty(t, r.TempDir)
}

func TestSweepRemovesOnlyWhatTheDeadLeft(t *testing.T) {
	path, _ := create(t, "places.sqlite", firefoxTables)
	tmp, outside := t.TempDir(), t.TempDir()
	alive, err := history.Take(t.Context(), path, tmp, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	mkdir := func(name string, locked bool, age time.Duration) {
		dir := filepath.Join(tmp, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if locked {
			if err := os.WriteFile(filepath.Join(dir, "owner.lock"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(dir, at, at); err != nil {
			t.Fatal(err)
		}
	}
	mkdir("portcullis-chronicle-dead", true, 0)
	mkdir("portcullis-chronicle-old", false, time.Hour)
	mkdir("portcullis-chronicle-new", false, 0)
	mkdir("something-else", true, time.Hour)
	victim := filepath.Join(outside, "victim")
	if err := os.WriteFile(victim, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(tmp, "portcullis-chronicle-link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(tmp, "portcullis-chronicle-dead", "link")); err != nil {
		t.Fatal(err)
	}
	n, err := history.Sweep(tmp)
	if err != nil || n != 2 {
		t.Errorf("removed %d, %v", n, err)
	}
	for _, name := range []string{"portcullis-chronicle-new", "something-else", "portcullis-chronicle-link"} {
		if _, err := os.Lstat(filepath.Join(tmp, name)); err != nil {
			t.Errorf("%s is gone", name)
		}
	}
	if _, err := os.Stat(victim); err != nil {
		t.Error("a file behind a link was removed")
	}
	if db, err := alive.Open(t.Context()); err != nil {
		t.Errorf("the copy of a living process is gone: %v", err)
	} else {
		db.Close()
	}
}

func TestConsistentWhileTheBrowserWrites(t *testing.T) {
	path, db := create(t, "places.sqlite", "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=8", firefoxTables, addPlace(1, "x"))
	stop := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if _, err := db.Exec(fmt.Sprintf(`UPDATE moz_places SET title = '%d' WHERE id = 1; `, i)); err != nil {
				done <- err
				return
			}
			runtime.Gosched()
		}
	}()
	r := newReader(t)
	loaded := 0
	for range 40 {
		h, err := r.Load(t.Context(), path)
		if errors.Is(err, history.ErrBusy) {
			continue
		}
		if err != nil || len(h.Pages) != 1 {
			t.Fatalf("%v %v", h, err)
		}
		loaded++
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of 40 copies were consistent, the rest reported as busy", loaded)
	empty(t, r.TempDir)
}

func TestFirefoxDownloads(t *testing.T) {
	path, _ := create(t, "places.sqlite", firefoxTables, addPlace(1, "file"),
		`UPDATE moz_places SET url = 'https://h/f.pdf?token=abcdef' WHERE id = 1`,
		`INSERT INTO moz_anno_attributes VALUES (1, 'downloads/destinationFileURI'), (2, 'downloads/metaData'), (3, 'other')`,
		`INSERT INTO moz_annos VALUES (1, 1, 1, 'file:///home/bob/Down%20loads/a%20b.pdf', 1700000000000000),
			(2, 1, 2, '{"state":1,"endTime":1700000001000,"fileSize":42}', 1700000000000000), (3, 1, 3, 'x', 1)`)
	h, err := newReader(t).Load(t.Context(), path)
	if err != nil || h.DownloadsErr != nil || len(h.Downloads) != 1 {
		t.Fatalf("%+v %v", h, err)
	}
	want := history.Download{File: "a b.pdf", URL: "https://h/f.pdf", At: 1700000000000000, State: "complete", Bytes: 42}
	if h.Downloads[0] != want {
		t.Errorf("got %+v, want %+v", h.Downloads[0], want)
	}
}

func TestOldFirefoxDownloads(t *testing.T) {
	path, _ := create(t, "places.sqlite", firefoxTables,
		`CREATE TABLE moz_downloads (id INTEGER PRIMARY KEY, name TEXT, source TEXT, target TEXT, startTime INTEGER, endTime INTEGER, state INTEGER, maxBytes INTEGER)`,
		`INSERT INTO moz_downloads VALUES (1, 'a', 'https://u:p@h/a', 'file:///C:/x/a.zip', 1300000000000000, 0, 1, 7)`)
	h, err := newReader(t).Load(t.Context(), path)
	if err != nil || len(h.Downloads) != 1 || h.Downloads[0].File != "a.zip" || h.Downloads[0].URL != "https://h/a" {
		t.Errorf("%+v %v", h, err)
	}
}

func TestLimitsKeepTheNewest(t *testing.T) {
	path, _ := create(t, "places.sqlite", firefoxTables, addPlace(1, "a"), addPlace(2, "b"), addPlace(3, "c"))
	r := newReader(t)
	r.Limits.Pages, r.Limits.Visits = 2, 2
	h, err := r.Load(t.Context(), path)
	if err != nil || titles(h) != "c,b" || len(h.Visits) != 2 || !h.Truncated {
		t.Errorf("%+v %v", h, err)
	}
}

func TestHost(t *testing.T) {
	for in, want := range map[string]string{
		"https://Example.com:8443/x": "example.com", "http://[::1]:80/": "[::1]", "about:blank": "", "data:": "",
		"www.github.com": "www.github.com", "file:///home": "", "": "", "h/x?u=https://other/": "", "https://h": "h",
		"mailto:a@b.c": "", "notes": "",
	} {
		if got := history.Host(in); got != want {
			t.Errorf("Host(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestBookmarksErrors(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	r := newReader(t)
	for _, tt := range []struct {
		path string
		want error
	}{
		{put("a", "{"), history.ErrFormat}, {put("b", `{"roots": 1}`), history.ErrFormat}, {put("c", `{}`), history.ErrFormat},
		{filepath.Join(dir, "missing"), history.ErrNotFound}, {put("Bookmarks.plist", "bplist00"), history.ErrUnsupported},
	} {
		if _, err := r.Bookmarks(t.Context(), tt.path); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", filepath.Base(tt.path), err, tt.want)
		}
	}
	marks, err := r.Bookmarks(t.Context(), put("d", `{"roots":{"bookmark_bar":{"name":"B","children":[
		{"type":"url","name":"n token=abcdef","url":"https://u:p@h/?token=abcdef","date_added":"x"},
		{"type":"folder","name":"F","children":[{"type":"folder","name":"G","children":[{"type":"url","name":"deep","url":"https://d/"}]}]}]},
		"sync_transaction_version":"1"}}`))
	if err != nil || len(marks) != 2 || marks[0].URL != "https://h/" || strings.Contains(marks[0].Title, "abcdef") || marks[1].Folder != "B/F/G" {
		t.Errorf("%+v %v", marks, err)
	}
}

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, db := create(t, "places.sqlite", firefoxTables, addPlace(1, "one"))
		c := history.NewCache(newReader(t), time.Minute, 1)
		defer c.Close()
		get := func(p string) *history.History {
			h, err := c.Get(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		first := get(path)
		if get(path) != first {
			t.Error("read again although nothing changed")
		}
		run(t, db, addPlace(2, "two"))
		second := get(path)
		if titles(second) != "two,one" {
			t.Errorf("stale rows: %s", titles(second))
		}
		time.Sleep(61 * time.Second) // the synctest clock, not real time
		if get(path) == second {
			t.Error("rows outlived the TTL")
		}
		third := get(path)
		other, _ := create(t, "other.sqlite", firefoxTables, addPlace(9, "nine"))
		get(other)
		if get(path) == third {
			t.Error("more databases in memory than allowed")
		}
		c.Close()
		if fresh := get(path); fresh == get(path) {
			t.Error("cached after Close")
		}
		if _, err := c.Get(t.Context(), path+"x"); !errors.Is(err, history.ErrNotFound) {
			t.Errorf("missing: %v", err)
		}
	})
}
