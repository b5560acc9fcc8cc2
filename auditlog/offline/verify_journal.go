package offline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// span is the records from number from up to, but not with, number to.
type span struct{ from, to uint64 }

// part is a piece of the journal that one goroutine reads: a segment, or the
// class files of a divided one.
type part struct {
	first uint64
	last  uint64   // of a divided segment
	files []string // below the audit folder; one for a segment
	size  int64
	open  bool // a segment behind which no other begins: it may grow
	trust bool // ended before what was asked for: not read
	next  uint64

	// What reading it found.
	have    span   // records of a segment
	absent  uint64 // records of a divided segment that are in no file
	lacking span   // the first run of them
	checked uint64
	removed []removal
}

func (p *part) divided() bool {
	return len(p.files) != 1 || filepath.Dir(p.files[0]) != auditlog.JournalFolder
}

// journal compares the records with the tree.
func (v *verifier) journal(ctx context.Context) error {
	parts, err := listParts(v.dir)
	if err != nil {
		return err
	}
	var all int64
	from := uint64(0) // the first record that is read
	for i, p := range parts {
		if p.trust = v.before(p, parts[i+1:]); p.trust {
			from = max(from, p.next)
		} else {
			all += p.size
		}
	}
	if err := v.readParts(ctx, parts, all); err != nil {
		return err
	}
	v.judge(parts, from)
	return nil
}

// before reports whether a part ended before what was asked for: the part
// behind it begins so.
func (v *verifier) before(p *part, rest []*part) bool {
	if v.opts.Since.IsZero() || v.tree == nil || p.open || p.next > v.head.Size {
		return false
	}
	for _, q := range rest {
		if q.first >= p.next {
			at, ok := beginning(v.dir, q)
			return ok && at.Before(v.opts.Since)
		}
	}
	return false
}

// beginning returns the time of one of the first records of a part.
func beginning(dir string, p *part) (at time.Time, ok bool) {
	f, err := openPart(dir, p.files[0], nil)
	if err != nil {
		return at, false
	}
	defer func() { _ = f.Close() }() // it was only read
	line, _, err := auditlog.NewReader(f, "", 0, 0).Line()
	if err != nil {
		return at, false
	}
	entry, err := auditlog.ParseLine(line)
	if p.divided() {
		_, entry, err = parseDivided(line)
	}
	if err != nil {
		return at, false
	}
	e, err := auditlog.ParseEntry(entry)
	return e.Time, err == nil
}

