package index

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// DefaultLimit is how many events an answer has when nobody says.
const DefaultLimit = 50

// Found is one event that a search found.
type Found struct {
	Seq   uint64           // number of the record
	Event portcullis.Event // opened, where that is possible
}

// Result is an answer.
type Result struct {
	Events []Found // newest first, in the order of the journal
	// More is what Query.Before must be to go on; 0 when there is nothing more.
	More uint64
	// Partial says that time ran out: older events may match, and More goes on
	// with them.
	Partial bool
	// Unindexed is how many records were read because the index lacks them.
	Unindexed int
}

// Search answers a question. When the deadline of ctx comes it returns what it
// has, and says so.
func (x *Index) Search(ctx context.Context, q Query) (Result, error) {
	if err := q.Validate(); err != nil {
		return Result{}, err
	}
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	s := &search{x: x, q: q, match: newMatcher(&q, &x.opts)}
	defer s.closeReader()
	err := s.run(ctx)
	if errors.Is(err, errDamaged) { // it is made again; the journal answers
		x.log.Warn("asking the audit journal instead of its index", "error", err)
		*s = search{x: x, q: q, match: s.match}
		err = s.tail(ctx, journal.Cursor{})
	}
	if err != nil {
		return Result{}, err
	}
	return s.result(), nil
}

type search struct {
	x     *Index
	q     Query
	match *matcher

	columns   *sql.Stmt // asks for a column
	found     []Found   // newest first, at most one more than asked for
	unindexed int
	stopped   uint64 // where time ran out
	reader    *journal.Reader
}

func (s *search) result() Result {
	r := Result{Events: s.found, Unindexed: s.unindexed, Partial: s.stopped > 0, More: s.stopped}
	if len(s.found) > s.q.Limit {
		r.Events = s.found[:s.q.Limit]
		r.Partial, r.More = false, r.Events[s.q.Limit-1].Seq
	}
	return r
}

func (s *search) missing() int { return s.q.Limit + 1 - len(s.found) }

// run asks the newest records first.
func (s *search) run(ctx context.Context) error {
	db, err := s.x.questions(ctx)
	if err != nil {
		return err
	}
	if db == nil {
		return s.tail(ctx, journal.Cursor{})
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // one state of the index
	if err != nil {
		return explain(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	end, _, err := loadState(ctx, tx)
	if err != nil {
		return err
	}
	if s.q.Before == 0 || s.q.Before > end.Seq {
		if err := s.tail(ctx, end); err != nil {
			return err
		}
	}
	return s.blocks(ctx, tx)
}

// window is how many records of the tail are read at once.
const window = 1024

// tail looks through the records that are not in the index, the newest window
// first. Walking over records is much cheaper than reading them.
func (s *search) tail(ctx context.Context, from journal.Cursor) error {
	marks, err := s.walk(ctx, from)
	if err != nil {
		return err
	}
	for i := len(marks) - 2; i >= 0 && s.missing() > 0; i-- {
		if err := s.span(ctx, marks[i], marks[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// walk returns where the windows of the tail begin, and where the last ends.
func (s *search) walk(ctx context.Context, from journal.Cursor) ([]journal.Cursor, error) {
	r := journal.NewReader(s.x.dir, from)
	defer func() { _ = r.Close() }() // it was only read
	marks := []journal.Cursor{from}
	for {
		line, err := r.Next()
		switch {
		case errors.Is(err, io.EOF), err == nil && s.q.Before > 0 && line.Seq >= s.q.Before:
			if err == nil {
				return append(marks, line.At), nil
			}
			return append(marks, r.Cursor()), nil
		case err != nil && !journal.IsDamage(err):
			return nil, err
		case err == nil:
			s.unindexed++
			if s.unindexed%window == 0 {
				marks = append(marks, line.Next)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
			}
		}
	}
}

// span takes what matches between two places.
func (s *search) span(ctx context.Context, from, to journal.Cursor) error {
	r := journal.NewReader(s.x.dir, from)
	defer func() { _ = r.Close() }() // it was only read
	var found []Found                // oldest first
	for ctx.Err() == nil {
		line, err := r.Next()
		if errors.Is(err, io.EOF) || err == nil && line.Seq >= to.Seq {
			slices.Reverse(found)
			s.found = append(s.found, found[:min(len(found), s.missing())]...)
			return nil
		}
		if err != nil && !journal.IsDamage(err) {
			return err
		}
		if err == nil {
			if f, ok := s.judge(line); ok {
				found = append(found, f)
			}
		}
	}
	return ctx.Err()
}

// judge compares one record with the question.
func (s *search) judge(line journal.Line) (Found, bool) {
	if !s.match.worth(line.Entry) {
		return Found{}, false
	}
	e, err := auditlog.ParseEntry(line.Entry)
	if err != nil || !s.match.match(&e) {
		return Found{}, false
	}
	if e.Actor.Sealed != "" && s.x.opts.Open != nil {
		s.x.opts.Open(&e)
	}
	return Found{Seq: line.Seq, Event: e}, true
}

// read returns the record at a place; false when it is not there any more.
func (s *search) read(at journal.Cursor) (journal.Line, bool, error) {
	const near = 32 // records that are read over rather than a file opened again
	if s.reader != nil {
		have := s.reader.Cursor()
		for have != at && have.Segment == at.Segment && have.Seq < at.Seq && at.Seq-have.Seq <= near {
			if _, err := s.reader.Next(); err != nil {
				break
			}
			have = s.reader.Cursor()
		}
		if have != at {
			s.closeReader()
		}
	}
	if s.reader == nil {
		s.reader = journal.NewReader(s.x.dir, at)
	}
	line, err := s.reader.Next()
	switch {
	case err == nil:
		return line, line.Seq == at.Seq, nil
	case errors.Is(err, io.EOF), journal.IsDamage(err):
		s.closeReader()
		return journal.Line{}, false, nil
	}
	return journal.Line{}, false, err
}

func (s *search) closeReader() {
	if s.reader != nil {
		_ = s.reader.Close() // it was only read
		s.reader = nil
	}
}
