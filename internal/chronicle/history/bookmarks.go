package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	maxBookmarkBytes = 64 << 20
	maxFolderDepth   = 64
)

// node is one entry of Chromium's Bookmarks file.
type node struct {
	Type      string `json:"type"`
	Name      string `json:"name"`
	URL       string `json:"url"`
	DateAdded string `json:"date_added"`
	Children  []node `json:"children"`
}

// Bookmarks reads Chromium's Bookmarks file, in its own order with folders
// flattened. A missing file is an ErrNotFound.
func (r *Reader) Bookmarks(ctx context.Context, path string) ([]Bookmark, error) {
	if strings.HasSuffix(path, ".plist") {
		return nil, fmt.Errorf("safari keeps bookmarks in Bookmarks.plist, which is not read: %w", ErrUnsupported)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, classify(err)
	}
	f, err := openSource(real)
	if err != nil {
		return nil, classify(err)
	}
	defer f.Close()
	data, err := io.ReadAll(&cancelable{ctx: ctx, r: io.LimitReader(f, maxBookmarkBytes+1)})
	if err != nil {
		return nil, classify(err)
	}
	if len(data) > maxBookmarkBytes {
		return nil, fmt.Errorf("%w: more than %d bytes of bookmarks", ErrTooLarge, maxBookmarkBytes)
	}
	var file struct {
		Roots map[string]json.RawMessage `json:"roots"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		// The browser replaces the file at once, so this is not a half-written one.
		return nil, fmt.Errorf("%w: bookmarks: %v", ErrFormat, err) //nolint:errorlint // one class per error
	}
	if file.Roots == nil {
		return nil, fmt.Errorf("%w: bookmarks without roots", ErrFormat)
	}
	var out []Bookmark
	for _, name := range rootOrder(file.Roots) {
		var n node
		if json.Unmarshal(file.Roots[name], &n) == nil && n.Children != nil { // old files hold numbers among the roots
			out = r.flatten(out, n.Children, []string{n.Name}, 0)
		}
	}
	return out, nil
}

func rootOrder(roots map[string]json.RawMessage) []string {
	first := []string{"bookmark_bar", "other", "synced"}
	for _, name := range slices.Sorted(maps.Keys(roots)) {
		if !slices.Contains(first, name) {
			first = append(first, name)
		}
	}
	return slices.DeleteFunc(first, func(n string) bool { return roots[n] == nil })
}

func (r *Reader) flatten(out []Bookmark, nodes []node, folder []string, depth int) []Bookmark {
	for _, n := range nodes {
		if len(out) >= r.Limits.Downloads || depth > maxFolderDepth {
			return out
		}
		if n.URL != "" {
			added, err := strconv.ParseInt(n.DateAdded, 10, 64)
			if err != nil {
				added = 0
			}
			out = append(out, r.bookmark(n.URL, n.Name, folder, chromeTime(added), nil))
			continue
		}
		out = r.flatten(out, n.Children, append(slices.Clone(folder), n.Name), depth+1)
	}
	return out
}

func (r *Reader) bookmark(u, title string, folder []string, added Time, tags []string) Bookmark {
	clean := make([]string, 0, len(folder))
	for _, f := range folder {
		if f = r.Clean.Text(f); f != "" {
			clean = append(clean, f)
		}
	}
	for i, tag := range tags {
		tags[i] = r.Clean.Text(tag)
	}
	b := Bookmark{Folder: strings.Join(clean, "/"), Added: added, Tags: tags}
	b.URL, b.Title = r.Clean.Page(u, title)
	return b
}

// firefoxFolder is one folder of moz_bookmarks.
type firefoxFolder struct {
	title, guid string
	parent      int64
}

// Names that Firefox shows for its own folders, by guid.
func firefoxRoot(guid string) (name string, ok bool) {
	switch guid {
	case "root________":
		return "", true
	case "menu________":
		return "Bookmarks Menu", true
	case "toolbar_____":
		return "Bookmarks Toolbar", true
	case "unfiled_____":
		return "Other Bookmarks", true
	case "mobile______":
		return "Mobile Bookmarks", true
	}
	return "", false
}

// firefoxBookmarks reads moz_bookmarks. Entries below the tags folder are not
// bookmarks but the tags of others; place: queries are no pages.
func (t *tables) firefoxBookmarks() ([]Bookmark, error) {
	const table = "moz_bookmarks"
	if !t.has(table, "id", "type", "fk", "parent") {
		return nil, fmt.Errorf("%w: no moz_bookmarks with id, type, fk and parent", ErrFormat)
	}
	folders := map[int64]firefoxFolder{}
	err := t.each(fmt.Sprintf("SELECT id, COALESCE(parent, 0), %s, %s FROM moz_bookmarks WHERE type = 2 LIMIT ?",
		t.column(table, "title", "TEXT", "''"), t.column(table, "guid", "TEXT", "''")),
		func(rs *sql.Rows) error {
			var id int64
			var f firefoxFolder
			if err := rs.Scan(&id, &f.parent, &f.title, &f.guid); err != nil {
				return err
			}
			folders[id] = f
			return nil
		}, t.reader.Limits.Downloads)
	if err != nil {
		return nil, classify(fmt.Errorf("reading the folders of moz_bookmarks: %w", err))
	}
	type mark struct {
		place, parent, added int64
		url, title           string
	}
	var marks []mark
	tags := map[int64][]string{}
	err = t.each(fmt.Sprintf(`SELECT moz_bookmarks.fk, moz_bookmarks.parent, COALESCE(p.url, ''), %s, %s
		FROM moz_bookmarks JOIN moz_places p ON p.id = moz_bookmarks.fk
		WHERE moz_bookmarks.type = 1 ORDER BY moz_bookmarks.parent, %s, moz_bookmarks.id LIMIT ?`,
		t.column(table, "title", "TEXT", "''"), t.column(table, "dateadded", "INTEGER", "0"),
		t.column(table, "position", "INTEGER", "0")),
		func(rs *sql.Rows) error {
			var m mark
			if err := rs.Scan(&m.place, &m.parent, &m.url, &m.title, &m.added); err != nil {
				return err
			}
			switch {
			case isTag(folders, m.parent):
				tags[m.place] = append(tags[m.place], folders[m.parent].title)
			case m.url != "" && !strings.HasPrefix(m.url, "place:"):
				marks = append(marks, m)
			}
			return nil
		}, t.reader.Limits.Downloads*4)
	if err != nil {
		return nil, classify(fmt.Errorf("reading moz_bookmarks: %w", err))
	}
	out := make([]Bookmark, 0, min(len(marks), t.reader.Limits.Downloads))
	for _, m := range marks[:min(len(marks), t.reader.Limits.Downloads)] {
		out = append(out, t.reader.bookmark(m.url, m.title, folderPath(folders, m.parent), firefoxTime(m.added),
			slices.Clone(tags[m.place])))
	}
	return out, nil
}

// isTag reports whether a folder stands for a tag: it lies in the tags root.
func isTag(folders map[int64]firefoxFolder, id int64) bool {
	root, ok := folders[folders[id].parent]
	return ok && (root.guid == "tags________" || root.guid == "" && root.title == "tags" && folders[root.parent].parent == 0)
}

func folderPath(folders map[int64]firefoxFolder, id int64) []string {
	var path []string
	for range maxFolderDepth {
		f, ok := folders[id]
		if !ok {
			break
		}
		if name, isRoot := firefoxRoot(f.guid); isRoot {
			f.title = name
		}
		path = append(path, f.title)
		id = f.parent
	}
	slices.Reverse(path)
	return path
}

// IsUnavailable reports an error that says the browser has no such thing, as
// against one that says it could not be read.
func IsUnavailable(err error) bool {
	return errors.Is(err, ErrUnsupported) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrFormat)
}
