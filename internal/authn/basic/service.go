package basic

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/basic/lockout"
	"github.com/portcullis-dev/portcullis/internal/authn/basic/password"
)

const (
	minKey      = 32
	nameFactor  = 10 // a name is locked for strange addresses after so many times LockAfter
	hashTimeout = 10 * time.Second
	maxTries    = 8 // at a change that others make impossible
)

// Throttle counts failed attempts of an address, whatever names they are for.
// Unlike the one of API keys it is also asked before an attempt is decided: a
// password can be guessed, and to check one is dear.
type Throttle interface {
	// Wait returns how long an address is to wait; it counts nothing.
	Wait(client netip.Addr) time.Duration
	// Failed counts a failure and returns how long the address is to wait then.
	Failed(client netip.Addr, id string) time.Duration
}

// Options are what a [Service] needs. Store, Recorder, Key and ValidateScope
// have no default.
type Options struct {
	Config        Config
	Store         Store
	Recorder      portcullis.Recorder
	Key           []byte             // at least 32 secret bytes: names that no user has are logged under it
	ValidateScope func(string) error // grammar of a scope that is granted

	CacheTTL time.Duration    // how long a verified password works unasked; 0 = never
	Sessions Sessions         // nil = there are none
	Throttle Throttle         // nil = no limit per address
	Clock    func() time.Time // nil = time.Now
	Log      *slog.Logger     // nil = no log
}

// Service checks passwords and manages users. All methods are safe for
// concurrent use.
type Service struct {
	cfg           Config
	store         Store
	recorder      portcullis.Recorder
	validateScope func(string) error
	sessions      Sessions
	throttle      Throttle
	clock         func() time.Time
	log           *slog.Logger

	hasher   *password.Hasher
	pseudo   func(parts ...string) [32]byte // keyed hash that is the same after a restart
	tag      func(parts ...string) [32]byte // keyed hash of this process
	pairs    *lockout.Table                 // name and address
	homes    *lockout.Table                 // the same, where the user has logged in: no stranger can fill it
	names    *lockout.Table                 // name, from strange addresses
	familiar *familiar
	verified *verified
	flights  flights
	suspects suspects
}

// New checks the options and returns a service.
func New(o Options) (*Service, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	return newService(o)
}

// newService takes costs that are too low to be configured, as tests need them.
func newService(o Options) (*Service, error) {
	switch {
	case o.Store == nil:
		return nil, errors.New("users: no store")
	case o.Recorder == nil:
		return nil, errors.New("users: no recorder")
	case o.ValidateScope == nil:
		return nil, errors.New("users: no scope grammar")
	case len(o.Key) < minKey:
		return nil, fmt.Errorf("users: key of %d bytes: want at least %d", len(o.Key), minKey)
	case o.CacheTTL < 0:
		return nil, errors.New("users: negative cache lifetime")
	}
	c := o.Config
	hasher, err := password.New(password.Options{Params: c.Hash, Parallel: c.Parallel, Queue: c.Queue})
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	lock := lockout.Config{After: c.LockAfter, First: c.LockFirst, Max: c.LockMax}
	pairs, err := lockout.New(lock)
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	homes, err := lockout.New(lock)
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	lock.After *= nameFactor
	names, err := lockout.New(lock)
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	process := make([]byte, minKey)
	_, _ = rand.Read(process) // never fails
	s := &Service{
		cfg: c, store: o.Store, recorder: o.Recorder, validateScope: o.ValidateScope,
		sessions: o.Sessions, throttle: o.Throttle, clock: o.Clock, log: o.Log,
		hasher: hasher, pseudo: keyed(slices.Clone(o.Key)), tag: keyed(process), pairs: pairs, homes: homes, names: names,
		familiar: newFamiliar(), verified: newVerified(o.CacheTTL),
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// keyed returns HMAC-SHA256 over texts, each with its length before it.
func keyed(key []byte) func(...string) [32]byte {
	return func(parts ...string) (sum [32]byte) {
		h := hmac.New(sha256.New, key)
		var n [8]byte
		for _, p := range parts {
			binary.BigEndian.PutUint64(n[:], uint64(len(p)))
			h.Write(n[:])
			_, _ = io.WriteString(h, p) // a hash takes everything
		}
		h.Sum(sum[:0])
		return sum
	}
}

// place is the part of an address that one subscriber holds: IPv4 whole, IPv6
// by /64, but for a translator's network, where /64 is everybody.
func place(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() && !netip.PrefixFrom(netip.AddrFrom16([16]byte{1: 0x64, 2: 0xff, 3: 0x9b}), 96).Contains(a) {
		a = netip.PrefixFrom(a, 64).Masked().Addr()
	}
	return a.String()
}

func lockKey(sum [32]byte) lockout.Key { return lockout.Key(sum[:len(lockout.Key{})]) }

// get reads a user by a canonical name.
func (s *Service) get(ctx context.Context, name string) (Record, error) {
	rec, err := s.store.Get(ctx, name)
	if err != nil {
		return Record{}, fmt.Errorf("reading user: %w", err)
	}
	return rec, nil
}
