package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/class"
	"github.com/portcullis-dev/portcullis/internal/audit/sealed"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// archiveAll archives every class file that is not archived.
func (k *Keeper) archiveAll(ctx context.Context, p *Policy) error {
	for i, m := range k.segs {
		for _, f := range m.Files {
			if f.Removed != nil || f.ArchivedTo != "" {
				continue
			}
			if err := k.archive(ctx, p, i, f.Class); err != nil {
				return err // it is down for the next as well
			}
		}
	}
	return nil
}

// archive copies a class file and has the manifest say where it is.
func (k *Keeper) archive(ctx context.Context, p *Policy, i int, c class.Class) error {
	m := k.segs[i]
	f := m.File(c)
	err := sealed.CheckSum(k.dir, m, f)
	var where string
	if err == nil {
		where, err = p.Archive.Put(ctx, string(c)+"/"+m.Name(), m.Path(k.dir, c), f.Bytes, f.SHA256)
	}
	if err == nil {
		err = k.crash("archived")
	}
	if err == nil {
		err = k.update(i, func(m *sealed.Manifest) { m.File(c).ArchivedTo = where })
	}
	if err != nil {
		k.opts.Observer.Failed("archive")
		return fmt.Errorf("archiving %s/%s: %w", c, m.Name(), err)
	}
	return nil
}

// expire removes the class files whose time is over. Each removal is recorded,
// and the file goes when a checkpoint covers that record: else the log could not
// be verified in between.
func (k *Keeper) expire(ctx context.Context, p *Policy, readers []Consumer) error {
	if err := k.expireEach(ctx, p, readers); err != nil || len(k.told) == 0 {
		return err
	}
	for deadline := time.Now().Add(coverWait); len(k.told) > 0; { // the next pass tries again
		if ok, err := k.covered(p); err != nil {
			return err
		} else if ok {
			return k.expireEach(ctx, p, readers)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(coverPoll):
		}
		if time.Now().After(deadline) {
			return nil
		}
	}
	return nil
}

// How long a pass waits for the checkpoint that covers what it recorded.
const (
	coverWait = 3 * time.Second
	coverPoll = 20 * time.Millisecond
)

// place is a class file.
type place struct {
	first uint64
	class class.Class
}

// told is the event of a removal.
type told struct {
	event string
	end   uint64 // number behind it
}

// covered reports whether the essential consumers have read all that was told.
func (k *Keeper) covered(p *Policy) (bool, error) {
	readers, err := consumers(k.dir, p.Essential)
	if err != nil {
		return false, err
	}
	for _, t := range k.told {
		if waiting(readers, t.end, false) != "" {
			return false, nil
		}
	}
	return true, nil
}

func (k *Keeper) expireEach(ctx context.Context, p *Policy, readers []Consumer) error {
	holds, err := k.holdsInForce(ctx, k.time)
	if err != nil { // what is held is not known: all is
		return err
	}
	begin, err := k.oldestUndivided()
	if err != nil {
		return err
	}
	var errs []error
	all := true // nothing is left before the segment, or will be
	for i := range k.segs {
		m := k.segs[i]
		if begin != nil && *begin < m.First {
			all = false
		}
		for _, c := range class.All() {
			f := m.File(c)
			if f == nil || f.Removed != nil || (c == class.Audit && (!all || k.others(m))) {
				continue
			}
			if ctx.Err() != nil {
				return errors.Join(append(errs, ctx.Err())...)
			}
			if err := k.expireOne(ctx, p, i, c, holds, readers); err != nil {
				k.opts.Observer.Failed("remove")
				errs = append(errs, err)
			}
		}
		all = all && k.leaving(k.segs[i])
	}
	return errors.Join(errs...)
}

// others reports whether files of other classes than audit stay.
func (k *Keeper) others(m *sealed.Manifest) bool {
	for _, f := range m.Files {
		if f.Class != class.Audit && !k.left(m, &f) {
			return true
		}
	}
	return false
}

// left reports whether a file is removed, or its removal recorded.
func (k *Keeper) left(m *sealed.Manifest, f *sealed.File) bool {
	_, told := k.told[place{m.First, f.Class}]
	return told || f.Removed != nil
}

// leaving reports whether all files of a segment are removed, or will be.
func (k *Keeper) leaving(m *sealed.Manifest) bool {
	return !slices.ContainsFunc(m.Files, func(f sealed.File) bool { return !k.left(m, &f) })
}

// before reports whether something is left before the audit file of a segment.
func (k *Keeper) before(i int) bool {
	for at := range i {
		if !k.segs[at].Gone() {
			return true
		}
	}
	return slices.ContainsFunc(k.segs[i].Files, func(f sealed.File) bool { return f.Class != class.Audit && f.Removed == nil })
}

// oldestUndivided returns where the oldest segment begins that is not divided.
func (k *Keeper) oldestUndivided() (*uint64, error) {
	ended, err := segment.Ended(k.dir)
	if err != nil || len(ended) == 0 {
		return nil, err
	}
	return &ended[0], nil
}

// due returns when the time of a class file is over.
func due(p *Policy, m *sealed.Manifest, c class.Class) time.Time { return m.AgeFrom.Add(p.Keep(c)) }

func held(holds []Hold, m *sealed.Manifest, c class.Class) bool {
	for i := range holds {
		if holds[i].covers(c, m.Oldest, m.Newest) {
			return true
		}
	}
	return false
}

