// Package history reads the history, downloads and bookmarks that a browser
// keeps, from a private copy, and keeps nothing but sanitized rows.
//
//	Load ── Take: copy db, -wal and journal into a 0700 folder ── open read-only
//	     ── read tables by the columns they have ── sanitize each row
//	     ── remove the copy (also on error and panic) ──▶ History in memory
//
// The copy exists for as long as reading takes, about a second for 100,000
// pages; what stays in memory has gone through the [Cleaner]. The browser's
// own files are opened for reading only and are never written or locked.
package history

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Errors that callers tell apart with errors.Is. Messages behind them may name
// local paths and are for the log.
var (
	ErrNotFound   = errors.New("history file not found")
	ErrPermission = errors.New("history file not readable: permission denied")
	ErrBusy       = errors.New("history file is locked or changes too fast")
	ErrTooLarge   = errors.New("history file is too large")
	ErrFormat     = errors.New("history file has an unknown format")
	// ErrUnsupported says that the browser keeps this in a form that is not read.
	ErrUnsupported = errors.New("not available for this browser")
)

// Cleaner takes secrets out of what pages said. It must be safe for concurrent
// use. See the sanitize package.
type Cleaner interface {
	// Page cleans a URL and the title that belongs to it.
	Page(url, title string) (cleanURL, cleanTitle string)
	// Text cleans any other text on one line.
	Text(text string) string
}

// Page is one URL of the history, sanitized.
type Page struct {
	URL    string
	Title  string
	Host   string // lower case, without port; "" when the URL has none
	Visits int64  // as the browser counts them
	Last   Time   // last visit
}

// Visit is one visit to a page.
type Visit struct {
	Page int32 // index in History.Pages
	At   Time
}

// Download is one download, sanitized. Only the file's name is kept, not where
// it lies.
type Download struct {
	File  string
	URL   string
	At    Time   // start
	State string // "complete", "in progress", "cancelled", "interrupted", ""
	Bytes int64  // size in bytes, -1 when unknown
}

// Bookmark is one bookmark, sanitized.
type Bookmark struct {
	Title  string
	URL    string
	Folder string // "Bookmarks bar/linux"
	Added  Time
	Tags   []string
}

// History is what one database holds. It is immutable and safe for concurrent
// use.
type History struct {
	Schema    string // "chromium", "firefox" or "safari"
	Pages     []Page // latest visit first
	Visits    []Visit
	Truncated bool // the oldest rows were left out, see Limits

	Downloads    []Download // latest first
	DownloadsErr error
	Bookmarks    []Bookmark // Firefox only
	BookmarksErr error
}

// Time is a moment in microseconds since 1970 UTC; 0 means unknown.
type Time int64

// Std returns t as a time.Time; the zero Time gives the zero time.
func (t Time) Std() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(t))
}

// Limits bound what is copied and kept.
type Limits struct {
	Bytes     int64 // size of the database and its WAL together, in bytes
	Pages     int   // newest pages that are kept
	Visits    int   // newest visits that are kept
	Downloads int   // newest downloads and bookmarks that are kept
}

// DefaultLimits holds the largest real histories with room to spare.
func DefaultLimits() Limits {
	return Limits{Bytes: 2 << 30, Pages: 500_000, Visits: 2_000_000, Downloads: 50_000}
}

// Reader reads histories. It is safe for concurrent use.
type Reader struct {
	Clean   Cleaner
	Limits  Limits
	TempDir string // "" = the system's
}

// Load copies the database at path, reads it and removes the copy. What the
// database does not hold is an ErrFormat; downloads and bookmarks have errors
// of their own in the History.
func (r *Reader) Load(ctx context.Context, path string) (h *History, err error) {
	snap, err := Take(ctx, path, r.TempDir, r.Limits.Bytes)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, snap.Close()) }()
	db, err := snap.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	t, err := openTables(ctx, db)
	if err != nil {
		return nil, err
	}
	t.reader = r
	return t.read()
}

// tables reads one open copy.
type tables struct {
	ctx     context.Context //nolint:containedctx // lives for one Load
	db      *sql.DB
	reader  *Reader
	columns map[string]map[string]bool // by table, lower case
}

