package feed_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/feed"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// TestWindowServesAllFeeds: feeds that share a window get every record in order,
// each completed for those that want that, and once for all; who adds to an
// event disturbs nobody. Small segments make the feeds cross files.
func TestWindowServesAllFeeds(t *testing.T) {
	const records, feeds = 6000, 4
	dir := t.TempDir()
	cfg := journal.Default()
	cfg.SegmentBytes = 1 << 20
	j, err := journal.Open(dir, cfg, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close(context.Background()) })
	var opened atomic.Int64
	w := feed.NewWindow(j.End, func(e *portcullis.Event) { opened.Add(1); e.Actor.ID = "opened" })
	var all sync.WaitGroup
	for i := range feeds {
		opts := feed.Options{Window: w}
		name := string(rune('a' + i))
		if i%2 == 0 {
			opts.Open = func(*portcullis.Event) {}
		}
		f, err := feed.Open(dir, name, opts)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer func() { _ = f.Close() }()
			for seq := range uint64(records) {
				r, err := f.Next(t.Context())
				if err != nil || r.Seq != seq || (r.Event.Actor.ID == "opened") != (opts.Open != nil) || len(r.Entry) == 0 || len(r.Event.Details) != 3 {
					t.Errorf("%s: record %d is %d %+v, %v", name, seq, r.Seq, r.Event, err)
					return
				}
				r.Event.Details = append(r.Event.Details, slog.String("by", name)) // -race tells if that is anybody else's
				if r.Next.Seq != seq+1 || f.Cursor() != r.Next {
					t.Errorf("%s: behind %d: %v, %v", name, seq, r.Next, f.Cursor())
				}
			}
		})
	}
	for range records {
		e := &portcullis.Event{Type: portcullis.EventCallStarted, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomePending, Details: []slog.Attr{slog.Int("a", 1), slog.Int("b", 2), slog.Int("c", 3)}}
		if err := j.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	if n := opened.Load(); n < records || n >= feeds/2*records {
		t.Errorf("%d events were completed for %d feeds that want %d records", n, feeds/2, records)
	}
}

// TestWindowKeepsNothingAheadOfTheEnd: what may still be cut off is read anew by
// each feed.
func TestWindowKeepsNothingAheadOfTheEnd(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	write(t, j, 0, 3)
	opened := 0
	w := feed.NewWindow(func() journal.Cursor { return journal.Cursor{Seq: 2} }, func(*portcullis.Event) { opened++ })
	for _, name := range []string{"a", "b"} {
		f, err := feed.Open(dir, name, feed.Options{Window: w, Open: func(*portcullis.Event) {}})
		if err != nil {
			t.Fatal(err)
		}
		want(t, f, 0, 3, false)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if opened != 4 { // the first two once, the third by each
		t.Errorf("%d events were completed, want 4", opened)
	}
}
