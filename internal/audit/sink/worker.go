package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/deadletter"
)

// grace is how long a Send that is under way may go on when the sink stops:
// cut short, its events would be sent twice.
const grace = 3 * time.Second

// probeAfter is how many events in a row are laid aside before a plain one is
// sent, to tell whether the server refuses events or everything.
const probeAfter = 8

// errStopped ends a worker.
var errStopped = errors.New("the sink is stopping")

// worker serves one sink until it is stopped.
type worker struct {
	spec  Spec
	set   *Set
	state *state
	from  Source
	dead  *deadletter.File
	log   *slog.Logger

	turn chan struct{} // holds one token while nobody uses the Sender
	wake chan struct{} // ends a pause
	stop context.CancelFunc
	done chan struct{}

	refused int // events laid aside since the server took one
}

// run sends until soft ends. Then what is under way may end, for a while.
func (w *worker) run(soft context.Context) {
	hard, cancel := context.WithCancel(context.WithoutCancel(soft))
	defer cancel()
	defer context.AfterFunc(soft, func() { // a second timer would outlive the worker
		select {
		case <-time.After(grace):
			cancel()
		case <-hard.Done():
		}
	})()
	for {
		items, end, err := w.collect(soft)
		if err == nil {
			err = w.deliver(soft, hard, items)
		}
		if err != nil {
			return
		}
		w.commit(end)
	}
}

// collect reads records until a batch is full or its time is over. It returns
// the place behind all that it read, also behind what the filter left out.
func (w *worker) collect(soft context.Context) ([]Item, journal.Cursor, error) {
	var items []Item
	var buf []byte
	var end journal.Cursor
	bytes := 0
	first, err := w.next(soft)
	if err != nil {
		return nil, end, err
	}
	limited, cancel := context.WithTimeout(soft, w.spec.Batch.Wait)
	defer cancel()
	for r := first; ; {
		end = r.Next
		if w.spec.Filter.Match(&r.Event) {
			var item Item
			item, buf = w.item(r, buf)
			items = append(items, item)
			bytes += len(item.Data)
			w.state.waits(items[0].Event.Time)
		}
		if len(items) >= w.spec.Batch.Events || bytes >= w.spec.Batch.Bytes {
			return items, end, nil
		}
		if r, err = w.next(limited); err != nil {
			if soft.Err() != nil {
				return nil, end, soft.Err()
			}
			return items, end, nil
		}
	}
}

// item makes of a record what is sent; buf is extended by its encoded form.
func (w *worker) item(r Record, buf []byte) (Item, []byte) {
	e := r.Event
	item := Item{Event: &e, Seq: r.Seq, Next: r.Next, Entry: slices.Clone(r.Entry)}
	start := len(buf)
	buf, item.unsendable = w.encode(buf, &e)
	item.Data = buf[start:len(buf):len(buf)]
	return item, buf
}

// encode enriches and encodes an event. One that makes a decoder of the
// enrichment or a format panic must not stop the sink for good.
func (w *worker) encode(dst []byte, e *portcullis.Event) (out []byte, err error) {
	start := len(dst)
	defer func() {
		if p := recover(); p != nil {
			out, err = dst[:start], fmt.Errorf("encoding panics: %v", p)
		}
	}()
	if w.spec.Enrich != nil {
		w.spec.Enrich(e)
	}
	if out, err = w.spec.Sender.Append(dst, e); err != nil {
		return dst[:start], err
	}
	return out, nil
}

// next returns the next record that there is. When the journal cannot be read
// it tries again until ctx ends.
func (w *worker) next(ctx context.Context) (Record, error) {
	for {
		r, err := w.from.Next(ctx)
		if err == nil {
			return r, nil
		}
		if ctx.Err() != nil {
			return Record{}, ctx.Err()
		}
		w.failed(&Error{Fault: Away, Err: fmt.Errorf("reading the journal: %w", err)})
		if !w.pause(ctx, w.spec.Pace.Most) {
			return Record{}, ctx.Err()
		}
	}
}

// damaged hears of records that are gone or cannot be read. They are passed
// over: nothing brings them back.
func (w *worker) damaged(err error) {
	n := uint64(1)
	var gap *journal.GapError
	var expired *journal.ExpiredError
	switch {
	case errors.As(err, &gap):
		n = gap.To - gap.From
	case errors.As(err, &expired):
		n = expired.To - expired.From
	}
	w.missed(n, err)
}
