package history

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// chromiumDownloads reads downloads with target_path and its URL chain, or the
// old table with full_path and url.
func (t *tables) chromiumDownloads() ([]Download, error) {
	const table = "downloads"
	var path, link string
	switch {
	case t.has(table, "target_path", "id") && t.has("downloads_url_chains", "id", "chain_index", "url"):
		path = t.column(table, "target_path", "TEXT", "''")
		// The last URL of the chain is the one that gave the file.
		link = `COALESCE((SELECT c.url FROM downloads_url_chains c WHERE c.id = downloads.id
			ORDER BY c.chain_index DESC LIMIT 1), '')`
	case t.has(table, "full_path", "url"):
		path, link = t.column(table, "full_path", "TEXT", "''"), t.column(table, "url", "TEXT", "''")
	default:
		return nil, fmt.Errorf("%w: no downloads table with target_path and downloads_url_chains, or full_path and url", ErrFormat)
	}
	var out []Download
	err := t.each(fmt.Sprintf("SELECT %s, %s, %s, %s, %s, %s FROM downloads ORDER BY 3 DESC, rowid DESC LIMIT ?", path, link,
		t.column(table, "start_time", "INTEGER", "0"), t.column(table, "state", "INTEGER", "-1"),
		t.column(table, "total_bytes", "INTEGER", "-1"), t.column(table, "received_bytes", "INTEGER", "-1")),
		func(rs *sql.Rows) error {
			var file, u string
			var at, state, total, received int64
			if err := rs.Scan(&file, &u, &at, &state, &total, &received); err != nil {
				return err
			}
			if total <= 0 {
				total = received
			}
			out = append(out, t.download(file, u, downloadTime(at), chromiumState(state), total))
			return nil
		}, t.reader.Limits.Downloads)
	if err != nil {
		return nil, classify(fmt.Errorf("reading downloads: %w", err))
	}
	return out, nil
}

func chromiumState(s int64) string {
	switch s {
	case 0:
		return "in progress"
	case 1:
		return "complete"
	case 2:
		return "cancelled"
	case 3, 4:
		return "interrupted"
	}
	return ""
}

// download sanitizes one row. Paths of both kinds of systems are cut to the
// name, whatever system this is.
func (t *tables) download(path, u string, at Time, state string, size int64) Download {
	name := path[strings.LastIndexAny(path, `/\`)+1:]
	cleanURL, cleanName := t.reader.Clean.Page(u, name)
	return Download{File: cleanName, URL: cleanURL, At: at, State: state, Bytes: max(size, -1)}
}

// firefoxDownloads reads the annotations that Firefox keeps with the page a
// download came from, and the table of versions before 26.
func (t *tables) firefoxDownloads() ([]Download, error) {
	if t.has("moz_downloads", "source", "target", "starttime") {
		return t.oldFirefoxDownloads()
	}
	if !t.has("moz_annos", "place_id", "anno_attribute_id", "content") || !t.has("moz_anno_attributes", "id", "name") {
		return nil, fmt.Errorf("%w: no moz_annos and moz_anno_attributes", ErrFormat)
	}
	type entry struct {
		url, file, meta string
		at              int64
	}
	byPlace := map[int64]*entry{}
	var order []*entry
	err := t.each(fmt.Sprintf(`SELECT moz_annos.place_id, COALESCE(p.url, ''), a.name, COALESCE(CAST(moz_annos.content AS TEXT), ''), %s
		FROM moz_annos JOIN moz_anno_attributes a ON a.id = moz_annos.anno_attribute_id
		JOIN moz_places p ON p.id = moz_annos.place_id
		WHERE a.name IN ('downloads/destinationFileURI', 'downloads/destinationFileName', 'downloads/metaData')
		ORDER BY 5 DESC, moz_annos.place_id LIMIT ?`, t.column("moz_annos", "dateadded", "INTEGER", "0")),
		func(rs *sql.Rows) error {
			var place, at int64
			var u, name, content string
			if err := rs.Scan(&place, &u, &name, &content, &at); err != nil {
				return err
			}
			e := byPlace[place]
			if e == nil {
				e = &entry{url: u, at: at}
				byPlace[place] = e
				order = append(order, e)
			}
			switch name {
			case "downloads/destinationFileURI":
				e.file = content
			case "downloads/destinationFileName":
				if e.file == "" {
					e.file = content
				}
			case "downloads/metaData":
				e.meta = content
			}
			return nil
		}, t.reader.Limits.Downloads*3)
	if err != nil {
		return nil, classify(fmt.Errorf("reading moz_annos: %w", err))
	}
	out := make([]Download, 0, len(order))
	for _, e := range order {
		state, size := firefoxMeta(e.meta)
		out = append(out, t.download(fileOfURI(e.file), e.url, firefoxTime(e.at), state, size))
	}
	return out, nil
}

func (t *tables) oldFirefoxDownloads() ([]Download, error) {
	const table = "moz_downloads"
	var out []Download
	err := t.each(fmt.Sprintf("SELECT %s, %s, %s, %s, %s FROM moz_downloads ORDER BY 3 DESC LIMIT ?",
		t.column(table, "target", "TEXT", "''"), t.column(table, "source", "TEXT", "''"),
		t.column(table, "starttime", "INTEGER", "0"), t.column(table, "state", "INTEGER", "-1"),
		t.column(table, "maxbytes", "INTEGER", "-1")),
		func(rs *sql.Rows) error {
			var target, source string
			var at, state, size int64
			if err := rs.Scan(&target, &source, &at, &state, &size); err != nil {
				return err
			}
			out = append(out, t.download(fileOfURI(target), source, firefoxTime(at), firefoxState(state), size))
			return nil
		}, t.reader.Limits.Downloads)
	if err != nil {
		return nil, classify(fmt.Errorf("reading moz_downloads: %w", err))
	}
	return out, nil
}

// fileOfURI decodes file:///home/b/a%20b.pdf.
func fileOfURI(s string) string {
	if u, err := url.Parse(s); err == nil && u.Scheme == "file" {
		return u.Path
	}
	return s
}

// firefoxMeta reads {"state":1,"endTime":…,"fileSize":…}.
func firefoxMeta(s string) (state string, size int64) {
	var meta struct {
		State    *int64 `json:"state"`
		FileSize *int64 `json:"fileSize"`
	}
	if json.Unmarshal([]byte(s), &meta) != nil {
		return "", -1
	}
	size = -1
	if meta.FileSize != nil {
		size = *meta.FileSize
	}
	if meta.State != nil {
		state = firefoxState(*meta.State)
	}
	return state, size
}

func firefoxState(s int64) string {
	switch s {
	case 0, 4, 5:
		return "in progress"
	case 1:
		return "complete"
	case 3:
		return "cancelled"
	case 2, 6, 7, 8, 9:
		return "interrupted"
	}
	return ""
}
