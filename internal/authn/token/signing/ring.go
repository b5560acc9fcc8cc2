// Package signing keeps the keys that sign the gateway's own tokens: Ed25519,
// sealed in the store, replaced by schedule.
//
//	published        signs                  verifies still      gone
//	────────────┬──────────────────────┬────────────────────┬────────▶
//	        active at          successor active at      + keep
//
// There is always a key that signs and one that is published to be next, so
// that whoever caches the key set knows a key before a token names it. Which
// key signs is read off the clock: no write is needed for the change, so none
// can be lost. A key stays published until the last token that it may have
// signed is over.
package signing

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
)

// Record is a stored key. Its private half is sealed.
type Record struct {
	KID       string // thumbprint of the public key (RFC 7638)
	Sealed    []byte
	CreatedAt time.Time
	ActiveAt  time.Time // it signs from here on, until another does
}

// Store keeps records. A method that has returned nil has made its change
// durable.
type Store interface {
	SigningKeys(ctx context.Context) ([]Record, error) // by ActiveAt
	AddSigningKey(ctx context.Context, r Record) error
	MoveSigningKey(ctx context.Context, kid string, activeAt time.Time) error
	DeleteSigningKey(ctx context.Context, kid string) error
}

// Ahead is how long a key is published before it signs.
const Ahead = time.Hour

// ErrNoKey says that the ring has no key to sign with.
var ErrNoKey = errors.New("no signing key")

// Ring is the keys in use. It is safe for concurrent use.
type Ring struct {
	store Store
	seal  *sealer
	now   func() time.Time
	mu    sync.Mutex // one change at a time
	set   atomic.Pointer[keySet]
}

// key is a record with its halves. It is immutable.
type key struct {
	Record
	public   *jws.Key
	private  ed25519.PrivateKey
	jwk      jose.JSONWebKey
	identity jose.Signer
}

type keySet struct {
	keys []*key // by ActiveAt
	doc  []byte // the published set
	tag  string
}

// New returns a ring with the stored keys. sealKey has 32 bytes; clock may be
// nil for time.Now.
func New(ctx context.Context, store Store, sealKey []byte, clock func() time.Time) (*Ring, error) {
	seal, err := newSealer(sealKey)
	if err != nil {
		return nil, err
	}
	if clock == nil {
		clock = time.Now
	}
	r := &Ring{store: store, seal: seal, now: clock}
	return r, r.load(ctx)
}

func (r *Ring) load(ctx context.Context) error {
	records, err := r.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	s := &keySet{}
	for _, rec := range records {
		seed, err := r.seal.open(rec.KID, rec.Sealed)
		if err != nil {
			return err
		}
		k, err := newKey(rec, seed)
		if err != nil {
			return err
		}
		s.keys = append(s.keys, k)
	}
	slices.SortStableFunc(s.keys, func(a, b *key) int { return a.ActiveAt.Compare(b.ActiveAt) })
	if s.doc, s.tag, err = document(s.keys); err != nil {
		return err
	}
	r.set.Store(s)
	return nil
}

// newKey fits a record with its halves, and refuses one whose name is another
// key's.
func newKey(rec Record, seed []byte) (*key, error) {
	private := ed25519.NewKeyFromSeed(seed)
	k := &key{Record: rec, private: private, jwk: jose.JSONWebKey{Key: private.Public(), Algorithm: string(jose.EdDSA), Use: "sig"}}
	raw, err := json.Marshal(k.jwk)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	if k.public, err = jws.ParseKey(raw, false); err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	if k.KID, err = k.public.Thumbprint(); err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	if rec.KID != "" && rec.KID != k.KID {
		return nil, fmt.Errorf("signing key %q: the stored key is another", rec.KID)
	}
	k.jwk.KeyID = k.KID
	k.identity, err = jose.NewSigner(
		jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: private, KeyID: k.KID}},
		(&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	return k, nil
}

