package apikey

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/keytext"
)

// Method is the Principal.Method of callers known by an API key.
const Method = "api_key"

// tagSaltLen is chosen so that salt and secret fill one block of SHA-256.
const tagSaltLen = 55 - keytext.SecretLen

// verdict is what a check found. Only the log and the owner of the key learn
// which refusal it was.
type verdict uint8

const (
	refusedMalformed verdict = iota
	refusedUnknown
	refusedSecret
	refusedExpired
	refusedRevoked
	refusedRoute
	accepted
)

var verdictNames = [...]string{
	refusedMalformed: "malformed",
	refusedUnknown:   "unknown id",
	refusedSecret:    "wrong secret",
	refusedExpired:   "expired",
	refusedRevoked:   "revoked",
	refusedRoute:     "not for this route",
	accepted:         "accepted",
}

func (v verdict) String() string { return verdictNames[v] }

// check decides on a key text. An error means that the store could not be
// asked. The entry is nil for a malformed text. It has no side effect but on
// the caches.
func (s *Service) check(ctx context.Context, text string, now time.Time) (*entry, verdict, error) {
	id, secret, ok := s.grammar.Split(text)
	if !ok {
		return nil, refusedMalformed, nil
	}
	// The tag is made and compared for every id, cached or not, so that a
	// refusal takes the same work for each.
	tag := s.tag(secret)
	e := s.known.get(id)
	want := &s.dummy
	if e != nil && e.verified {
		want = &e.tag
	}
	if subtle.ConstantTimeCompare(tag[:], want[:]) == 1 && e != nil && e.accepts(now) {
		return e, accepted, nil
	}
	return s.checkCold(ctx, text, tag, e, now)
}

// checkCold decides with the stored hash. hint is a cached entry or nil.
func (s *Service) checkCold(ctx context.Context, text string, tag [32]byte, hint *entry, now time.Time) (*entry, verdict, error) {
	key, err := s.grammar.Parse(text)
	if err != nil {
		return nil, refusedMalformed, nil //nolint:nilerr // a malformed text is a verdict, not a fault
	}
	e := hint
	if e == nil {
		e = s.unknown.get(key.ID())
	}
	if e == nil || !e.fresh(now) {
		if e, err = s.load(ctx, key.ID(), now); err != nil {
			return nil, refusedUnknown, err
		}
	}
	want := &e.rec.Hash
	if !e.known {
		want = &s.dummy
	}
	got := s.mac(key.Secret())
	match := subtle.ConstantTimeCompare(got[:], want[:]) == 1 && !e.rec.Unclaimed()
	switch {
	case !e.known:
		return e, refusedUnknown, nil
	case !match:
		return e, refusedSecret, nil
	case e.rec.Expired(now) && (e.rec.Status != StatusRevoked || !e.rec.RevokedAt.Before(e.rec.ExpiresAt)):
		return e, refusedExpired, nil
	case e.rec.StatusAt(now) == StatusRevoked:
		return e, refusedRevoked, nil
	}
	v := e.verify(tag, now)
	s.known.swap(e, v)
	return v, accepted, nil
}

// load asks the store and remembers the answer, a "no" included.
func (s *Service) load(ctx context.Context, id string, now time.Time) (*entry, error) {
	for range maxLoads {
		genKnown, genUnknown := s.known.generation(id), s.unknown.generation(id)
		rec, err := s.store.Get(ctx, id)
		e := &entry{id: id, loaded: now}
		into, gen := s.unknown, genUnknown
		switch {
		case err == nil:
			e.rec, e.known, e.freshUntil = rec, true, now.Add(s.ttl)
			into, gen = s.known, genKnown
		case errors.Is(err, ErrNotFound):
			e.freshUntil = now.Add(min(s.ttl, unknownTTL))
		default:
			return nil, fmt.Errorf("reading api key: %w", err)
		}
		if into.put(e, gen) {
			return e, nil
		}
		// A key of the same set changed while the store was asked; the
		// answer may be the old one.
	}
	return nil, errors.New("reading api key: keys keep changing")
}

// verify returns e as it stands for callers that have proved the secret.
func (e *entry) verify(tag [32]byte, now time.Time) *entry {
	v := *e
	v.verified, v.tag = true, tag
	v.changesAt = e.rec.NextChange(now)
	v.principal = portcullis.Principal{
		ID: e.rec.Owner, Name: e.rec.Name, Method: Method, KeyID: e.rec.ID,
		Scopes: e.rec.Scopes, Roles: e.rec.Roles, Expires: e.rec.End(),
	}
	v.stale = staleHeaders(&e.rec, now)
	if e.use == nil {
		v.use = &use{id: e.rec.ID}
	}
	return &v
}

// tag is the salted digest under which a verified secret is recognised: one
// block of SHA-256, for a secret of 224 random bits. It does not allocate.
func (s *Service) tag(secret string) [32]byte {
	var b [tagSaltLen + keytext.SecretLen]byte
	copy(b[:], s.salt[:])
	copy(b[tagSaltLen:], secret)
	return sha256.Sum256(b[:])
}
