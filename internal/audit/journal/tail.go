package journal

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
)

// PollInterval is how often a following [Tail] looks for new records.
const PollInterval = 200 * time.Millisecond

// Filter selects events; its zero value selects all. An event must match
// every field that is set.
type Filter struct {
	Types     []portcullis.EventType // one of these
	Actor     string                 // actor id, key id, or subject of a sealed one
	RequestID string
	Since     time.Time // not before
}

// Match reports whether e is selected.
func (f *Filter) Match(e *portcullis.Event) bool {
	return (len(f.Types) == 0 || slices.Contains(f.Types, e.Type)) &&
		(f.Actor == "" || f.Actor == e.Actor.ID || f.Actor == e.Actor.KeyID || f.Actor == e.Actor.Subject) &&
		(f.RequestID == "" || f.RequestID == e.RequestID) &&
		(f.Since.IsZero() || !e.Time.Before(f.Since))
}

func (f *Filter) all() bool {
	return len(f.Types) == 0 && f.Actor == "" && f.RequestID == "" && f.Since.IsZero()
}

// TailOptions say what [Tail] shows.
type TailOptions struct {
	Last   int    // how many matching records to begin with; negative: all
	Follow bool   // wait for more instead of returning at the end
	Filter Filter // which records
	// Open completes an event whose personal data is sealed, before it is
	// matched and shown. nil = it stays sealed.
	Open func(*portcullis.Event)
	// Damage is told of damaged and missing records, of which nothing else can
	// be shown; nil makes them end the tail with that error.
	Damage func(error) error
}

// Tail calls show for the last matching records of the journal in the audit
// directory dir and, if asked, for each that follows until ctx ends. It reads
// the files only, so it works beside the process that writes them. Entry and
// event belong to show. Tail returns the first error of show, or nil when ctx
// ends.
func Tail(ctx context.Context, dir string, opts TailOptions, show func(Line, portcullis.Event) error) error {
	from := Cursor{}
	if opts.Last >= 0 {
		var err error
		if from, err = lastMatches(ctx, dir, opts); err != nil {
			return err
		}
	}
	r := NewReader(dir, from)
	defer func() { _ = r.Close() }() // it was only read
	for ctx.Err() == nil {
		line, err := r.Next()
		switch {
		case err == nil:
			err = opts.show(line, show)
		case errors.Is(err, io.EOF) && opts.Follow:
			err = pause(ctx, PollInterval)
		case errors.Is(err, io.EOF):
			return nil
		case IsExpired(err):
			err = nil
		case IsDamage(err) && opts.Damage != nil:
			err = opts.Damage(err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parse reads an entry and opens it.
func (o *TailOptions) parse(entry []byte) (portcullis.Event, error) {
	e, err := auditlog.ParseEntry(entry)
	if err == nil && o.Open != nil {
		o.Open(&e)
	}
	return e, err
}

func (o *TailOptions) show(line Line, show func(Line, portcullis.Event) error) error {
	e, err := o.parse(line.Entry)
	if err != nil {
		if o.Damage == nil {
			return err
		}
		return o.Damage(err)
	}
	if !o.Filter.Match(&e) {
		return nil
	}
	line.Entry = slices.Clone(line.Entry)
	return show(line, e)
}

// pause waits for d, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}

// End returns where the next record of the journal in the audit directory dir
// will be, as far as it is written.
func End(dir string) (Cursor, error) {
	return lastMatches(context.Background(), dir, TailOptions{})
}

// lastMatches returns where the last opts.Last matching records begin. It
// reads the segments from the newest to the oldest until it has enough.
func lastMatches(ctx context.Context, dir string, opts TailOptions) (Cursor, error) {
	firsts, err := allSegments(dir)
	if err != nil {
		return Cursor{}, err
	}
	missing := opts.Last
	var from *Cursor
	for i := len(firsts) - 1; i >= 0 && (missing > 0 || from == nil); i-- {
		end := ^uint64(0)
		if i+1 < len(firsts) {
			end = firsts[i+1]
		}
		found, last, err := matchesIn(ctx, dir, firsts[i], end, missing, &opts)
		if err != nil {
			return Cursor{}, err
		}
		switch {
		case len(found) > 0:
			from = &found[0]
		case from == nil:
			from = &last
		}
		missing -= len(found)
	}
	if from == nil {
		return Cursor{}, nil
	}
	return *from, nil
}

// matchesIn returns the places of the last n matching records before number
// end in the segment that starts with first, and the end of the segment.
func matchesIn(ctx context.Context, dir string, first, end uint64, n int, opts *TailOptions) ([]Cursor, Cursor, error) {
	r := NewReader(dir, Cursor{Segment: first, Seq: first})
	defer func() { _ = r.Close() }() // it was only read
	var found []Cursor
	for r.Cursor().Seq < end {
		if err := ctx.Err(); err != nil {
			return nil, r.Cursor(), err
		}
		line, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return found, r.Cursor(), nil
		case IsDamage(err):
			continue // shown when the tail gets there
		case err != nil:
			return nil, r.Cursor(), err
		case line.Seq >= end: // already the next segment
			return found, line.At, nil
		case n == 0 || !opts.matches(line.Entry):
			continue
		case len(found) == n:
			found = append(found[:0], found[1:]...)
		}
		found = append(found, line.At)
	}
	return found, r.Cursor(), nil
}

func (o *TailOptions) matches(entry []byte) bool {
	if o.Filter.all() {
		return true
	}
	e, err := o.parse(entry)
	return err == nil && o.Filter.Match(&e)
}
