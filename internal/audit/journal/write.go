package journal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
)

// maxSpare is the largest buffer that is kept for reuse.
const maxSpare = 1 << 20

// batch is the lines of one write. Who puts the first line in leads: it writes
// the batch, the others wait for done.
type batch struct {
	buf     []byte
	records int
	urgent  bool         // holds a security event
	noted   bool         // holds a line for the security log, the first at:
	noteAt  int64        // its offset
	noteNo  uint64       // records before it
	refs    atomic.Int32 // callers that still need the batch
	done    sync.WaitGroup

	// The result, set before done: the first good bytes are in the journal,
	// err is why the rest is not.
	good int
	err  error
}

// record puts line into a batch and returns once that is written.
func (j *Journal) record(ctx context.Context, line []byte, urgent, note bool) error {
	if len(line) > auditlog.MaxLine {
		return fmt.Errorf("line of %d bytes, at most %d fit", len(line), auditlog.MaxLine)
	}
	b, end, err := j.join(ctx, line, urgent, note)
	if err != nil {
		return err
	}
	if end == len(line) {
		j.lead(b)
	} else {
		b.done.Wait()
	}
	if end > b.good {
		err = b.err
	}
	if b.refs.Add(-1) == 0 {
		j.recycle(b)
	}
	j.active.Done()
	return err
}

// join appends line to the pending batch and returns the batch and where the
// line ends in it.
func (j *Journal) join(ctx context.Context, line []byte, urgent, note bool) (*batch, int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.full(line) {
		if err := j.await(ctx, line); err != nil {
			return nil, 0, err
		}
	}
	if j.closed {
		return nil, 0, ErrClosed
	}
	b := j.pending
	if len(b.buf) == 0 {
		b.done.Add(1)
	}
	if note && !b.noted {
		b.noted, b.noteAt, b.noteNo = true, int64(len(b.buf)), uint64(b.records)
	}
	b.buf = append(b.buf, line...)
	b.records++
	b.urgent = b.urgent || urgent
	b.refs.Add(1)
	j.active.Add(1)
	return b, len(b.buf), nil
}

// full reports whether line has to wait. Callers hold mu.
func (j *Journal) full(line []byte) bool {
	return !j.closed && len(j.pending.buf) > 0 && len(j.pending.buf)+len(line) > j.cfg.MaxPending
}

// await waits until there is room for line. Callers hold mu.
func (j *Journal) await(ctx context.Context, line []byte) error {
	stop := context.AfterFunc(ctx, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.room.Broadcast()
	})
	defer stop()
	for j.full(line) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("waiting for the disk: %w", err)
		}
		j.room.Wait()
	}
	return nil
}

// lead writes b, which the caller opened, with all that joined it meanwhile.
func (j *Journal) lead(b *batch) {
	j.writing.Lock()
	next := j.batches.Get().(*batch)
	j.mu.Lock()
	j.pending = next
	j.room.Broadcast()
	j.mu.Unlock()
	j.write(b)
	j.writing.Unlock()
	b.done.Done()
}

func (j *Journal) recycle(b *batch) {
	if cap(b.buf) > maxSpare {
		b.buf = nil
	}
	b.buf = b.buf[:0]
	b.records, b.urgent, b.noted, b.good, b.err = 0, false, false, 0, nil
	j.batches.Put(b)
}

// write writes b and sets its result. Callers hold writing.
func (j *Journal) write(b *batch) {
	if err := j.prepare(); err != nil {
		b.err = err
		return
	}
	n, err := j.seg.file.Write(b.buf)
	n = min(max(n, 0), len(b.buf))
	if n < len(b.buf) && err == nil {
		err = io.ErrShortWrite
	}
	b.good, b.err = n, err
	records := b.records
	if err != nil {
		j.failed("write", err)
		b.good = bytes.LastIndexByte(b.buf[:n], '\n') + 1
		records = bytes.Count(b.buf[:b.good], []byte{'\n'})
		if b.good < n {
			j.ragged = true
		}
		if j.ragged {
			_ = j.trim(j.seg.size + int64(b.good)) // noted; tried again before the next write
		}
	}
	if b.good == 0 {
		return
	}
	if j.cfg.Durability == Strict || j.doubt {
		if err := j.commit(); err != nil {
			b.good, b.err = 0, err
			j.ragged = true
			_ = j.trim(j.seg.size) // noted; tried again before the next write
			return
		}
	}
	j.wrote(b, records)
}

// wrote accounts for the good part of b. Callers hold writing.
func (j *Journal) wrote(b *batch, records int) {
	if b.noted && b.noteAt < int64(b.good) {
		j.security.note(Cursor{
			Segment: j.seg.first, Offset: j.seg.size + b.noteAt, Seq: j.seg.next + b.noteNo,
		})
	}
	j.seg.size += int64(b.good)
	j.seg.next += uint64(records)
	j.opts.Observer.Wrote(records, b.good)
	if b.err == nil {
		j.works()
	}
	if j.cfg.Durability == Strict {
		return
	}
	if !j.dirty {
		j.dirty = true
		signal(j.dirtied)
	}
	if b.urgent {
		signal(j.hurry)
	}
}

// signal wakes the reader of a channel of capacity one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// prepare makes the segment ready for a whole line. Callers hold writing.
func (j *Journal) prepare() error {
	if j.ragged {
		if err := j.trim(j.seg.size); err != nil {
			return err
		}
	}
	if !j.renew && (j.seg.size < j.cfg.SegmentBytes && time.Since(j.seg.born) < j.cfg.SegmentAge) {
		return nil
	}
	if j.seg.size == 0 {
		j.seg.born, j.renew = time.Now(), false
		return nil
	}
	return j.rotate()
}

// trim cuts what is behind size off the segment. Callers hold writing.
func (j *Journal) trim(size int64) error {
	if err := j.seg.file.Truncate(size); err != nil {
		err = fmt.Errorf("cutting off half a line: %w", err)
		j.failed("write", err)
		return err
	}
	j.ragged = false
	return nil
}

// rotate begins a new segment. The old one is synced, sealed and closed in the
// background. Callers hold writing.
func (j *Journal) rotate() error {
	f, err := j.disk.create(segment.Name(j.seg.next))
	if err == nil && j.cfg.Durability == Strict {
		if err = j.disk.syncDir(); err != nil {
			_ = f.Close() // still empty; the next try opens it again
		}
	}
	if err != nil {
		err = fmt.Errorf("beginning a segment: %w", err)
		j.failed("rotate", err)
		return err
	}
	j.retired = append(j.retired, j.seg)
	j.seg = openSegment{file: f, first: j.seg.next, next: j.seg.next, born: time.Now()}
	j.renew, j.newName, j.dirty = false, true, true
	signal(j.dirtied)
	return nil
}

// commit syncs the segment before its records count as written. Callers hold
// writing.
func (j *Journal) commit() error {
	start := time.Now()
	err := j.seg.file.Sync()
	if err == nil && j.doubt && j.newName {
		err = j.disk.syncDir()
	}
	if err != nil {
		err = fmt.Errorf("syncing the segment: %w", err)
		j.failed("sync", err)
		j.distrust()
		return err
	}
	j.opts.Observer.Synced(time.Since(start))
	j.doubt = false
	return nil
}

// distrust is what follows a failed fsync: the system may have thrown away
// what it could not write and will not say so again. The segment gets no more
// records, and nothing counts as written until a sync succeeds. Callers hold
// writing.
func (j *Journal) distrust() {
	if !j.doubt {
		j.renew = j.seg.size > 0
	}
	j.doubt = true
}
