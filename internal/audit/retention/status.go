package retention

import (
	"os"
	"path/filepath"
	"time"

	"github.com/portcullis-dev/portcullis/internal/audit/class"
	"github.com/portcullis-dev/portcullis/internal/audit/sealed"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
)

// lowDisk is the part of the disk below which free space is called low.
const lowDisk = 0.1

// Status is what the last pass left.
type Status struct {
	At      time.Time // when the pass ended
	Time    time.Time // of the keeper's clock, by which things are removed
	Behind  bool      // the wall clock is behind that: nothing is removed
	Classes []ClassStatus
	Files   []FileStatus
	// Undivided segments, the one in use among them.
	Undivided      int
	UndividedBytes int64
	Damaged        []string // segments that cannot be divided
	Waiting        string   // a consumer that has not read what is divided next or overdue
	Holds          int
	Leaving        int    // class files whose removal waits for the checkpoint that covers the event of it
	DiskFree       uint64 // bytes; 0 if unknown
	DiskSize       uint64
	DiskLow        bool
	Err            error // of the pass
}

// ClassStatus is what is kept of a class.
type ClassStatus struct {
	Class   class.Class
	Keep    time.Duration
	Files   int
	Records uint64
	Bytes   int64
	Oldest  time.Time // of the oldest event that is kept; zero if none
	Next    time.Time // when the next file is due; zero if none is there
	Held    int       // files whose time is over, but for a hold
}

// FileStatus is one class file that is kept.
type FileStatus struct {
	Class       class.Class
	First, Last uint64 // of its segment
	Records     uint64
	Bytes       int64
	Oldest      time.Time
	Newest      time.Time
	Due         time.Time
	Held        bool
	ArchivedTo  string
}

// Status returns what the last pass left, or before the first what is there.
func (k *Keeper) Status() (*Status, error) {
	if s := k.seen.Load(); s != nil {
		return s, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil {
		return nil, err
	}
	if err := k.readClock(); err != nil {
		return nil, err
	}
	k.measure(k.policy.Load(), nil)
	return k.seen.Load(), nil
}

// remeasure brings the status of the last pass up to date with the holds. A
// pass that is under way does that itself, and is not waited for.
func (k *Keeper) remeasure() {
	if !k.mu.TryLock() {
		return
	}
	defer k.mu.Unlock()
	if s := k.seen.Load(); s != nil {
		k.measure(k.policy.Load(), s.Err)
	}
}

// measure stores the status after a pass.
func (k *Keeper) measure(p *Policy, err error) {
	s := &Status{At: k.now(), Time: k.time, Behind: k.behind, Err: err, Leaving: len(k.told)}
	holds, herr := loadHolds(k.dir)
	if herr != nil && s.Err == nil {
		s.Err = herr
	}
	s.Holds = len(holds)
	for _, c := range class.All() {
		cs := ClassStatus{Class: c, Keep: p.Keep(c)}
		for _, m := range k.segs {
			f := m.File(c)
			if f == nil || f.Removed != nil {
				continue
			}
			over := due(p, m, c)
			isHeld := held(holds, m, c)
			cs.Files++
			cs.Records += f.Records
			cs.Bytes += f.Bytes
			if cs.Oldest.IsZero() || m.Oldest.Before(cs.Oldest) {
				cs.Oldest = m.Oldest
			}
			switch {
			case isHeld && k.time.After(over):
				cs.Held++
			case !isHeld && (cs.Next.IsZero() || over.Before(cs.Next)):
				cs.Next = over
			}
			s.Files = append(s.Files, FileStatus{
				Class: c, First: m.First, Last: m.Last, Records: f.Records, Bytes: f.Bytes,
				Oldest: m.Oldest, Newest: m.Newest, Due: over, Held: isHeld, ArchivedTo: f.ArchivedTo,
			})
		}
		s.Classes = append(s.Classes, cs)
		k.opts.Observer.Kept(string(c), cs.Bytes, cs.Oldest)
	}
	k.measureUndivided(p, s)
	k.measureDisk(s)
	k.opts.Observer.Disk(s.UndividedBytes, s.DiskFree)
	k.seen.Store(s)
}

func (k *Keeper) measureUndivided(p *Policy, s *Status) {
	files, err := filepath.Glob(filepath.Join(k.dir, "journal", "*.log"))
	if err == nil {
		for _, f := range files {
			if info, err := os.Stat(f); err == nil {
				s.Undivided++
				s.UndividedBytes += info.Size()
			}
		}
	}
	for first := range k.damaged {
		s.Damaged = append(s.Damaged, filepath.Base(segment.Path(k.dir, first)))
	}
	readers, err := consumers(k.dir, p.Essential)
	if err != nil {
		return
	}
	end := uint64(0)
	if ended, err := segment.Ended(k.dir); err == nil {
		for _, first := range ended {
			if info, err := os.Stat(segment.Path(k.dir, first)); err == nil && k.now().Sub(info.ModTime()) > p.DivideAfter && k.damaged[first] == nil {
				if next, err := k.endOf(first); err == nil {
					end = next
				}
				break
			}
		}
	}
	for _, m := range k.segs {
		for _, f := range m.Files {
			if f.Removed == nil && k.time.After(due(p, m, f.Class)) {
				end = max(end, m.Last+1)
			}
		}
	}
	s.Waiting = waiting(readers, end, true)
}

func (k *Keeper) measureDisk(s *Status) {
	free, size, ok := diskSpace(sealed.Dir(k.dir))
	if !ok || size == 0 {
		return
	}
	s.DiskFree, s.DiskSize = free, size
	s.DiskLow = float64(free) < lowDisk*float64(size)
	if before := k.seen.Load(); s.DiskLow && (before == nil || !before.DiskLow) {
		k.log.Warn("the disk of the audit log is nearly full", "free_bytes", free, "size_bytes", size)
	}
}
