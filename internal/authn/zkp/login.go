package zkp

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
)

// Verifier says whether a proof, in the form of snarkjs, shows knowledge of
// the private key of a public key for a challenge. Its errors are for the log
// and hold nothing of the proof.
type Verifier interface {
	Verify(proof []byte, publicKey, challenge Element) error
}

// MaxChallengeTTL is the longest life of a challenge.
const MaxChallengeTTL = 5 * time.Minute

// LoginOptions are what a [Login] needs. Log and Clock have defaults.
type LoginOptions struct {
	Registry   *Registry
	Challenges Challenges
	Verifier   Verifier
	Audience   string        // what callers know the gateway by; challenges of another one are refused
	TTL        time.Duration // of a challenge; at most MaxChallengeTTL
	Parallel   int           // proofs that are checked at a time; 0 = one per processor
	Clock      func() time.Time
	Log        *slog.Logger
}

// Login gives out challenges and takes proofs. Safe for concurrent use.
type Login struct {
	LoginOptions
	slots   chan struct{}
	waiting atomic.Int64
	nobody  Enrolment // whose key proofs for unknown users are checked against
}

// NewLogin returns a login.
func NewLogin(o LoginOptions) (*Login, error) {
	switch {
	case o.Registry == nil || o.Challenges == nil || o.Verifier == nil:
		return nil, errors.New("zero-knowledge login: registry, challenges or verifier is missing")
	case o.Audience == "":
		return nil, errors.New("zero-knowledge login: no audience")
	case o.TTL < time.Second || o.TTL > MaxChallengeTTL:
		return nil, fmt.Errorf("zero-knowledge login: challenge_ttl: want 1s to %s", MaxChallengeTTL)
	}
	if o.Parallel < 1 {
		o.Parallel = runtime.GOMAXPROCS(0)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	key, err := Derive(o.Audience, "", randomHex(32))
	if err != nil {
		return nil, err
	}
	return &Login{LoginOptions: o, slots: make(chan struct{}, o.Parallel), nobody: Enrolment{PublicKey: key}}, nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// Offer is a challenge as callers get it.
type Offer struct {
	ChallengeID string    `json:"challengeId"`
	Challenge   Element   `json:"challenge"`
	Nonce       string    `json:"nonce"`
	Audience    string    `json:"audience"`
	ExpiresAt   time.Time `json:"expiresAt"`
	ExpiresIn   int64     `json:"expires_in"`
}

// Challenge makes a challenge. It does not look whether the user is enrolled:
// so it cannot tell.
func (l *Login) Challenge(ctx context.Context, user string, from netip.Addr) (Offer, error) {
	nonce := randomHex(32)
	value, err := Derive(l.Audience, user, nonce)
	if err != nil {
		return Offer{}, err
	}
	c := Challenge{ID: randomHex(16), Value: value, UserID: user, Audience: l.Audience, Expires: l.Clock().Add(l.TTL)}
	if err := l.Challenges.Put(ctx, c, from); err != nil {
		return Offer{}, err
	}
	return Offer{
		ChallengeID: c.ID, Challenge: c.Value, Nonce: nonce, Audience: c.Audience,
		ExpiresAt: c.Expires.UTC().Truncate(time.Second), ExpiresIn: int64(l.TTL / time.Second),
	}, nil
}

// attempt is a request to log in.
type attempt struct {
	userID      string
	challengeID string
	proof       jsontext.Value
	claims      func(publicKey, challenge Element) bool // what the request says of the public inputs is true
	by          portcullis.Actor
	requestID   string
}

// Reasons of failures, for events.
const (
	reasonMalformed = "malformed_request"
	reasonChallenge = "challenge_expired"
	reasonUnknown   = "not_enrolled"
	reasonInputs    = "public_inputs_differ"
	reasonProof     = "invalid_proof"
	reasonChanged   = "enrolment_changed"
	reasonBusy      = "busy"
	reasonInternal  = "internal"
)

func challengeExpired() *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindMalformed, Reason: reasonChallenge, Public: "Challenge expired"}
}

func invalidProof() *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindUnauthenticated, Reason: reasonProof, Public: "Invalid proof"}
}

func unavailable(err error) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindUnavailable, Reason: "unavailable", Public: "Try again later", RetryAfter: busyRetry, Err: err}
}

const (
	busyRetry  = time.Second
	maxWaiters = 256 // attempts that wait for a processor
)

