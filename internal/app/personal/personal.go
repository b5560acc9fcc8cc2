// Package personal opens what the audit log holds of persons, for those who
// have the data folder: the running gateway, and its operator at the command
// line.
package personal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/subject"
	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
)

// Purposes for which keys are derived from the data folder's root key. To
// change one makes the log unreadable.
const (
	purposeKeys  = "audit/subjects/v1"
	purposeNames = "audit/subject-names/v1"
)

// New returns the book of a data folder.
func New(dir *datadir.Dir, store subject.Store) (*subject.Book, error) {
	keys, err := dir.Derive(purposeKeys, envelope.KeySize)
	if err != nil {
		return nil, err
	}
	ring, err := envelope.NewRing("audit/subjects", envelope.Key{ID: 1, Secret: keys})
	if err != nil {
		return nil, fmt.Errorf("keys of subjects: %w", err)
	}
	names, err := dir.Derive(purposeNames, subject.KeySize)
	if err != nil {
		return nil, err
	}
	return subject.New(subject.Options{
		Store: store, Wrapper: ring, Index: names, NewKey: envelope.NewKey,
		NewBox: func(key []byte) (subject.Box, error) { return envelope.NewBox(key) },
	})
}

// Opener returns what opens events for a reader of the journal. An event that
// cannot be opened stays as it is.
func Opener(b *subject.Book, log *slog.Logger) func(*portcullis.Event) {
	return func(e *portcullis.Event) {
		if err := b.Open(context.Background(), e); err != nil {
			log.Warn("opening the personal data of an audit event", "event_id", e.ID, "error", err)
		}
	}
}

// Reader opens events from the command line, also beside a running gateway.
type Reader struct {
	*subject.Book
	dir *datadir.Dir
	db  *sqlite.DB
}

// Read returns the reader of a data folder with its store. A folder without
// the database has no keys: nil, and events stay sealed.
func Read(dataDir, store string) (_ *Reader, err error) {
	dir, err := datadir.Open(dataDir)
	if err != nil {
		return nil, err
	}
	db, err := sqlite.OpenReader(dir.Resolve(store))
	if err != nil {
		err = errors.Join(err, dir.Close())
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	r := &Reader{dir: dir, db: db}
	if r.Book, err = New(dir, db.Subjects()); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Opener returns what opens events, for people: who was erased reads as
// [subject.Gone]. A nil reader opens nothing.
func (r *Reader) Opener(log *slog.Logger) func(*portcullis.Event) {
	if r == nil {
		return nil
	}
	open := Opener(r.Book, log)
	return func(e *portcullis.Event) {
		open(e)
		if a := &e.Actor; a.Sealed != "" { // the keys are here, and this one is not
			a.ID, a.Sealed = subject.Gone, ""
		}
	}
}

// Close closes the database.
func (r *Reader) Close() error {
	if r == nil {
		return nil
	}
	return errors.Join(r.db.Close(), r.dir.Close())
}
