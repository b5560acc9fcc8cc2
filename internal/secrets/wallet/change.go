package wallet

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/disk"
)

const (
	fingerprintSize = 16
	// MaxOverlap bounds how long a replaced value is kept.
	MaxOverlap = 90 * 24 * time.Hour
)

// New is an entry that is to be.
type New struct {
	Name        string
	Provider    string
	Permissions []string
	Metadata    map[string]string
	Expires     *time.Time
	Default     bool // of its provider, if that has none yet
}

// Item is an entry with its value, for many at once.
type Item struct {
	New
	Value []byte
}

// change applies f to the file as it is now, under the lock of all processes.
// What f changes is not seen by anybody unless it is committed.
func (w *Wallet) change(ctx context.Context, f func() ([]note, error)) (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.key == nil {
		return ErrLocked
	}
	unlock, err := disk.Lock(w.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := w.load(); err != nil {
		return err
	}
	h, c, key := w.header, w.c, w.key
	w.c = c.clone()
	notes, err := f()
	if err == nil {
		w.c.purge(w.o.Clock())
		w.header.Generation++
		var raw []byte
		if raw, err = seal(w.header, w.c, w.key); err == nil {
			err = w.commit(ctx, notes, raw)
		}
	}
	if err != nil {
		if len(w.key) > 0 && &w.key[0] != &key[0] {
			clear(w.key)
		}
		w.header, w.c, w.key = h, c, key
		w.seen = nil
		return errors.Join(err, w.reload())
	}
	if &w.key[0] != &key[0] {
		clear(key)
	}
	return w.reload()
}

// reload reads the file after a change of it, or after one that failed halfway
// and may have reached the disk.
func (w *Wallet) reload() error {
	err := w.load()
	if err != nil {
		clear(w.key)
		w.key, w.c = nil, nil
		return fmt.Errorf("reading the wallet after the change: %w", err)
	}
	return nil
}

// clone copies what changes write to: the list and its records, not the bytes,
// which nobody writes to.
func (c *contents) clone() *contents {
	return &contents{fingerprints: c.fingerprints, records: slices.Clone(c.records)}
}

// purge drops previous values whose overlap has passed.
func (c *contents) purge(now time.Time) {
	for i := range c.records {
		if r := &c.records[i]; r.previous.version != 0 && r.keptUntil <= now.UnixMilli() {
			r.previous, r.keptUntil = sealed{}, 0
		}
	}
}

func (c *contents) fingerprint(value []byte) []byte {
	h := hmac.New(sha256.New, c.fingerprints)
	h.Write(value)
	return h.Sum(nil)[:fingerprintSize]
}

// Put adds an entry. The error wraps [ErrExists] or [ErrInvalid].
func (w *Wallet) Put(ctx context.Context, n New, value []byte) error {
	return w.PutAll(ctx, []Item{{n, value}}, "wallet.put")
}

// PutAll adds all entries or none. action says in the audit journal what for.
func (w *Wallet) PutAll(ctx context.Context, items []Item, action string) error {
	return w.change(ctx, func() ([]note, error) {
		notes := make([]note, 0, len(items))
		for i := range items {
			it := &items[i]
			if err := it.validate(it.Value); err != nil {
				return nil, err
			}
			at, found := w.c.find(it.Name)
			if found {
				return nil, fmt.Errorf("%q: %w", it.Name, ErrExists)
			}
			r := record{
				name: it.Name, provider: it.Provider, permissions: slices.Clone(it.Permissions), metadata: maps.Clone(it.Metadata),
				expires: millis(it.Expires), created: w.o.Clock().UnixMilli(),
			}
			if err := w.give(&r, &r.current, it.Value); err != nil {
				return nil, err
			}
			r.marks.preferred = it.Default && it.Provider != "" && !w.c.hasDefault(it.Provider)
			w.c.records = slices.Insert(w.c.records, at, r)
			notes = append(notes, note{event: portcullis.EventSecretWritten, action: action, name: r.name, provider: r.provider, version: r.last})
		}
		return notes, nil
	})
}

// give seals a value as the next version.
func (w *Wallet) give(r *record, to *sealed, value []byte) (err error) {
	if r.last == 1<<32-1 {
		return fmt.Errorf("%w: no version is left", ErrInvalid)
	}
	r.last++
	*to, err = sealValue(w.key, w.header.ID, r, r.last, value)
	return err
}

// step changes one entry.
func (w *Wallet) step(ctx context.Context, name, action string, event portcullis.EventType, f func(r *record) error) error {
	return w.change(ctx, func() ([]note, error) {
		i, ok := w.c.find(name)
		if !ok {
			return nil, fmt.Errorf("%q: %w", name, ErrNotFound)
		}
		r := &w.c.records[i]
		if err := f(r); err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		return []note{{event: event, action: action, name: name, provider: r.provider, version: r.last}}, nil
	})
}

// Rotation says how a value takes the place of another.
type Rotation struct {
	Overlap time.Duration // how long the old value is kept; 0 = not at all
	Expires *time.Time    // of the entry from now on; nil = as before
	Version uint32        // that the pending value must have, as it was verified; 0 = any
}

// Rotate makes value the current one. The error wraps [ErrInvalid] for a value
// that the entry has or had before.
func (w *Wallet) Rotate(ctx context.Context, name string, value []byte, o Rotation) error {
	return w.step(ctx, name, "wallet.rotate", portcullis.EventSecretRotated, func(r *record) error {
		if r.pending.version != 0 {
			return fmt.Errorf("%w: a value is pending: promote or abort it first", ErrState)
		}
		if err := w.stage(r, value); err != nil {
			return err
		}
		return w.promote(r, o)
	})
}

// Stage keeps value as the pending one. Nothing serves it until [Wallet.Promote].
func (w *Wallet) Stage(ctx context.Context, name string, value []byte) error {
	return w.staging(ctx, name, value, false)
}

// StageAutomatic is Stage for a value that no person gave: what goes on with it
// after a crash may do so by itself.
func (w *Wallet) StageAutomatic(ctx context.Context, name string, value []byte) error {
	return w.staging(ctx, name, value, true)
}

func (w *Wallet) staging(ctx context.Context, name string, value []byte, automatic bool) error {
	return w.step(ctx, name, "wallet.stage", portcullis.EventSecretWritten, func(r *record) error {
		if r.pending.version != 0 {
			return fmt.Errorf("%w: a value is pending already: promote or abort it first", ErrState)
		}
		if err := w.stage(r, value); err != nil {
			return err
		}
		r.marks.staged, r.marks.automatic = w.o.Clock().UnixMilli(), automatic
		return nil
	})
}

func (w *Wallet) stage(r *record, value []byte) error {
	if err := validValue(value); err != nil {
		return err
	}
	v, err := openValue(w.key, w.header.ID, r, &r.current)
	if err != nil {
		return err
	}
	defer v.Wipe()
	print := w.c.fingerprint(value)
	if hmac.Equal(w.c.fingerprint(v.Bytes()), print) {
		return fmt.Errorf("%w: that is the value it has", ErrInvalid)
	}
	if len(r.fingerprint) > 0 && hmac.Equal(r.fingerprint, print) {
		return fmt.Errorf("%w: that is the value it had before", ErrInvalid)
	}
	return w.give(r, &r.pending, value)
}

// Promote makes the pending value the current one.
func (w *Wallet) Promote(ctx context.Context, name string, o Rotation) error {
	return w.step(ctx, name, "wallet.promote", portcullis.EventSecretRotated, func(r *record) error {
		if r.pending.version == 0 {
			return fmt.Errorf("%w: no value is pending", ErrState)
		}
		if o.Version != 0 && r.pending.version != o.Version {
			return fmt.Errorf("%w: another value is pending by now", ErrState)
		}
		return w.promote(r, o)
	})
}

func (w *Wallet) promote(r *record, o Rotation) error {
	if o.Overlap < 0 || o.Overlap > MaxOverlap {
		return fmt.Errorf("%w: an overlap is at most %s", ErrInvalid, MaxOverlap)
	}
	old, err := openValue(w.key, w.header.ID, r, &r.current)
	if err != nil {
		return err
	}
	defer old.Wipe()
	now := w.o.Clock()
	r.fingerprint, r.rotated = w.c.fingerprint(old.Bytes()), now.UnixMilli()
	r.previous, r.keptUntil = r.current, now.Add(o.Overlap).UnixMilli() // purged at once without an overlap
	r.current = r.pending
	r.drop()
	if o.Expires != nil {
		r.expires = millis(o.Expires)
	}
	return nil
}

// drop empties the slot of the pending value.
func (r *record) drop() {
	r.pending, r.marks.staged, r.marks.automatic = sealed{}, 0, false
}

// Abort drops the pending value.
func (w *Wallet) Abort(ctx context.Context, name string) error { return w.AbortVersion(ctx, name, 0) }

// AbortVersion is Abort for a pending value of one version; 0 is any.
func (w *Wallet) AbortVersion(ctx context.Context, name string, version uint32) error {
	return w.step(ctx, name, "wallet.abort", portcullis.EventSecretWritten, func(r *record) error {
		if r.pending.version == 0 || version != 0 && r.pending.version != version {
			return fmt.Errorf("%w: no value is pending", ErrState)
		}
		r.drop()
		return nil
	})
}

// Purge drops the previous value before its time.
func (w *Wallet) Purge(ctx context.Context, name string) error {
	return w.step(ctx, name, "wallet.purge", portcullis.EventSecretWritten, func(r *record) error {
		if r.previous.version == 0 {
			return fmt.Errorf("%w: no previous value is kept", ErrState)
		}
		r.previous, r.keptUntil = sealed{}, 0
		return nil
	})
}

// Remove removes an entry with all its values.
func (w *Wallet) Remove(ctx context.Context, name string) error {
	return w.change(ctx, func() ([]note, error) {
		i, ok := w.c.find(name)
		if !ok {
			return nil, fmt.Errorf("%q: %w", name, ErrNotFound)
		}
		r := w.c.records[i]
		w.c.records = slices.Delete(w.c.records, i, i+1)
		return []note{{event: portcullis.EventSecretWritten, action: "wallet.remove", name: name, provider: r.provider, version: r.current.version}}, nil
	})
}

// Rewrap gives the wallet another key, kept by p: another password, other
// parameters, another kind of keeping. Who knows the old password and has an
// old copy can open nothing newer. Data keys and values stay as they are.
func (w *Wallet) Rewrap(ctx context.Context, p Protector) error {
	return w.change(ctx, func() ([]note, error) {
		key := envelope.NewKey()
		s, err := p.protect(ctx, w.header.ID, key)
		if err != nil {
			return nil, err
		}
		if err := w.c.moveKeys(w.key, key, w.header.ID); err != nil {
			return nil, err
		}
		w.header.Slot, w.key = s, key
		return []note{{event: portcullis.EventSecretWritten, action: "wallet.rewrap"}}, nil
	})
}