// Verify takes a proof and returns a session for it. Every attempt makes one
// event, good or bad.
func (l *Login) Verify(ctx context.Context, a attempt) (token.Grant, *portcullis.Error) {
	if l.waiting.Add(1) > maxWaiters {
		l.waiting.Add(-1)
		return l.fail(ctx, a, "", reasonBusy, nil, unavailable(errors.New("too many proofs wait")))
	}
	select { // before the challenge is taken: who is turned away may come back with it
	case l.slots <- struct{}{}:
		l.waiting.Add(-1)
		defer func() { <-l.slots }()
	case <-ctx.Done():
		l.waiting.Add(-1)
		return l.fail(ctx, a, "", reasonBusy, nil, unavailable(ctx.Err()))
	}
	c, ok, err := l.Challenges.Take(ctx, a.challengeID, a.userID, l.Audience)
	switch {
	case err != nil:
		return l.fail(ctx, a, "", reasonInternal, err, unavailable(err))
	case !ok:
		return l.fail(ctx, a, "", reasonChallenge, nil, challengeExpired())
	}
	e, err := l.Registry.Store.Enrolment(ctx, a.userID)
	known := err == nil
	if errors.Is(err, ErrNotEnrolled) {
		e = l.nobody
	} else if err != nil {
		return l.fail(ctx, a, "", reasonInternal, err, unavailable(err))
	}
	// All three are worked out whatever the others say, so that the time of an
	// answer does not tell which it was.
	same := a.claims(e.PublicKey, c.Value)
	proved := l.Verifier.Verify(a.proof, e.PublicKey, c.Value)
	switch {
	case !known:
		return l.fail(ctx, a, "", reasonUnknown, nil, invalidProof())
	case !same:
		return l.fail(ctx, a, e.PublicKey, reasonInputs, nil, invalidProof())
	case proved != nil:
		return l.fail(ctx, a, e.PublicKey, reasonProof, proved, invalidProof())
	}
	return l.open(ctx, a, e)
}

func (l *Login) open(ctx context.Context, a attempt, e Enrolment) (token.Grant, *portcullis.Error) {
	grant, err := l.Registry.open(ctx, e, token.Login{
		Subject: e.Subject(), Name: e.UserID, Method: Method, Roles: e.Roles, Scopes: e.Scopes, By: a.by,
	}, func() error {
		return l.record(ctx, a, portcullis.EventZKPAuthSuccess, e.PublicKey, "")
	})
	switch {
	case errors.Is(err, ErrNotEnrolled):
		return l.fail(ctx, a, e.PublicKey, reasonChanged, nil, invalidProof())
	case err != nil:
		return l.fail(ctx, a, e.PublicKey, reasonInternal, err, unavailable(err))
	}
	return grant, nil
}

// fail records an attempt that came to nothing and returns what its caller is
// told. Without a record there is no such answer.
func (l *Login) fail(ctx context.Context, a attempt, key Element, reason string, cause error, e *portcullis.Error) (token.Grant, *portcullis.Error) {
	var details []slog.Attr
	if cause != nil {
		details = append(details, slog.String("detail", cause.Error()))
	}
	if reason == reasonInternal {
		l.Log.ErrorContext(ctx, "login by proof failed", "request_id", a.requestID, "error", cause)
		details = nil
	} else {
		l.Log.WarnContext(ctx, "login by proof refused", "request_id", a.requestID, "user", a.by.ID, "ip", a.by.IP.String(), "reason", reason, "cause", cause)
	}
	if err := l.record(ctx, a, portcullis.EventZKPAuthFailure, key, reason, details...); err != nil {
		l.Log.ErrorContext(ctx, "login by proof not recorded", "request_id", a.requestID, "error", err)
		return token.Grant{}, unavailable(err)
	}
	return token.Grant{}, e
}

func (l *Login) record(ctx context.Context, a attempt, t portcullis.EventType, key Element, reason string, details ...slog.Attr) error {
	e := &portcullis.Event{
		Type: t, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeFailure, Actor: a.by, Reason: reason,
		RequestID: a.requestID, Action: "login", Details: append(details, slog.String("audience", l.Audience)),
	}
	if t == portcullis.EventZKPAuthSuccess {
		e.Severity, e.Outcome = portcullis.SeverityInfo, portcullis.OutcomeSuccess
	}
	if key != "" {
		e.Details = append(e.Details, slog.String("public_key", key.Fingerprint()))
	}
	return l.Registry.Recorder.Record(context.WithoutCancel(ctx), e)
}
