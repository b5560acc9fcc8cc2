package wallet

import (
	"context"
	"errors"
	"sync"
	"time"
)

// DefaultIdle is how long an unlocked wallet may lie unused.
const DefaultIdle = 30 * time.Minute

// Keeper is a wallet for a process that runs: it unlocks when it is first
// asked, follows changes that others make to the file, and locks again, its key
// overwritten, when nobody asked for a while.
type Keeper struct {
	open func(context.Context) (*Wallet, error)
	idle time.Duration

	mu    sync.Mutex
	w     *Wallet
	timer *time.Timer
}

var _ Reader = (*Keeper)(nil)

// NewKeeper returns a keeper that is locked. open unlocks, without a person:
// from a file, a descriptor, a credential or a key service. An idle of 0 never
// locks.
func NewKeeper(open func(context.Context) (*Wallet, error), idle time.Duration) *Keeper {
	return &Keeper{open: open, idle: idle}
}

// Get returns the current value of an entry, and unlocks if need be.
func (k *Keeper) Get(ctx context.Context, name string) (*Value, Entry, error) {
	return k.read(ctx, func(w *Wallet) (*Value, Entry, error) { return w.Get(ctx, name) })
}

// ForProvider returns the current value of the entry that stands for a
// provider, and unlocks if need be.
func (k *Keeper) ForProvider(ctx context.Context, provider string) (*Value, Entry, error) {
	return k.read(ctx, func(w *Wallet) (*Value, Entry, error) { return w.ForProvider(ctx, provider) })
}

func (k *Keeper) read(ctx context.Context, f func(*Wallet) (*Value, Entry, error)) (*Value, Entry, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w, err := k.unlocked(ctx)
	if err != nil {
		return nil, Entry{}, err
	}
	v, e, err := f(w)
	if errors.Is(err, ErrLocked) { // wrapped again, or another wallet in its place: with the key of now
		k.lock()
		if w, err = k.unlocked(ctx); err != nil {
			return nil, Entry{}, err
		}
		v, e, err = f(w)
	}
	return v, e, err
}

// unlocked returns the open wallet and puts off the time of its locking.
func (k *Keeper) unlocked(ctx context.Context) (*Wallet, error) {
	if k.w == nil {
		w, err := k.open(ctx)
		if err != nil {
			return nil, err
		}
		k.w = w
	}
	if k.idle > 0 {
		if k.timer != nil {
			k.timer.Stop()
		}
		w := k.w
		k.timer = time.AfterFunc(k.idle, func() { k.lockIdle(w) })
	}
	return k.w, nil
}

// lockIdle locks the wallet that lay idle, unless it was used or replaced
// while this waited for the lock.
func (k *Keeper) lockIdle(w *Wallet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.w == w {
		k.lock()
	}
}

// Lock forgets the key until the next call.
func (k *Keeper) Lock() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lock()
}

func (k *Keeper) lock() {
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
	if k.w != nil {
		k.w.Close()
		k.w = nil
	}
}

// Locked reports whether the key is not in memory.
func (k *Keeper) Locked() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.w == nil
}
