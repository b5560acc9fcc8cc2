package wallet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/disk"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/kdf"
)

// FileName is the file in the data folder.
const FileName = "portcullis.wallet"

// Options are what a wallet works with.
type Options struct {
	Recorder portcullis.Recorder // of accesses and changes
	Actor    portcullis.Actor    // on whose behalf
	FS       disk.FS             // nil = that of the machine
	Clock    func() time.Time    // nil = time.Now
}

// Wallet is an open wallet file. It is safe for concurrent use, also by other
// processes on the same file.
type Wallet struct {
	path string
	o    Options

	mu     sync.Mutex
	key    []byte // the wallet key; nil = locked
	header header
	c      *contents
	seen   os.FileInfo // of the file as it was read
}

var _ Reader = (*Wallet)(nil)

func (o Options) filled() (Options, error) {
	if o.Recorder == nil {
		return o, errors.New("a wallet needs a recorder of events")
	}
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o, nil
}

// Create makes an empty wallet at path. The error wraps [fs.ErrExist] if there
// is a file.
func Create(ctx context.Context, path string, p Protector, o Options) (err error) {
	if o, err = o.filled(); err != nil {
		return err
	}
	unlock, err := disk.Lock(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("making a wallet at %q: %w", path, errors.Join(err, fs.ErrExist))
	}
	id := make([]byte, idSize)
	rand.Read(id) //nolint:errcheck // it never fails
	h := header{ID: hex.EncodeToString(id), Generation: 1}
	key := envelope.NewKey()
	defer clear(key)
	if h.Slot, err = p.protect(ctx, h.ID, key); err != nil {
		return err
	}
	raw, err := seal(h, &contents{fingerprints: envelope.NewKey()}, key)
	if err != nil {
		return err
	}
	w := &Wallet{path: path, o: o}
	return w.commit(ctx, []note{{event: portcullis.EventSecretWritten, action: "wallet.init"}}, raw)
}

// Open opens the wallet at path.
func Open(ctx context.Context, path string, u Unlocker, o Options) (*Wallet, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	raw, seen, err := read(path)
	if err != nil {
		return nil, err
	}
	p, err := parse(raw)
	if err != nil {
		return nil, err
	}
	key, err := u.unlock(ctx, p.header.ID, &p.header.Slot)
	if err != nil {
		return nil, err
	}
	c, err := p.open(key)
	if err != nil {
		clear(key)
		return nil, err
	}
	return &Wallet{path: path, o: o, key: key, header: p.header, c: c, seen: seen}, nil
}

func read(path string) ([]byte, os.FileInfo, error) {
	seen, err := os.Lstat(path) // before reading: what changes meanwhile is read again
	if err != nil {
		return nil, nil, fmt.Errorf("opening the wallet: %w", err)
	}
	raw, err := disk.Read(path, maxFile)
	return raw, seen, err
}

// Close forgets the wallet key. Afterwards everything is [ErrLocked].
func (w *Wallet) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.key)
	if w.c != nil {
		clear(w.c.fingerprints)
	}
	w.key, w.c = nil, nil
}

// refresh reads the file again if another process changed it. The lock is held.
func (w *Wallet) refresh() error {
	if w.key == nil {
		return ErrLocked
	}
	now, err := os.Lstat(w.path)
	if err != nil {
		return fmt.Errorf("opening the wallet: %w", err)
	}
	if os.SameFile(now, w.seen) && now.ModTime().Equal(w.seen.ModTime()) && now.Size() == w.seen.Size() {
		return nil
	}
	return w.load()
}

// load reads the file. A wallet that was wrapped again, or put in the place of
// this one, does not open with the key at hand: it needs to be unlocked anew.
func (w *Wallet) load() error {
	raw, seen, err := read(w.path)
	if err != nil {
		return err
	}
	p, err := parse(raw)
	if err != nil {
		return err
	}
	if p.header.ID != w.header.ID {
		return fmt.Errorf("%w: another wallet is in its place", ErrLocked)
	}
	c, err := p.open(w.key)
	if err != nil {
		if p.header.Generation > w.header.Generation && string(p.header.Slot.Wrapped) != string(w.header.Slot.Wrapped) {
			return fmt.Errorf("%w: it was wrapped again meanwhile: %w", ErrLocked, err)
		}
		return err
	}
	if p.header.Generation < w.header.Generation {
		return fmt.Errorf("%w: it is older than what was read before", ErrDamaged)
	}
	w.header, w.c, w.seen = p.header, c, seen
	return nil
}

