package index

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/portcullis-dev/portcullis/internal/audit/feed"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

const (
	// Interval is how often [Index.Follow] looks for new records: as often as
	// the others who follow the journal, so that what one has read serves all.
	Interval = feed.Interval
	// pruneEvery is how often it looks for records that are not there any more.
	pruneEvery = time.Minute
	// retry is how long it waits when another process has the index, or the disk
	// refuses it.
	retry = 5 * time.Second
)

// Follow keeps the index up to date until ctx ends. A failure is logged, and
// what it left undone is done later: questions are answered meanwhile, from the
// journal.
func (x *Index) Follow(ctx context.Context) {
	told := ""
	for ctx.Err() == nil {
		err := x.follow(ctx)
		if err != nil && !errors.Is(err, ErrBusy) && ctx.Err() == nil && err.Error() != told {
			told = err.Error()
			x.log.Error("the audit index is not up to date", "error", err)
		}
		wait(ctx, retry)
	}
}

// follow writes the index until something fails.
func (x *Index) follow(ctx context.Context) (err error) {
	w, err := x.write(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for ctx.Err() == nil {
		err := w.catchUp(ctx, nil)
		if errors.Is(err, errDamaged) {
			err = errors.Join(err, x.forget(), remove(x.path())) // the next try makes it anew
		}
		if err != nil {
			return err
		}
		wait(ctx, Interval)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Status is what an index says of itself.
type Status struct {
	Indexed uint64 // records up to here are in the index
	Written uint64 // records up to here are in the journal
	Blocks  int
	Bytes   int64 // size of the file
}

// Status returns the state of the index.
func (x *Index) Status(ctx context.Context) (Status, error) {
	var s Status
	end, err := journal.End(x.dir)
	if err != nil {
		return s, err
	}
	s.Written = end.Seq
	db, err := x.questions(ctx)
	if err != nil || db == nil {
		return s, err
	}
	done, _, err := loadState(ctx, db)
	if err != nil {
		return s, err
	}
	s.Indexed = done.Seq
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM blocks").Scan(&s.Blocks); err != nil {
		return s, explain(err)
	}
	if fi, err := os.Stat(x.path()); err == nil {
		s.Bytes = fi.Size()
	}
	return s, nil
}
