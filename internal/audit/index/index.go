package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/feed"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// ErrBusy says that another process writes the index.
var ErrBusy = errors.New("another process keeps the audit index up to date")

// Options say how an index behaves. The zero value is of use.
type Options struct {
	Log *slog.Logger // nil discards
	// Open completes an event whose personal data is sealed. nil = it stays so.
	Open func(*portcullis.Event)
	// Subject returns the name by which the log knows a principal whose events
	// are sealed; nil when that is not known.
	Subject func(principal string) string
	// Window has what other consumers of the process have read lately; nil =
	// every record is read anew.
	Window *feed.Window
}

// Index is the index of one audit folder. It is safe for concurrent use.
type Index struct {
	dir  string // the audit folder
	opts Options
	log  *slog.Logger

	updated atomic.Int64 // ms since 1970

	mu     sync.Mutex
	reader *sql.DB // nil: there was no file yet
}

// New returns the index of the audit folder dir. It touches nothing.
func New(dir string, opts Options) *Index {
	x := &Index{dir: dir, log: opts.Log, opts: opts}
	if x.log == nil {
		x.log = slog.New(slog.DiscardHandler)
	}
	return x
}

func (x *Index) path() string { return filepath.Join(x.dir, FileName) }

// Updated returns when the index last had all records that fill a block, as
// far as this process made it.
func (x *Index) Updated() time.Time { return time.UnixMilli(x.updated.Load()) }

// Close ends reading. The index may be used again.
func (x *Index) Close() error { return x.forget() }

// forget makes the next question open the file anew.
func (x *Index) forget() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.reader == nil {
		return nil
	}
	err := x.reader.Close()
	x.reader = nil
	return err
}

// questions returns the file to ask; nil when there is none.
func (x *Index) questions(ctx context.Context) (*sql.DB, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.reader == nil {
		db, err := openReader(ctx, x.path())
		if err != nil {
			return nil, err
		}
		x.reader = db
	}
	return x.reader, nil
}

// Progress tells how far an update is.
type Progress struct {
	Done  uint64 // records that are in the index
	Total uint64 // records of the journal when the update began
}

// Update brings the index up to what the journal holds now, but for the last
// records that do not fill a block. It returns [ErrBusy] if another process
// does that already. Tell, which may be nil, hears of the progress.
func (x *Index) Update(ctx context.Context, tell func(Progress)) error {
	err := x.update(ctx, tell)
	if errors.Is(err, errDamaged) {
		x.log.Warn("making the audit index anew", "error", err)
		return x.Rebuild(ctx, tell)
	}
	return err
}

func (x *Index) update(ctx context.Context, tell func(Progress)) error {
	w, err := x.write(ctx)
	if err != nil {
		return err
	}
	return errors.Join(w.catchUp(ctx, tell), w.close())
}

// Rebuild makes the index anew from the journal. It returns [ErrBusy] if
// another process writes it.
func (x *Index) Rebuild(ctx context.Context, tell func(Progress)) error {
	held, err := lock(x.dir)
	if err != nil {
		return err
	}
	if held == nil {
		return ErrBusy
	}
	err = errors.Join(x.forget(), remove(x.path()), held.Close())
	if err != nil {
		return err
	}
	return x.update(ctx, tell)
}

// writer is who holds the lock of the index.
type writer struct {
	x      *Index
	held   *os.File
	db     *sql.DB
	reader *journal.Reader
	block  *block
	pruned time.Time
}

func (x *Index) write(ctx context.Context) (_ *writer, err error) {
	held, err := lock(x.dir)
	if err != nil {
		return nil, err
	}
	if held == nil {
		return nil, ErrBusy
	}
	w := &writer{x: x, held: held, block: newBlock()}
	defer func() {
		if err != nil {
			_ = w.close() // its error would hide err
		}
	}()
	if w.db, err = openWriter(ctx, x.path()); err != nil {
		return nil, err
	}
	end, err := w.begin(ctx)
	if errors.Is(err, errDamaged) {
		x.log.Warn("making the audit index anew", "error", err)
		if err = errors.Join(x.forget(), w.db.Close(), remove(x.path())); err != nil {
			return nil, err
		}
		if w.db, err = openWriter(ctx, x.path()); err != nil {
			return nil, err
		}
		end = journal.Cursor{}
	}
	if err != nil {
		return nil, err
	}
	w.reader = journal.NewReader(x.dir, end)
	return w, nil
}

