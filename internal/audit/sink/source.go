package sink

import (
	"context"

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
	return feed.Open(s.opts.Dir, cursorOf(spec.Name), feed.Options{
		Log: s.log, FromEnd: spec.FromNow, Damaged: damaged, Open: s.opts.Unseal,
	})
}
