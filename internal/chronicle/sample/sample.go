// Package sample writes a made-up browser profile for demonstrations: a
// Chromium History with a few hundred visits over 30 days, downloads, and a
// Bookmarks file. Some URLs carry tokens, to show what the sanitizer hides. The
// same time gives the same rows.
package sample

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	days       = 30
	chromeZero = 11_644_473_600_000_000 // µs from 1601 to 1970
)

// tables is the schema of Chrome 59 and later, as far as it is read.
const tables = `
CREATE TABLE meta(key LONGVARCHAR NOT NULL UNIQUE PRIMARY KEY, value LONGVARCHAR);
INSERT INTO meta VALUES ('version', '43'), ('last_compatible_version', '16');
CREATE TABLE urls(id INTEGER PRIMARY KEY AUTOINCREMENT,url LONGVARCHAR,title LONGVARCHAR,visit_count INTEGER DEFAULT 0 NOT NULL,
	typed_count INTEGER DEFAULT 0 NOT NULL,last_visit_time INTEGER NOT NULL,hidden INTEGER DEFAULT 0 NOT NULL);
CREATE TABLE visits(id INTEGER PRIMARY KEY,url INTEGER NOT NULL,visit_time INTEGER NOT NULL,from_visit INTEGER,
	transition INTEGER DEFAULT 0 NOT NULL,segment_id INTEGER,visit_duration INTEGER DEFAULT 0 NOT NULL);
CREATE TABLE downloads (id INTEGER PRIMARY KEY,guid VARCHAR NOT NULL,current_path LONGVARCHAR NOT NULL,
	target_path LONGVARCHAR NOT NULL,start_time INTEGER NOT NULL,received_bytes INTEGER NOT NULL,total_bytes INTEGER NOT NULL,
	state INTEGER NOT NULL,danger_type INTEGER NOT NULL,interrupt_reason INTEGER NOT NULL,end_time INTEGER NOT NULL,
	opened INTEGER NOT NULL,referrer VARCHAR NOT NULL,mime_type VARCHAR(255) NOT NULL);
CREATE TABLE downloads_url_chains (id INTEGER NOT NULL,chain_index INTEGER NOT NULL,url LONGVARCHAR NOT NULL, PRIMARY KEY (id, chain_index));
CREATE INDEX visits_url_index ON visits (url);
CREATE INDEX visits_time_index ON visits (visit_time);
CREATE INDEX urls_url_index ON urls (url);`

// Write makes a profile in dir, which it creates (0700) and which must not hold
// a History yet, and returns the path of the History file. Visits lie in the 30
// days before now.
func Write(dir string, now time.Time) (path string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the sample profile: %w", err)
	}
	path = filepath.Join(dir, "History")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", fmt.Errorf("making the sample history: %w", err)
	}
	if err := f.Close(); err != nil {
		return "", fmt.Errorf("making the sample history: %w", err)
	}
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: slashed, RawQuery: "mode=rw"}).String())
	if err != nil {
		return "", fmt.Errorf("opening the sample history: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := fill(db, now); err != nil {
		return "", fmt.Errorf("writing the sample history: %w", err)
	}
	if err := writeBookmarks(filepath.Join(dir, "Bookmarks"), now); err != nil {
		return "", fmt.Errorf("writing the sample bookmarks: %w", err)
	}
	return path, nil
}

func fill(db *sql.DB, now time.Time) (err error) {
	if _, err := db.Exec(tables); err != nil {
		return err
	}
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	rnd := rand.New(rand.NewPCG(2024, 11)) //nolint:gosec // made-up data, the same each time
	visit := 0
	for i, p := range pages() {
		last := int64(0)
		n := 1 + rnd.IntN(p.weight)
		for range n {
			at := chromeTime(now.Add(-time.Duration(rnd.Int64N(int64(days * 24 * time.Hour)))))
			visit++
			if _, err := tx.Exec("INSERT INTO visits (id, url, visit_time, visit_duration) VALUES (?, ?, ?, ?)",
				visit, i+1, at, rnd.Int64N(600_000_000)); err != nil {
				return err
			}
			last = max(last, at)
		}
		if _, err := tx.Exec("INSERT INTO urls (id, url, title, visit_count, typed_count, last_visit_time) VALUES (?, ?, ?, ?, ?, ?)",
			i+1, p.url, p.title, n, rnd.IntN(3), last); err != nil {
			return err
		}
	}
	if err := fillDownloads(tx, now); err != nil {
		return err
	}
	return tx.Commit()
}

func fillDownloads(tx *sql.Tx, now time.Time) error {
	for i, d := range downloads() {
		at := chromeTime(now.Add(-time.Duration(i*53+7) * time.Hour))
		path := "/home/user/Downloads/" + d.file
		if _, err := tx.Exec(`INSERT INTO downloads VALUES (?, ?, ?, ?, ?, ?, ?, 1, 0, 0, ?, 0, '', ?)`,
			i+1, fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1), path, path, at, d.size, d.size, at+2_000_000, d.mime); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO downloads_url_chains VALUES (?, 0, ?)", i+1, d.url); err != nil {
			return err
		}
	}
	return nil
}

func chromeTime(t time.Time) int64 { return t.UnixMicro() + chromeZero }

func writeBookmarks(path string, now time.Time) error {
	type node struct {
		Type      string `json:"type"`
		Name      string `json:"name"`
		URL       string `json:"url,omitempty"`
		DateAdded string `json:"date_added"`
		Children  []node `json:"children,omitzero"`
	}
	added := func(days int) string { return strconv.FormatInt(chromeTime(now.AddDate(0, 0, -days)), 10) }
	leaf := func(name, u string, days int) node {
		return node{Type: "url", Name: name, URL: u, DateAdded: added(days)}
	}
	folder := func(name string, children ...node) node {
		return node{Type: "folder", Name: name, DateAdded: added(days), Children: children}
	}
	file := map[string]any{"version": 1, "roots": map[string]node{
		"bookmark_bar": folder("Bookmarks bar",
			leaf("The Go Programming Language", "https://go.dev/", 29),
			leaf("Model Context Protocol", "https://modelcontextprotocol.io/", 20),
			folder("Security",
				leaf("OWASP Cheat Sheet Series", "https://cheatsheetseries.owasp.org/", 25),
				leaf("Team wiki (invite)", "https://wiki.example.com/join?token=sample-7f3a9c2e41d8&space=security", 12)),
		),
		"other":  folder("Other bookmarks", leaf("Hacker News", "https://news.ycombinator.com/", 5)),
		"synced": folder("Mobile bookmarks", []node{}...),
	}}
	data, err := json.MarshalIndent(file, "", "   ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}