// readParts reads the parts with as many goroutines as asked for.
func (v *verifier) readParts(ctx context.Context, parts []*part, all int64) error {
	todo := make(chan *part)
	var done atomic.Int64
	var telling sync.Mutex
	progress := func(n int64) {
		now := done.Add(n)
		if v.opts.Progress != nil && telling.TryLock() {
			v.opts.Progress(now, all)
			telling.Unlock()
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var readers sync.WaitGroup
	for range min(v.opts.Workers, max(len(parts), 1)) {
		readers.Go(func() {
			c := newComparer(v, progress)
			for p := range todo {
				if err := c.part(ctx, p); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	for _, p := range parts {
		select {
		case todo <- p:
		case <-ctx.Done():
		}
	}
	close(todo)
	readers.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if v.opts.Progress != nil {
		v.opts.Progress(all, all)
	}
	return nil
}

// comparer compares records with their leaves for one goroutine.
type comparer struct {
	v        *verifier
	l        *leaves // nil: there is no tree to compare with
	h        *auditlog.Hasher
	progress func(int64)
	run      *Problem // changed records, one behind the other, not told yet
}

func newComparer(v *verifier, progress func(int64)) *comparer {
	c := &comparer{v: v, h: auditlog.NewHasher(), progress: progress}
	if v.tree != nil {
		c.l = newLeaves(v.tree)
	}
	return c
}

func (c *comparer) part(ctx context.Context, p *part) error {
	switch {
	case p.trust:
		p.have = span{p.first, p.next}
		if c.l != nil {
			c.l.check(p.first, p.next)
		}
		return nil
	case p.divided():
		return c.classes(ctx, p)
	}
	return c.segment(ctx, p)
}

// segment reads one segment. Its records are numbered from its name on. When a
// record is not the one of its number but one of a number near by, the
// numbering is moved: so one record that was taken out is one problem.
func (c *comparer) segment(ctx context.Context, p *part) (err error) {
	f, err := os.Open(filepath.Join(c.v.dir, p.files[0]))
	if errors.Is(err, fs.ErrNotExist) {
		return c.meanwhile(ctx, p)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := auditlog.NewReader(f, p.files[0], 0, 0)
	shift, told := int64(0), int64(0)
	for {
		at := r.Offset()
		entry, err := r.Next()
		seq := uint64(max(0, int64(p.first)+r.Lines()-1+shift))
		var corrupt *auditlog.CorruptError
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, auditlog.ErrTorn):
			c.flush()
			if err != nil && errors.Is(err, auditlog.ErrTorn) {
				c.torn(p, r)
			}
			p.have = span{p.first, p.first + uint64(max(0, r.Lines()+shift))}
			c.progress(at - told)
			return nil
		case errors.As(err, &corrupt):
			c.damaged(p.files[0], corrupt, seq)
			continue
		case err != nil:
			return err
		}
		shift += c.record(p, entry, seq, r.Lines(), at)
		if r.Lines()&0x3ff == 0 {
			c.progress(r.Offset() - told)
			told = r.Offset()
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
}

// meanwhile reads the divided form of a segment that went when it was divided.
func (c *comparer) meanwhile(ctx context.Context, p *part) error {
	divided, err := listDivided(c.v.dir)
	if err != nil {
		return err
	}
	for _, d := range divided {
		if d.first == p.first {
			*p = *d
			return c.classes(ctx, p)
		}
	}
	return nil // missing
}

// record compares one record with its leaf. It returns by how much the number
// of the record is another.
func (c *comparer) record(p *part, entry []byte, seq uint64, line, at int64) (shift int64) {
	if auditlog.StandsIn(entry) {
		c.changed(p.files[0], seq, line, at, "the line holds no entry")
		return 0
	}
	if c.l == nil || seq >= c.v.head.Size {
		c.flush()
		p.note(entry, seq, false)
		return 0
	}
	p.checked++
	got := c.h.LeafHash(entry)
	want, known := c.l.hash(seq)
	switch {
	case got == want:
		c.flush()
		p.note(entry, seq, true)
	case !known: // its tile was told
	default:
		if shift = c.near(got, seq); shift == 0 {
			c.changed(p.files[0], seq, line, at, "is not the record that was signed")
			return 0
		}
		c.flush()
		text := fmt.Sprintf("%d records are gone before it", shift)
		if shift < 0 {
			text = fmt.Sprintf("%d records were put in before it, or it stands in the wrong place", -shift)
		}
		seq = uint64(int64(seq) + shift)
		c.v.found.add(Problem{Kind: ProblemMoved, File: p.files[0], Line: line, Offset: at, First: &seq, Text: text})
		p.note(entry, seq, true)
	}
	return shift
}

// near returns how far from seq the record with that leaf hash is, 0 if it is
// not near.
func (c *comparer) near(h auditlog.Hash, seq uint64) int64 {
	const reach = 64
	for d := int64(1); d <= reach; d++ {
		for _, shift := range []int64{d, -d} {
			at := int64(seq) + shift
			if at < 0 || uint64(at) >= c.v.head.Size {
				continue
			}
			if want, ok := c.l.hash(uint64(at)); ok && want == h {
				return shift
			}
		}
	}
	return 0
}

// changed notes that a record is not what it was; records in a row are told as
// one problem.
func (c *comparer) changed(file string, seq uint64, line, at int64, text string) {
	if c.run != nil && c.run.File == file && *c.run.Last+1 == seq && c.run.Text == text {
		c.run.Last = &seq
		return
	}
	c.flush()
	last := seq
	c.run = &Problem{Kind: ProblemChanged, File: file, Line: line, Offset: at, First: &seq, Last: &last, Text: text}
}

func (c *comparer) flush() {
	if c.run != nil {
		c.v.found.add(*c.run)
		c.run = nil
	}
}

func (c *comparer) damaged(file string, corrupt *auditlog.CorruptError, seq uint64) {
	c.flush()
	text := corrupt.Err.Error()
	if c.l != nil && seq < c.v.head.Size {
		if want, ok := c.l.hash(seq); ok && want == auditlog.LeafHash(auditlog.DamagedLeaf(seq)) {
			text += "; it was so already when the checkpoint was made"
		}
	}
	c.v.found.add(Problem{Kind: ProblemDamaged, File: file, Line: corrupt.Line, Offset: corrupt.Offset, First: &seq, Text: text})
}

// torn tells of half a line: at the end of the newest segment that is how a
// crash, or a writer at work, leaves it.
func (c *comparer) torn(p *part, r *auditlog.Reader) {
	if p.open {
		c.v.found.mu.Lock()
		c.v.report.HalfLine = true
		c.v.found.mu.Unlock()
		return
	}
	seq := p.first + uint64(r.Lines())
	c.v.found.add(Problem{Kind: ProblemDamaged, File: p.files[0], Line: r.Lines() + 1, Offset: r.Offset(), First: &seq, Text: "the segment ends in half a line"})
}

// listParts lists the pieces of the journal, ascending.
func listParts(dir string) ([]*part, error) {
	// In this order: a segment has its divided form before it loses the other.
	segments, err := listSegments(dir)
	if err != nil {
		return nil, err
	}
	divided, err := listDivided(dir)
	if err != nil {
		return nil, err
	}
	for i, p := range segments {
		if i+1 < len(segments) {
			p.next = segments[i+1].first
		} else {
			p.open = true
		}
	}
	// A segment that is still there is being divided: its class files may not be
	// all there yet.
	divided = slices.DeleteFunc(divided, func(d *part) bool {
		return slices.ContainsFunc(segments, func(s *part) bool { return s.first == d.first })
	})
	parts := append(divided, segments...)
	slices.SortStableFunc(parts, func(a, b *part) int {
		switch {
		case a.first < b.first:
			return -1
		case a.first > b.first:
			return 1
		}
		return 0
	})
	return parts, nil
}
