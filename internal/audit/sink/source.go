package sink

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/feed"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// Record is one event of the journal.
type Record = feed.Record

// Source is a consumer's way through the journal; *feed.Feed is one.
type Source interface {
	Next(ctx context.Context) (Record, error)
	Cursor() journal.Cursor
	Commit(at journal.Cursor) error
	Close() error
}

// Encoder writes events in one form, one line without its end.
type Encoder interface {
	Append(dst []byte, e *portcullis.Event) ([]byte, error)
}

// Secret gives the value of a secret reference as it is now.
type Secret func() (string, error)

// cursorOf is the name of a sink's cursor among those of other consumers.
func cursorOf(name string) string { return "sink-" + name }

func (s *Set) open(spec Spec, damaged func(error)) (Source, error) {
	if s.opts.Open != nil {
		return s.opts.Open(spec, damaged)
	}
	// What was removed before the sink was there is nothing that it missed.
	before := uint64(0)
	if _, err := os.Stat(filepath.Join(s.opts.Dir, feed.Folder, cursorOf(spec.Name))); errors.Is(err, os.ErrNotExist) {
		end, err := journal.End(s.opts.Dir)
		if err != nil {
			return nil, err
		}
		before = end.Seq
	}
	return feed.Open(s.opts.Dir, cursorOf(spec.Name), feed.Options{
		Log: s.log, FromEnd: spec.FromNow, Damaged: damaged, Open: s.opts.Unseal, Window: s.opts.Window,
		Expired: func(gone *journal.ExpiredError) {
			if gone.To > before {
				damaged(gone)
			}
		},
	})
}
