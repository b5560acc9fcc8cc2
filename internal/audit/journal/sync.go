package journal

import (
	"errors"
	"fmt"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
	"time"
)

// probeInterval is how often a journal that cannot be written is tried.
const probeInterval = time.Second

// background syncs what was written, seals what was retired, ends segments of
// full age and tries a failing disk, until Close.
func (j *Journal) background() {
	defer close(j.stopped)
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		select {
		case <-j.stop:
			j.finish()
			return
		case <-j.hurry:
			j.sync()
		case <-j.dirtied:
			j.delay()
			j.sync()
		case <-tick.C:
			j.endOfAge()
			j.tryAgain()
		}
	}
}

// delay waits for SyncInterval, or less if something cannot wait.
func (j *Journal) delay() {
	timer := time.NewTimer(SyncInterval)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-j.hurry:
	case <-j.stop:
	}
}

// Sync returns when every record whose Record returned before is on the
// device, whatever the durability.
func (j *Journal) Sync() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	j.active.Add(1)
	j.mu.Unlock()
	defer j.active.Done()
	j.writing.Lock()
	j.dirty = true
	j.writing.Unlock()
	return j.syncAll()
}

// sync makes all that is written durable, if something is not.
func (j *Journal) sync() {
	_ = j.syncAll() // noted; the next sync tries again
}

// syncAll makes all that is written durable. Writing goes on meanwhile.
func (j *Journal) syncAll() error {
	j.syncing.Lock() // who comes second also waits for what the first took on
	defer j.syncing.Unlock()
	j.writing.Lock()
	current, retired := j.seg, j.retired
	dirty, newName := j.dirty, j.newName
	j.retired, j.dirty, j.newName = nil, false, false
	j.writing.Unlock()
	if !dirty && len(retired) == 0 {
		return nil
	}
	start := time.Now()
	var errs []error
	for _, s := range retired {
		errs = append(errs, s.file.Sync(), j.disk.seal(segment.Name(s.first)), s.file.Close())
	}
	if newName {
		errs = append(errs, j.disk.syncDir())
	}
	if j.cfg.Durability != Strict { // there, writers sync
		errs = append(errs, current.file.Sync())
	}
	if err := errors.Join(errs...); err != nil {
		j.writing.Lock()
		defer j.writing.Unlock()
		j.failed("sync", err)
		j.newName = j.newName || newName
		j.distrust()
		return err
	}
	j.opts.Observer.Synced(time.Since(start))
	return nil
}

// endOfAge ends a segment that is old enough to be sealed although nobody
// writes.
func (j *Journal) endOfAge() {
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.seg.size > 0 && !j.ragged && time.Since(j.seg.born) >= j.cfg.SegmentAge {
		_ = j.rotate() // noted; the next record tries again
	}
}

// tryAgain finds out whether a disk that failed works again. Callers may all
// have been sent away because of the failure, so none would find out.
func (j *Journal) tryAgain() {
	if j.Healthy() == nil {
		return
	}
	err := j.disk.probe()
	j.writing.Lock()
	defer j.writing.Unlock()
	switch {
	case err != nil:
		j.failure.Store(&failure{"probe", err})
	case j.ragged && j.trim(j.seg.size) != nil:
	case j.renew && j.rotate() != nil:
	default:
		j.doubt = false
		j.works()
	}
}

// finish syncs and closes everything. No caller is left.
func (j *Journal) finish() {
	if j.ragged {
		j.writing.Lock()
		_ = j.trim(j.seg.size) // noted; Open moves the rest aside
		j.writing.Unlock()
	}
	j.sync()
	if err := j.seg.file.Close(); err != nil {
		j.failed("close", fmt.Errorf("closing the segment: %w", err))
	}
	if j.security != nil {
		j.security.close()
	}
}
