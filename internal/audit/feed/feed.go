// Package feed is how a part of the process follows the audit journal at its
// own pace: tiles, index, sinks and detection each have a feed of their own.
//
// A feed reads the journal, and remembers how far its consumer is done in a
// small file (AUDIT/cursors/NAME). So each record reaches each consumer at
// least once and in order, whatever crashes in between, and nothing that a
// consumer does can hold up a call.
package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// Folder is where cursors are, below the audit folder.
const Folder = "cursors"

// Interval is how often a feed that is at the end of the journal looks for more.
const Interval = 100 * time.Millisecond

// Options say how a feed behaves. The zero value is of use.
type Options struct {
	Log *slog.Logger // nil discards
	// FromEnd makes a consumer without a cursor begin behind what is there;
	// else it begins with the oldest record.
	FromEnd bool
	// Damaged hears of records that cannot be read, and of those that are gone.
	// The feed goes on behind them. nil = they are logged.
	Damaged func(error)
	// Expired hears of records that retention removed at the end of their time
	// before they were read: nothing is wrong with the log. nil = nobody does.
	Expired func(*journal.ExpiredError)
	// Open completes an event whose personal data is sealed. nil = it stays so.
	Open func(*portcullis.Event)
	// Window has what other feeds have read lately. nil = every record is read
	// and parsed anew.
	Window *Window
}

// Record is one event of the journal.
type Record struct {
	Seq   uint64         // number of the record
	At    journal.Cursor // before it
	Next  journal.Cursor // behind it: what to commit when it is done
	Entry []byte         // as it is in the journal; valid until the next record is read
	Event portcullis.Event
}

// Feed is one consumer's way through the journal. It is used by one goroutine.
type Feed struct {
	dir    string // the audit folder
	name   string
	opts   Options
	reader *journal.Reader
	stored journal.Cursor
}

// Open returns the feed of a consumer, which goes on where it was committed. A
// name is made of small letters, digits, dots, dashes and underscores.
func Open(auditDir, name string, opts Options) (*Feed, error) {
	if !validName(name) {
		return nil, fmt.Errorf("feed %q: want a name of small letters, digits, dots, dashes and underscores", name)
	}
	f := &Feed{dir: auditDir, name: name, opts: opts}
	if f.opts.Log == nil {
		f.opts.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(filepath.Join(auditDir, Folder), 0o700); err != nil {
		return nil, fmt.Errorf("feed %q: %w", name, err)
	}
	start, err := f.load()
	if err != nil {
		return nil, err
	}
	f.stored = start
	f.reader = journal.NewReader(auditDir, start)
	return f, nil
}

func validName(name string) bool {
	return name != "" && len(name) <= 100 && name[0] != '.' && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// load reads the cursor. One that cannot be read makes the consumer begin
// anew: it hears again of what it has done, and misses nothing.
func (f *Feed) load() (journal.Cursor, error) {
	var c journal.Cursor
	text, err := os.ReadFile(f.path())
	switch {
	case errors.Is(err, os.ErrNotExist):
		if f.opts.FromEnd {
			return f.end()
		}
		return c, nil
	case err != nil:
		return c, fmt.Errorf("feed %q: %w", f.name, err)
	}
	if err := c.UnmarshalText(text); err != nil {
		f.opts.Log.Error("the place in the audit journal is lost: reading it from its beginning", "consumer", f.name, "error", err)
		return journal.Cursor{}, nil
	}
	return c, nil
}

// end is behind the last record. It is stored, so that a restart before the
// first commit does not skip what came meanwhile.
func (f *Feed) end() (journal.Cursor, error) {
	c, err := journal.End(f.dir)
	if err != nil {
		return c, fmt.Errorf("feed %q: %w", f.name, err)
	}
	return c, f.Commit(c)
}

func (f *Feed) path() string { return filepath.Join(f.dir, Folder, f.name) }

// Cursor is behind the last record that was returned.
func (f *Feed) Cursor() journal.Cursor { return f.reader.Cursor() }

// Committed is where the feed goes on after a restart.
func (f *Feed) Committed() journal.Cursor { return f.stored }

// Next returns the next record, and waits for it until ctx ends.
func (f *Feed) Next(ctx context.Context) (Record, error) {
	for {
		r, ok, err := f.Poll()
		if ok || err != nil {
			return r, err
		}
		timer := time.NewTimer(Interval)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return Record{}, ctx.Err()
		}
	}
}

// Poll returns the next record if there is one. An error is one of reading
// files; the next call tries again.
func (f *Feed) Poll() (Record, bool, error) {
	for {
		r, err := f.opts.Window.next(f.reader, f.opts.Open != nil)
		switch {
		case errors.Is(err, io.EOF):
			return Record{}, false, nil
		case IsUnreadable(err) || journal.IsDamage(err) && !journal.IsExpired(err):
			f.damaged(err)
			continue
		case journal.IsExpired(err):
			f.expired(err)
			continue
		case err != nil:
			return Record{}, false, fmt.Errorf("reading the audit journal for %s: %w", f.name, err)
		}
		if f.opts.Open != nil && f.opts.Window == nil {
			f.opts.Open(&r.Event)
		}
		return r, true, nil
	}
}

func (f *Feed) expired(err error) {
	var gone *journal.ExpiredError
	if f.opts.Expired != nil && errors.As(err, &gone) {
		f.opts.Expired(gone)
	}
}

func (f *Feed) damaged(err error) {
	if f.opts.Damaged != nil {
		f.opts.Damaged(err)
		return
	}
	f.opts.Log.Error("skipping what cannot be read of the audit journal", "consumer", f.name, "error", err)
}

// Rewind makes the feed go back to what was committed.
func (f *Feed) Rewind() error {
	err := f.reader.Close()
	f.reader = journal.NewReader(f.dir, f.stored)
	return err
}

// Commit stores that everything before c is done. It survives the loss of
// power when it returns.
func (f *Feed) Commit(c journal.Cursor) error {
	text, err := c.MarshalText()
	if err != nil {
		return err
	}
	if err := durable.Replace(f.path(), text); err != nil {
		return fmt.Errorf("storing the place of %s in the audit journal: %w", f.name, err)
	}
	f.stored = c
	return nil
}

// Close ends reading; the cursor stays.
func (f *Feed) Close() error { return f.reader.Close() }