func (k *Keeper) expireOne(ctx context.Context, p *Policy, i int, c class.Class, holds []Hold, readers []Consumer) error {
	m := k.segs[i]
	over := due(p, m, c)
	if !k.time.After(over) || held(holds, m, c) {
		return nil
	}
	if waiting(readers, m.Last+1, k.time.Before(over.Add(p.ConsumerWait))) != "" {
		return nil
	}
	if exists(segment.Path(k.dir, m.First)) { // its removal failed; the next pass tries again
		return nil
	}
	if p.Archive != nil && m.File(c).ArchivedTo == "" {
		if err := k.archive(ctx, p, i, c); err != nil {
			return err
		}
	}
	t, known := k.told[place{m.First, c}]
	if !known {
		var err error
		if t, err = k.tell(ctx, i, c, waiting(readers, m.Last+1, true)); err != nil {
			return err
		}
		k.told[place{m.First, c}] = t
	}
	if k.opts.End != nil {
		now, err := consumers(k.dir, p.Essential)
		if err != nil {
			return err
		}
		if waiting(now, t.end, false) != "" {
			return nil
		}
	}
	if c == class.Audit && k.before(i) {
		return nil
	}
	return k.remove(i, c, t)
}

// tell records that a class file is removed.
func (k *Keeper) tell(ctx context.Context, i int, c class.Class, unread string) (t told, err error) {
	m := k.segs[i]
	f := m.File(c)
	e := &portcullis.Event{
		ID: obs.NewID(), Type: portcullis.EventAuditSegmentRemoved, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess,
		Actor: self(), Resource: "audit:" + string(c) + "/" + m.Name(), Action: "audit/remove", Reason: "expired",
		Details: []slog.Attr{
			slog.String("class", string(c)), slog.Uint64("first", m.First), slog.Uint64("last", m.Last),
			slog.Uint64("records", f.Records), slog.Int64("bytes", f.Bytes), slog.String("sha256", f.SHA256),
			slog.Time("newest", m.Newest), slog.Uint64("removed_before", k.goneBefore(i, c)),
		},
	}
	if f.ArchivedTo != "" {
		e.Details = append(e.Details, slog.String("archived_to", f.ArchivedTo))
	}
	if unread != "" {
		e.Severity = portcullis.SeverityWarn
		e.Details = append(e.Details, slog.String("unread_by", unread))
		k.log.Warn("audit records are removed that a consumer has not read", "consumer", unread, "class", c, "first", m.First, "last", m.Last)
	}
	if err := k.crash("event"); err != nil {
		return t, err
	}
	if err := k.opts.Recorder.Record(ctx, e); err != nil {
		return t, err
	}
	if err := k.opts.Sync(); err != nil {
		return t, fmt.Errorf("syncing the event of a removal: %w", err)
	}
	t.event = e.ID
	if k.opts.End != nil {
		t.end = k.opts.End()
	}
	return t, nil
}

// remove removes a class file whose removal was told, unless it is held since.
func (k *Keeper) remove(i int, c class.Class, t told) error {
	m := k.segs[i]
	f := m.File(c)
	k.holding.Lock()
	defer k.holding.Unlock()
	delete(k.told, place{m.First, c}) // whatever follows: it is told again
	holds, err := loadHolds(k.dir)
	if err != nil {
		return err
	}
	if held(holds, m, c) {
		return nil
	}
	if err := k.crash("mark"); err != nil {
		return err
	}
	records, bytes := f.Records, f.Bytes
	err = k.update(i, func(m *sealed.Manifest) {
		f := m.File(c)
		f.Removed, f.Frames = &sealed.Removal{At: k.time.UTC(), Event: t.event}, nil
	})
	if err != nil {
		return err
	}
	if err := k.crash("remove"); err != nil {
		return err
	}
	if err := removeFile(m.Path(k.dir, c)); err != nil {
		k.loaded = false // the next pass finishes it
		return err
	}
	k.opts.Observer.Removed(string(c), records, bytes)
	k.log.Info("audit records are removed: their time is over", "class", c, "first", m.First, "last", m.Last, "records", records)
	return nil
}

// goneBefore returns the number before which nothing is left once the file of
// class c of segment i is removed.
func (k *Keeper) goneBefore(i int, c class.Class) uint64 {
	n, err := sealed.RemovedBefore(k.dir)
	if err != nil {
		return 0
	}
	for at, m := range k.segs {
		if m.First > n { // something that is not divided, or lost, is between
			return n
		}
		for _, f := range m.Files {
			if !k.left(m, &f) && (at != i || f.Class != c) {
				return n
			}
		}
		n = max(n, m.Last+1)
	}
	return n
}

// forget removes the manifests at the start of the log of which nothing is left.
func (k *Keeper) forget() error {
	var gone []sealed.Range
	before, err := sealed.RemovedBefore(k.dir)
	if err != nil {
		return err
	}
	for _, m := range k.segs {
		if !m.Gone() || m.First > before {
			break
		}
		gone = append(gone, sealed.Range{First: m.First, Last: m.Last})
		before = max(before, m.Last+1)
	}
	if len(gone) == 0 {
		return nil
	}
	if err := k.crash("forget"); err != nil {
		return err
	}
	if err := sealed.Forget(k.dir, gone); err != nil {
		k.loaded = false
		return err
	}
	k.segs = k.segs[len(gone):]
	return nil
}