func (w *writer) close() error {
	var errs []error
	if w.reader != nil {
		errs = append(errs, w.reader.Close())
	}
	if w.db != nil {
		errs = append(errs, w.db.Close())
	}
	return errors.Join(append(errs, w.held.Close())...)
}

// begin returns how far the index reaches. It is an errDamaged if the journal
// is not the one that the index was made from.
func (w *writer) begin(ctx context.Context) (journal.Cursor, error) {
	end, lastID, err := loadState(ctx, w.db)
	if err != nil || end == (journal.Cursor{}) {
		return end, err
	}
	var id, n int64
	err = w.db.QueryRowContext(ctx, "SELECT id, n FROM blocks ORDER BY id DESC LIMIT 1").Scan(&id, &n)
	if errors.Is(err, sql.ErrNoRows) { // all have expired
		return end, nil
	}
	if err != nil {
		return end, explain(err)
	}
	refs, err := columnOf(w.db.QueryRowContext(ctx, askColumn, id*columnsPerBlock+columnRefs))
	if err != nil {
		return end, err
	}
	all, err := decodeRefs(refs, int(n))
	if err != nil || len(all) == 0 {
		return end, errDamaged
	}
	r := journal.NewReader(w.x.dir, all[len(all)-1])
	defer func() { _ = r.Close() }() // it was only read
	line, err := r.Next()
	switch {
	case errors.Is(err, io.EOF):
		return end, fmt.Errorf("%w: it knows more records than the journal", errDamaged)
	case err != nil && journal.IsDamage(err): // expired, or damaged meanwhile
		return end, nil
	case err != nil:
		return end, err
	}
	if e, err := auditlog.ParseEntry(line.Entry); err == nil && e.ID != lastID {
		return end, fmt.Errorf("%w: the journal has another record %d", errDamaged, line.Seq)
	}
	return end, nil
}

// catchUp puts into the index what the journal holds.
func (w *writer) catchUp(ctx context.Context, tell func(Progress)) error {
	var total uint64
	if tell != nil {
		end, err := journal.End(w.x.dir)
		if err != nil {
			return err
		}
		total = end.Seq
	}
	if time.Since(w.pruned) >= pruneEvery {
		if err := w.prune(ctx); err != nil {
			return err
		}
		w.pruned = time.Now()
	}
	for ctx.Err() == nil {
		r, err := w.x.opts.Window.Next(w.reader)
		switch {
		case errors.Is(err, io.EOF):
			w.x.updated.Store(time.Now().UnixMilli())
			return nil
		case err != nil && (journal.IsDamage(err) || feed.IsUnreadable(err)):
			continue // what cannot be read is never found
		case err != nil:
			return fmt.Errorf("reading the audit journal for its index: %w", err)
		}
		w.block.add(r.At, r.Next, &r.Event)
		if !w.block.full() {
			continue
		}
		if err := store(ctx, w.db, w.block); err != nil {
			return fmt.Errorf("writing the audit index: %w", err)
		}
		w.block = newBlock()
		if tell != nil {
			tell(Progress{Done: r.Seq + 1, Total: max(total, r.Seq+1)})
		}
	}
	return ctx.Err()
}

// prune removes the blocks whose records are not in the journal any more, and
// the values that only they had.
func (w *writer) prune(ctx context.Context) error {
	r := journal.NewReader(w.x.dir, journal.Cursor{})
	defer func() { _ = r.Close() }() // it was only read
	if _, err := r.Next(); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil && !journal.IsDamage(err) {
		return err
	}
	oldest := r.Cursor().Segment
	return inTx(ctx, w.db, func(tx *sql.Tx) error {
		var last sql.NullInt64
		if err := tx.QueryRowContext(ctx, "SELECT max(id) FROM blocks WHERE segment < ?", int64(oldest)).Scan(&last); err != nil || !last.Valid {
			return err
		}
		for _, do := range []struct {
			statement string
			argument  int64
		}{
			{"DELETE FROM blocks WHERE id <= ?", last.Int64},
			{"DELETE FROM columns WHERE id < ?", (last.Int64 + 1) * columnsPerBlock},
			{"DELETE FROM lists WHERE block <= ?", last.Int64},
		} {
			if _, err := tx.ExecContext(ctx, do.statement, do.argument); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM terms WHERE id NOT IN (SELECT term FROM lists)")
		return err
	})
}