// current returns the key that signs at a time, nil if there is none. A clock
// that was set back before the first key still has it.
func (s *keySet) current(now time.Time) *key {
	if len(s.keys) == 0 {
		return nil
	}
	at := s.keys[0]
	for _, k := range s.keys {
		if !k.ActiveAt.After(now) {
			at = k
		}
	}
	return at
}

// Sign returns a compact JWS of a payload.
func (r *Ring) Sign(payload []byte) (string, error) {
	k := r.set.Load().current(r.now())
	if k == nil {
		return "", ErrNoKey
	}
	signed, err := k.identity.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return text, nil
}

// Key returns the verification key of a kid, nil if there is none.
func (r *Ring) Key(kid string) *jws.Key {
	for _, k := range r.set.Load().keys {
		if k.KID == kid {
			return k.public
		}
	}
	return nil
}

// Maintain makes the first key, and the next one when the last one has begun
// to sign, and removes those whose successor has signed for longer than keep,
// the longest life of a token. It returns the ids of keys that it made.
func (r *Ring) Maintain(ctx context.Context, period, keep time.Duration) (made []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, s := r.now(), r.set.Load()
	changed := false
	current := s.current(now)
	if current == nil {
		if current, err = r.add(ctx, now); err != nil {
			return nil, err
		}
		made = append(made, current.KID)
	}
	due := current.ActiveAt.Add(period)
	if soonest := now.Add(Ahead); due.Before(soonest) {
		due = soonest
	}
	switch last := s.last(current); {
	case !last.ActiveAt.After(now):
		next, err := r.add(ctx, due)
		if err != nil {
			return made, errors.Join(err, r.load(ctx))
		}
		made = append(made, next.KID)
	case last.ActiveAt.After(due): // the period was shortened
		if err := r.store.MoveSigningKey(ctx, last.KID, due); err != nil {
			return made, fmt.Errorf("moving a signing key: %w", err)
		}
		changed = true
	}
	for i := 1; i < len(s.keys); i++ {
		if over := s.keys[i].ActiveAt.Add(keep); over.Before(now) {
			if err := r.store.DeleteSigningKey(ctx, s.keys[i-1].KID); err != nil {
				return made, errors.Join(fmt.Errorf("removing a signing key: %w", err), r.load(ctx))
			}
			changed = true
		}
	}
	if len(made) > 0 || changed {
		return made, r.load(ctx)
	}
	return nil, nil
}

// Replace makes a key that signs from now on, for when the others may be stolen.
// Those that wait for their turn are removed. With keep the one that signed
// until now goes on verifying what it signed, until [Ring.Maintain] removes it;
// without, nothing that was signed before is worth anything any more. It
// returns the ids of the keys that are new and gone.
func (r *Ring) Replace(ctx context.Context, keep bool) (made string, gone []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, s := r.now(), r.set.Load()
	next, err := r.add(ctx, now)
	if err != nil {
		return "", nil, err
	}
	for _, k := range s.keys {
		if keep && !k.ActiveAt.After(now) {
			continue
		}
		if err = r.store.DeleteSigningKey(ctx, k.KID); err != nil {
			err = fmt.Errorf("removing a signing key: %w", err)
			break
		}
		gone = append(gone, k.KID)
	}
	return next.KID, gone, errors.Join(err, r.load(ctx))
}

// IDs lists the keys there are, the oldest first.
func (r *Ring) IDs() []string {
	var out []string
	for _, k := range r.set.Load().keys {
		out = append(out, k.KID)
	}
	return out
}

func (s *keySet) last(otherwise *key) *key {
	if len(s.keys) == 0 {
		return otherwise
	}
	return s.keys[len(s.keys)-1]
}

func (r *Ring) add(ctx context.Context, activeAt time.Time) (*key, error) {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // never fails
	k, err := newKey(Record{CreatedAt: stored(r.now()), ActiveAt: stored(activeAt)}, seed)
	if err != nil {
		return nil, err
	}
	k.Sealed = r.seal.seal(k.KID, seed)
	if err := r.store.AddSigningKey(ctx, k.Record); err != nil {
		return nil, fmt.Errorf("storing a signing key: %w", err)
	}
	return k, nil
}

// stored is a time as a store keeps it.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
