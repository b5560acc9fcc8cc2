package enrich

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// Doer sends requests; *http.Client is one. Who makes it sees to it that
// nothing but https is spoken and that an answer does not take for ever.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// torList is what is known of the exits, and since when.
type torList struct {
	exits exits
	read  time.Time // when the list was fetched or the file written
	stamp stamp     // of the file; zero for a feed
	etag  string
}

// tor returns whether addr is an exit. A list that is too old says nothing:
// addresses change hands.
func (l *torList) tor(addr netip.Addr, now time.Time, stale time.Duration) bool {
	if l == nil || now.Sub(l.read) > stale {
		return false
	}
	_, ok := l.exits[addr.Unmap().WithZone("")]
	return ok
}

// openList reads a list from a file. It is as old as the file.
func openList(name string) (*torList, error) {
	text, s, err := readFile(name, maxList)
	if err != nil {
		return nil, err
	}
	x, err := parseExits(text)
	if err != nil {
		return nil, err
	}
	return &torList{exits: x, read: s.mod, stamp: s}, nil
}

// fetch asks a feed for a newer list than have. It returns the text to keep, if
// there is any.
func fetch(ctx context.Context, client Doer, url string, have *torList, now time.Time) (*torList, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "text/plain")
	if have != nil && have.etag != "" {
		req.Header.Set("If-None-Match", have.etag)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && have != nil && have.etag != "" {
		return &torList{exits: have.exits, read: now, etag: have.etag}, nil, nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("the feed answers with status %d", resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxList+1))
	if err != nil {
		return nil, nil, err
	}
	x, err := parseExits(text)
	if err != nil {
		return nil, nil, err
	}
	return &torList{exits: x, read: now, etag: resp.Header.Get("ETag")}, text, nil
}

// keep writes the last good list of a feed, for the next start.
func keep(name string, text []byte) error {
	if name == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	next := name + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, name)
}
