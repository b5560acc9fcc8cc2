package basic

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/basic/lockout"
	"github.com/portcullis-dev/portcullis/internal/authn/basic/password"
)

// Attempt is a name and a password as somebody sent them.
type Attempt struct {
	Name     string
	Password string
	Client   netip.Addr
}

// reading is an attempt as it is compared.
type reading struct {
	name     string // canonical, or as sent if it is none
	valid    bool   // name and password could belong to a user
	password string
	client   netip.Addr
	pair     lockout.Key // of name and address
	familiar bool        // the user has logged in at the address
	nameKey  lockout.Key
	tag      [32]byte // of name, password and address
}

func (s *Service) read(a Attempt) reading {
	r := reading{name: a.Name, password: a.Password, client: a.Client}
	name, nameErr := Canonical(a.Name)
	pass, passErr := opaque(a.Password)
	if nameErr == nil {
		r.name = name
	}
	if passErr == nil && len(pass) <= MaxPassword {
		r.password = pass
		r.valid = nameErr == nil
	}
	at := place(a.Client)
	r.pair, r.nameKey = lockKey(s.tag("pair", r.name, at)), lockKey(s.tag("name", r.name))
	r.tag = s.tag("verified", r.name, r.password, at)
	return r
}

// Check decides on an attempt. It returns the caller, or a [portcullis.Error]
// that says the same for every reason an attempt can fail for.
//
// The order is part of the protection. What is locked is refused before
// anything is compared, or a lock would not hinder guessing. A password that
// was verified from this address a moment ago is known by its tag, before any
// count that others could have driven up. What is left costs a hash, and is
// counted as a failure before the hash is computed.
func (s *Service) Check(ctx context.Context, a Attempt) (portcullis.Principal, error) {
	r, now := s.read(a), s.clock()
	r.familiar = s.familiar.knows(r.pair, now)
	if wait := s.locks(r).Wait(r.pair, now); wait > 0 {
		return portcullis.Principal{}, s.locked(r, wait, "locked for the address")
	}
	if who, ok := s.verified.get(r.tag, now); ok {
		return who, nil
	}
	if s.throttle != nil {
		if wait := s.throttle.Wait(r.client); wait > 0 {
			return portcullis.Principal{}, s.locked(r, wait, "too many failures of the address")
		}
	}
	// Whoever sends the same at the same time from the same place waits for the
	// one answer: a client that opens ten calls at once makes one attempt.
	return s.flights.do(flightKey{r.tag, s.verified.generation()}, func() (portcullis.Principal, error) { return s.decide(ctx, r, now) })
}

// locks is the table that counts failures for an address. Those of familiar
// addresses are apart: whoever fills the other one with made-up names, so that
// all without room of their own share one count, locks no user out at home.
func (s *Service) locks(r reading) *lockout.Table {
	if r.familiar {
		return s.homes
	}
	return s.pairs
}

// decide computes one hash and looks at the stored user, whatever is wrong.
func (s *Service) decide(ctx context.Context, r reading, now time.Time) (portcullis.Principal, error) {
	// Others may wait for the answer: it does not end with the caller's patience.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hashTimeout)
	defer cancel()
	charges, refusal := s.charge(r, now)
	if refusal != nil {
		return portcullis.Principal{}, refusal
	}
	undecided := func(err error) (portcullis.Principal, error) {
		s.locks(r).Refund(charges[0])
		s.names.Refund(charges[1])
		return portcullis.Principal{}, unavailable(err)
	}
	gen := s.verified.generation()
	rec, err := s.get(ctx, r.name)
	known := r.valid && err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return undecided(err)
	}
	match, outdated := false, false
	if known && !rec.Disabled {
		match, outdated, err = s.hasher.Verify(ctx, rec.Hash, r.password)
	} else {
		err = s.hasher.Waste(ctx, r.password)
	}
	if err != nil {
		return undecided(err)
	}
	if !match {
		return portcullis.Principal{}, s.failed(r, rec, known, charges[0].Failures)
	}
	s.locks(r).Refund(charges[0]) // it may be on the count that many share
	s.locks(r).Forget(r.pair)
	s.names.Refund(charges[1])
	s.familiar.add(r.pair, rec.Name, now)
	who := rec.principal()
	s.verified.put(r.tag, rec.Name, who, now, gen)
	if outdated {
		s.rehash(ctx, rec, r.password)
	}
	return who, nil
}

// charge counts an attempt as failed, for its address and for its name, unless
// one of them is locked.
func (s *Service) charge(r reading, now time.Time) (charges [2]lockout.Charge, refusal error) {
	var wait time.Duration
	if charges[0], wait = s.locks(r).Try(r.pair, now); wait > 0 {
		return charges, s.locked(r, wait, "locked for the address")
	}
	if r.familiar {
		charges[1] = s.names.Charge(r.nameKey, now)
		return charges, nil
	}
	if charges[1], wait = s.names.Try(r.nameKey, now); wait > 0 {
		s.locks(r).Refund(charges[0])
		return charges, s.locked(r, wait, "locked for addresses not seen before")
	}
	return charges, nil
}

// rehash stores the password under the costs that are configured now. That
// nobody hears of a failure costs nothing: the next login tries again.
func (s *Service) rehash(ctx context.Context, rec Record, password string) {
	hash, err := s.hasher.Hash(ctx, password)
	if err == nil {
		rec.Hash = hash
		err = s.store.Put(ctx, rec)
	}
	if err != nil && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) {
		s.log.WarnContext(ctx, "password not hashed anew", "user", rec.Subject(), "error", err)
	}
}

// Current reports whether what a caller proved still holds: no change of
// password, roles or state since. Whoever makes something lasting of a login
// asks afterwards.
func (s *Service) Current(ctx context.Context, who portcullis.Principal) (bool, error) {
	rec, err := s.get(ctx, who.Name)
	switch {
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	return who.Method == Method && rec.Subject() == who.ID && rec.credential() == who.KeyID && !rec.Disabled, nil
}

// busy reports whether an error means that too many passwords are checked.
func busy(err error) bool {
	return errors.Is(err, password.ErrBusy) || errors.Is(err, context.DeadlineExceeded)
}
