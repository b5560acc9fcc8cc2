package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/crypto/argon2"
)

// ErrBusy says that too many hashes wait already.
var ErrBusy = errors.New("too many passwords are being checked")

// Options are what a [Hasher] needs.
type Options struct {
	Params   Params
	Parallel int // hashes computed at the same time
	Queue    int // callers that may wait for their turn
}

// Hasher computes and checks hashes. It is safe for concurrent use.
type Hasher struct {
	params   Params
	slots    chan struct{}
	waiting  atomic.Int64
	queue    int64
	computed atomic.Uint64
	dummy    digest
}

// New returns a Hasher. It takes any costs that argon2 does: see
// [Params.Validate] for those worth configuring.
func New(o Options) (*Hasher, error) {
	if !o.Params.possible() {
		return nil, fmt.Errorf("password hashes: impossible costs %+v", o.Params)
	}
	if o.Parallel < 1 || o.Queue < 0 {
		return nil, fmt.Errorf("password hashes: %d at a time, %d waiting", o.Parallel, o.Queue)
	}
	h := &Hasher{params: o.Params, slots: make(chan struct{}, o.Parallel), queue: int64(o.Queue)}
	h.dummy = digest{params: o.Params, salt: make([]byte, saltLen), sum: make([]byte, sumLen)}
	_, _ = rand.Read(h.dummy.salt) // never fails
	_, _ = rand.Read(h.dummy.sum)
	return h, nil
}

// Hash returns the PHC string of a password with a new salt.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	d := digest{params: h.params, salt: make([]byte, saltLen)}
	_, _ = rand.Read(d.salt) // never fails
	sum, err := h.compute(ctx, password, d, sumLen)
	if err != nil {
		return "", err
	}
	d.sum = sum
	return d.text(), nil
}

// Verify reports whether a password is the one of a stored hash, and whether
// that hash was made with other costs than those of h.
func (h *Hasher) Verify(ctx context.Context, stored, password string) (match, outdated bool, err error) {
	d, err := parse(stored)
	if err != nil {
		return false, false, err
	}
	match, err = h.verify(ctx, d, password)
	return match, d.params != h.params, err
}

// Waste does the work of [Hasher.Verify] and finds no match: for names that
// have no hash, which must not be answered sooner.
func (h *Hasher) Waste(ctx context.Context, password string) error {
	_, err := h.verify(ctx, h.dummy, password)
	return err
}

func (h *Hasher) verify(ctx context.Context, d digest, password string) (bool, error) {
	sum, err := h.compute(ctx, password, d, uint32(len(d.sum)))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, d.sum) == 1, nil
}

// Computed is the number of hashes computed so far.
func (h *Hasher) Computed() uint64 { return h.computed.Load() }

// compute waits for its turn. A hash that began is finished: nothing can stop
// argon2.
func (h *Hasher) compute(ctx context.Context, password string, d digest, size uint32) ([]byte, error) {
	select {
	case h.slots <- struct{}{}:
	default:
		if h.waiting.Add(1) > h.queue {
			h.waiting.Add(-1)
			return nil, ErrBusy
		}
		defer h.waiting.Add(-1)
		select {
		case h.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() { <-h.slots }()
	h.computed.Add(1)
	return argon2.IDKey([]byte(password), d.salt, d.params.Time, d.params.Memory, d.params.Threads, size), nil
}
