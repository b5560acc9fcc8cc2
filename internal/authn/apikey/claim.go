package apikey

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/keytext"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/life"
)

// claimPrefix starts every claim token.
const claimPrefix = "claim_"

// MethodClaim is the Principal.Method of who shows a claim token.
const MethodClaim = "claim_token"

// Errors of [Service.Claim].
var (
	// ErrNothingToClaim says that the credential leads to no key that waits
	// to be claimed.
	ErrNothingToClaim = errors.New("nothing to claim")
	// ErrClaimed says that the secret was fetched before.
	ErrClaimed = errors.New("claimed already")
)

// Bounds of a nonce: 22 base64url characters are 128 random bits.
const (
	minNonce = 22
	maxNonce = 128
)

// tokenHash is what is stored of a claim token.
func (s *Service) tokenHash(token Key) [32]byte { return s.derive("claim token", token.Reveal()) }

// Claim makes the secret of a successor and returns it, once. who is a caller
// that proved a claim token ([Service.ClaimAuthenticator]) or the key that is
// being rotated ([Service.Authenticator]).
//
// The secret exists from now on; only its hash is stored. A nonce, 22 to 128
// characters of base64url that only the caller knows, makes Claim repeatable:
// the same credential with the same nonce gets the same secret again, so that
// a reply that was lost is not a key that was lost. Anyone else gets
// [ErrClaimed].
func (s *Service) Claim(ctx context.Context, who portcullis.Principal, nonce string, by portcullis.Actor) (Rotated, error) {
	if nonce != "" && !validNonce(nonce) {
		return Rotated{}, fmt.Errorf("%w: nonce: want %d to %d of A-Z, a-z, 0-9, - and _", ErrInvalid, minNonce, maxNonce)
	}
	for range maxLoads {
		rec, err := s.claimable(ctx, who)
		if err != nil {
			return Rotated{}, err
		}
		out, err := s.claim(ctx, rec, nonce, by)
		if !contended(err) {
			return out, err
		}
	}
	return Rotated{}, fmt.Errorf("claiming an api key: %w", ErrConflict)
}

// claimable returns the successor that a credential leads to.
func (s *Service) claimable(ctx context.Context, who portcullis.Principal) (Record, error) {
	id := who.KeyID
	switch {
	case who.Method == MethodClaim:
	case who.Method == Method && s.selfClaim:
		old, err := s.get(ctx, id)
		if err != nil {
			return Record{}, err
		}
		if old.Successor == "" || old.StatusAt(s.now()) == StatusRevoked {
			return Record{}, ErrNothingToClaim
		}
		id = old.Successor
	default:
		return Record{}, ErrNothingToClaim
	}
	rec, err := s.get(ctx, id)
	switch {
	case err != nil:
		return Record{}, err
	case rec.ClaimUntil.IsZero(): // it was shown at once
		return Record{}, ErrClaimed
	case rec.StatusAt(s.now()) == StatusRevoked || life.Reached(rec.ClaimUntil, s.now()):
		return Record{}, ErrNothingToClaim
	}
	return rec, nil
}

func (s *Service) claim(ctx context.Context, rec Record, nonce string, by portcullis.Actor) (Rotated, error) {
	now := s.now()
	key, err := s.claimedKey(rec.ID, nonce)
	if err != nil {
		return Rotated{}, err
	}
	hash := s.mac(key.Secret())
	if !rec.Unclaimed() {
		if nonce == "" || subtle.ConstantTimeCompare(hash[:], rec.Hash[:]) != 1 {
			return Rotated{}, ErrClaimed
		}
		return Rotated{Key: key, View: rec.ViewAt(now)}, nil
	}
	rec.Hash, rec.ClaimedAt = hash, now
	if err := s.put(ctx, &rec); err != nil {
		return Rotated{}, err
	}
	if err := s.recordClaim(ctx, &rec, by); err != nil {
		return Rotated{}, err
	}
	return Rotated{Key: key, View: rec.ViewAt(now)}, nil
}

// recordClaim records that a secret came into the world.
func (s *Service) recordClaim(ctx context.Context, rec *Record, by portcullis.Actor) error {
	err := s.record(ctx, portcullis.EventAPIKeyClaimed, rec, by, "claim", "",
		slog.String("keyId", rec.ID), slog.String("predecessor", rec.Predecessor))
	if err != nil {
		return fmt.Errorf("api key %s is claimed, but recording it: %w", rec.ID, err)
	}
	return nil
}

// claimedKey makes the key with an id: at random or, with a nonce, so that who
// knows the nonce can have it made again.
func (s *Service) claimedKey(id, nonce string) (Key, error) {
	if nonce == "" {
		return s.newSecret(s.grammar, id)
	}
	random := s.derive("claimed secret", id, nonce)
	return s.grammar.Complete(id, random[:keytext.RandomLen]), nil
}

func validNonce(n string) bool {
	for i := 0; i < len(n); i++ {
		if !keytext.IsBase64URL(n[i]) {
			return false
		}
	}
	return len(n) >= minNonce && len(n) <= maxNonce
}

// ClaimAuthenticator knows callers by a claim token, sent as Authorization:
// Bearer. It belongs on the claim endpoint and nowhere else.
type ClaimAuthenticator struct{ s *Service }

// ClaimAuthenticator returns the guard that checks claim tokens.
func (s *Service) ClaimAuthenticator() *ClaimAuthenticator { return &ClaimAuthenticator{s} }

// Name returns "claim_token".
func (*ClaimAuthenticator) Name() string { return MethodClaim }

// Authenticate implements portcullis.Authenticator. A token proves itself for
// as long as the overlap lasts, claimed or not: [Service.Claim] tells these
// apart.
func (a *ClaimAuthenticator) Authenticate(ctx context.Context, c *portcullis.Conn) (portcullis.Principal, error) {
	fields := c.HTTP.Header[headerAuthorization]
	if len(fields) != 1 || len(c.HTTP.Header[headerAPIKey]) > 0 {
		return portcullis.Principal{}, portcullis.ErrNoCredentials // ours or not, the key authenticator judges doubles
	}
	scheme, text, ok := strings.Cut(fields[0], " ")
	if !ok || !strings.EqualFold(scheme, bearerScheme) || !strings.HasPrefix(text, claimPrefix) {
		return portcullis.Principal{}, portcullis.ErrNoCredentials
	}
	token, err := a.s.claims.Parse(text)
	if err != nil {
		return portcullis.Principal{}, a.s.slow(c, "", invalid(nil, refusedMalformed))
	}
	rec, err := a.s.get(ctx, token.ID())
	if err != nil && !errors.Is(err, ErrNotFound) {
		return portcullis.Principal{}, unavailable(err)
	}
	got := a.s.tokenHash(token)
	want := rec.ClaimHash
	known := err == nil && want != [32]byte{}
	if !known {
		want = a.s.dummy
	}
	match := subtle.ConstantTimeCompare(got[:], want[:]) == 1
	if !known || !match || life.Reached(rec.ClaimUntil, a.s.now()) || rec.StatusAt(a.s.now()) == StatusRevoked {
		return portcullis.Principal{}, a.s.slow(c, token.ID(), invalid(nil, refusedSecret))
	}
	return portcullis.Principal{ID: rec.Owner, Name: rec.Name, Method: MethodClaim, KeyID: rec.ID, Expires: rec.ClaimUntil}, nil
}
