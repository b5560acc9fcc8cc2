package wallet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// marks are what an entry has beside its values. They stand behind the entries,
// and only where there are some: a wallet without them is written as it was
// before there were any, and such files are read.
type marks struct {
	preferred bool  // the default of its provider
	automatic bool  // no person gave the pending value
	staged    int64 // when the pending value came, Unix milliseconds
}

const (
	marksVersion  = 1
	markPreferred = 1 << 0
	markAutomatic = 1 << 1
)

func (m marks) flags() uint64 {
	var f uint64
	if m.preferred {
		f |= markPreferred
	}
	if m.automatic {
		f |= markAutomatic
	}
	return f
}

// appendMarks writes the marks of the records that have some.
func appendMarks(b []byte, records []record) []byte {
	n := uint64(0)
	for i := range records {
		if records[i].marks != (marks{}) {
			n++
		}
	}
	if n == 0 {
		return b
	}
	b = binary.AppendUvarint(append(b, marksVersion), n)
	for i := range records {
		if m := records[i].marks; m != (marks{}) {
			b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(i)), m.flags()) //nolint:gosec // an index
			b = binary.AppendVarint(b, m.staged)
		}
	}
	return b
}

// marks reads what appendMarks wrote.
func (r *reader) marks(records []record) {
	if r.err != nil || len(r.rest) == 0 {
		return
	}
	if r.uint(1<<8) != marksVersion {
		r.fail("marks of another version")
		return
	}
	n := r.count(len(records))
	if n == 0 {
		r.fail("marks of nothing")
	}
	last := -1
	for range n {
		if r.err != nil {
			return
		}
		i, flags := r.count(len(records)), r.uint(markPreferred|markAutomatic)
		m := marks{preferred: flags&markPreferred != 0, automatic: flags&markAutomatic != 0, staged: r.time()}
		if i <= last || i >= len(records) || m == (marks{}) {
			r.fail("marks are not in order")
			return
		}
		records[i].marks, last = m, i
	}
}

func (c *contents) hasDefault(provider string) bool {
	return slices.ContainsFunc(c.records, func(r record) bool { return r.provider == provider && r.marks.preferred })
}

// SetDefault makes an entry the one that stands for its provider.
func (w *Wallet) SetDefault(ctx context.Context, name string) error {
	return w.step(ctx, name, "wallet.default", portcullis.EventSecretWritten, func(r *record) error {
		if r.provider == "" {
			return fmt.Errorf("%w: it has no provider to stand for", ErrInvalid)
		}
		for i := range w.c.records {
			if o := &w.c.records[i]; o.provider == r.provider {
				o.marks.preferred = false
			}
		}
		r.marks.preferred = true
		return nil
	})
}

// Provider returns the name of the entry that stands for a provider: the
// default one if it has not expired, else the oldest that has not. The error
// wraps [ErrNotFound], or [ErrExpired] if all have expired.
func (w *Wallet) Provider(provider string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.refresh(); err != nil {
		return "", err
	}
	var best *record
	found := false
	for i := range w.c.records {
		r := &w.c.records[i]
		if provider == "" || r.provider != provider {
			continue
		}
		found = true
		if e := r.entry(); e.Expired(w.o.Clock()) || r.current.version == 0 {
			continue
		}
		if best == nil || r.before(best) {
			best = r
		}
	}
	switch {
	case best != nil:
		return best.name, nil
	case found:
		return "", fmt.Errorf("every key of provider %q: %w", provider, ErrExpired)
	}
	return "", fmt.Errorf("a key of provider %q: %w", provider, ErrNotFound)
}

func (r *record) before(o *record) bool {
	if r.marks.preferred != o.marks.preferred {
		return r.marks.preferred
	}
	if r.created != o.created {
		return r.created < o.created
	}
	return strings.Compare(r.name, o.name) < 0
}

// ForProvider returns the current value of the entry that stands for a provider.
func (w *Wallet) ForProvider(ctx context.Context, provider string) (*Value, Entry, error) {
	for range 2 { // removed or expired between the choice and the reading: choose again
		name, err := w.Provider(provider)
		if err != nil {
			return nil, Entry{}, err
		}
		v, e, err := w.Get(ctx, name)
		if err == nil || !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrExpired) {
			return v, e, err
		}
	}
	return nil, Entry{}, fmt.Errorf("a key of provider %q: %w", provider, ErrNotFound)
}