// Get returns the current value of an entry that has not expired.
func (w *Wallet) Get(ctx context.Context, name string) (*Value, Entry, error) {
	return w.Reveal(ctx, name, Current, false)
}

// Which of the values of an entry.
type Which string

// The values an entry can have.
const (
	Current  Which = "current"
	Pending  Which = "pending"
	Previous Which = "previous"
)

// Reveal returns one of the values of an entry, also of an expired one if the
// caller says so.
func (w *Wallet) Reveal(ctx context.Context, name string, which Which, expired bool) (*Value, Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.refresh(); err != nil {
		return nil, Entry{}, err
	}
	i, ok := w.c.find(name)
	if !ok {
		return nil, Entry{}, fmt.Errorf("%q: %w", name, ErrNotFound)
	}
	r := &w.c.records[i]
	e, now := r.entry(), w.o.Clock()
	s := r.value(which)
	n := note{event: portcullis.EventSecretRead, action: "wallet.get", name: name, provider: r.provider, version: s.version}
	var refusal error
	switch {
	case e.Expired(now) && !expired:
		refusal = fmt.Errorf("%q: %w (%s)", name, ErrExpired, e.Expires.Format(time.RFC3339))
	case s.version == 0 || which == Previous && r.keptUntil <= now.UnixMilli():
		refusal = fmt.Errorf("%q has no %s value: %w", name, which, ErrState)
	}
	if refusal != nil {
		n.reason = "refused"
		return nil, e, errors.Join(refusal, w.record(ctx, n, portcullis.OutcomeFailure))
	}
	v, err := openValue(w.key, w.header.ID, r, s)
	if err != nil {
		n.reason = "damaged"
		return nil, e, errors.Join(err, w.record(ctx, n, portcullis.OutcomeFailure))
	}
	if err := w.record(ctx, n, portcullis.OutcomeSuccess); err != nil {
		v.Wipe()
		return nil, e, err
	}
	return v, e, nil
}

func (r *record) value(which Which) *sealed {
	switch which {
	case Pending:
		return &r.pending
	case Previous:
		return &r.previous
	}
	return &r.current
}

// Entry returns what is known of an entry. The error wraps [ErrNotFound].
func (w *Wallet) Entry(name string) (Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.refresh(); err != nil {
		return Entry{}, err
	}
	i, ok := w.c.find(name)
	if !ok {
		return Entry{}, fmt.Errorf("%q: %w", name, ErrNotFound)
	}
	return w.c.records[i].entry(), nil
}

// List returns all entries by name.
func (w *Wallet) List() ([]Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.refresh(); err != nil {
		return nil, err
	}
	out := make([]Entry, len(w.c.records))
	for i := range w.c.records {
		out[i] = w.c.records[i].entry()
	}
	return out, nil
}

// Verify opens every value there is and returns how many. The file as a whole
// was authenticated when it was read.
func (w *Wallet) Verify() (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.key == nil {
		return 0, ErrLocked
	}
	if err := w.load(); err != nil {
		return 0, err
	}
	n := 0
	for i := range w.c.records {
		r := &w.c.records[i]
		for _, s := range []*sealed{&r.current, &r.pending, &r.previous} {
			if s.version == 0 {
				continue
			}
			v, err := openValue(w.key, w.header.ID, r, s)
			if err != nil {
				return n, err
			}
			v.Wipe()
			n++
		}
	}
	return n, nil
}

// Status is what a wallet file says of itself to somebody without its key:
// nothing of it is authenticated.
type Status struct {
	ID         string      `json:"id"`
	Generation uint64      `json:"generation"`
	Kind       string      `json:"kind"`
	KDF        *kdf.Params `json:"kdf,omitempty"`
	Recipients []string    `json:"recipients,omitempty"`
	Service    string      `json:"service,omitempty"`
	Size       int         `json:"size"`
}

// Inspect reads the header of the wallet at path.
func Inspect(path string) (Status, error) {
	raw, _, err := read(path)
	if err != nil {
		return Status{}, err
	}
	p, err := parse(raw)
	if err != nil {
		return Status{}, err
	}
	s := p.header.Slot
	return Status{ID: p.header.ID, Generation: p.header.Generation, Kind: s.Kind, KDF: s.KDF, Recipients: s.Recipients, Service: s.Service, Size: len(raw)}, nil
}
