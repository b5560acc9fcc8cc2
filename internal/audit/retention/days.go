package retention

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/class"
	"github.com/portcullis-dev/portcullis/internal/audit/sealed"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
)

// eraseDays destroys the keys of the days of which no record of the classes
// access and security is kept any more. What of those days is kept in class
// audit stays, but who it was that nobody proved to be cannot be read.
func (k *Keeper) eraseDays(ctx context.Context, p *Policy) error {
	if k.opts.EraseDays == nil {
		return nil
	}
	end, known, err := k.oldestKept(p)
	if err != nil || !known {
		return err
	}
	k.holding.Lock()
	defer k.holding.Unlock()
	holds, err := loadHolds(k.dir)
	if err != nil {
		return err
	}
	for _, h := range holds {
		if h.covers(class.Security, time.Unix(0, 1), end) && h.From.Before(end) {
			end = h.From // the zero time of a hold without beginning: all is kept
		}
	}
	if end.IsZero() {
		return nil
	}
	const margin = 24 * time.Hour // events are written some time after they happened
	if err := k.opts.EraseDays(ctx, end.Add(-margin)); err != nil {
		k.opts.Observer.Failed("erase")
		return fmt.Errorf("destroying the keys of days that are over: %w", err)
	}
	return nil
}

// oldestKept returns a time before which no record of class access or security
// is kept, and false if that is not known.
func (k *Keeper) oldestKept(p *Policy) (time.Time, bool, error) {
	end := k.time.Add(-max(p.Security, p.Access))
	sooner := func(t time.Time) {
		if t.Before(end) {
			end = t
		}
	}
	for _, m := range k.segs {
		if !kept(m) {
			continue
		}
		if m.Oldest.IsZero() {
			return end, false, nil
		}
		sooner(m.Oldest)
	}
	firsts, err := segment.List(k.dir)
	if err != nil {
		return end, false, err
	}
	for _, first := range firsts {
		at, ok, err := begun(segment.Path(k.dir, first))
		if err != nil || !ok {
			return end, false, err
		}
		sooner(at)
	}
	return end, true, nil
}

// kept reports whether files of the classes access and security are left.
func kept(m *sealed.Manifest) bool {
	return slices.ContainsFunc(m.Files, func(f sealed.File) bool { return f.Class != class.Audit && f.Removed == nil })
}

// begun returns the time of the first record of a segment, now if it has none
// yet, and false if it cannot be read.
func begun(path string) (time.Time, bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return time.Time{}, false, err
	}
	defer func() { _ = f.Close() }() // it was only read
	if info, err := f.Stat(); err != nil || info.Size() == 0 {
		return time.Now(), err == nil, err
	}
	entry, err := auditlog.NewReader(f, "", 0, 0).Next()
	if err != nil {
		return time.Time{}, false, nil //nolint:nilerr // damage: what is behind it is not known
	}
	e, err := auditlog.ParseEntry(entry)
	return e.Time, err == nil, nil
}