func (t *tables) read() (*History, error) {
	var h History
	var err error
	switch {
	case t.has("urls", "id", "url"):
		h.Schema = "chromium"
		err = t.chromium(&h)
		h.Downloads, h.DownloadsErr = t.chromiumDownloads()
		h.BookmarksErr = ErrUnsupported
	case t.has("moz_places", "id", "url"):
		h.Schema = "firefox"
		err = t.firefox(&h)
		h.Downloads, h.DownloadsErr = t.firefoxDownloads()
		h.Bookmarks, h.BookmarksErr = t.firefoxBookmarks()
	case t.has("history_items", "id", "url"):
		h.Schema = "safari"
		err = t.safari(&h)
		h.DownloadsErr = fmt.Errorf("safari keeps downloads in Downloads.plist, which is not read: %w", ErrUnsupported)
		h.BookmarksErr = fmt.Errorf("safari keeps bookmarks in Bookmarks.plist, which is not read: %w", ErrUnsupported)
	default:
		return nil, fmt.Errorf("%w: none of the tables urls, moz_places and history_items with id and url", ErrFormat)
	}
	if err != nil {
		return nil, classify(err)
	}
	for _, e := range []error{h.DownloadsErr, h.BookmarksErr} {
		if e != nil && t.ctx.Err() != nil {
			return nil, e
		}
	}
	return &h, nil
}

// row is a page before it is sanitized and joined with its visits.
type row struct {
	id         int64
	url, title string
	visits     int64
	last       Time
}

// assemble joins pages and visits, drops pages that were never visited (a
// bookmark in Firefox's moz_places) and sanitizes the rest. Counted says
// whether the table has its own visit counter.
func (t *tables) assemble(h *History, rows []row, visits []rawVisit, counted bool) {
	type seen struct {
		n    int64
		last Time
	}
	byPage := make(map[int64]seen, len(rows))
	for _, v := range visits {
		s := byPage[v.page]
		byPage[v.page] = seen{s.n + 1, max(s.last, v.at)}
	}
	kept := rows[:0]
	for _, r := range rows {
		s := byPage[r.id]
		if !counted {
			r.visits = s.n
		}
		if r.last == 0 {
			r.last = s.last
		}
		if r.url != "" && (r.visits > 0 || s.n > 0 || r.last != 0) {
			kept = append(kept, r)
		}
	}
	slices.SortStableFunc(kept, func(a, b row) int { return cmp.Compare(b.last, a.last) })
	if len(kept) > t.reader.Limits.Pages {
		kept, h.Truncated = kept[:t.reader.Limits.Pages], true
	}
	h.Pages = make([]Page, len(kept))
	index := make(map[int64]int32, len(kept))
	for i, r := range kept {
		u, title := t.reader.Clean.Page(r.url, r.title)
		h.Pages[i] = Page{URL: u, Title: title, Host: Host(u), Visits: r.visits, Last: r.last}
		index[r.id] = int32(i) //nolint:gosec // bounded by Limits.Pages
	}
	h.Visits = make([]Visit, 0, len(visits))
	for _, v := range visits {
		if i, ok := index[v.page]; ok && v.at != 0 {
			h.Visits = append(h.Visits, Visit{Page: i, At: v.at})
		}
	}
	slices.SortFunc(h.Visits, func(a, b Visit) int {
		return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(a.Page, b.Page))
	})
}

// Host returns the host of a sanitized URL in lower case, without its port:
// "" for URLs that have none.
func Host(u string) string {
	_, rest, ok := strings.Cut(u, "//")
	if !ok || strings.ContainsAny(u[:len(u)-len(rest)], "?#") {
		if strings.ContainsAny(u, ":") {
			return ""
		}
		rest = u // "www.example.com/x", as some exports have it
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	if !ok && !strings.Contains(rest, ".") {
		return ""
	}
	if strings.HasPrefix(rest, "[") {
		if end := strings.IndexByte(rest, ']'); end > 0 {
			return strings.ToLower(rest[:end+1])
		}
	}
	rest, _, _ = strings.Cut(rest, ":")
	return strings.ToLower(rest)
}
