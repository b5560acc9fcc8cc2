package approval

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Bounds on what waits: a caller cannot fill the desk of those who approve.
const (
	maxPending      = 20   // requests of one principal
	maxPendingTotal = 2000 // of all
	maxParams       = 64 << 10
)

// KeySize is the size, in bytes, of the key that parameters are stored under.
const KeySize = 32

// digestInfo is what the key of digests is derived for. A digest without a key
// would let who reads the database try what the parameters may have been.
const digestInfo = "portcullis/approval/digest/v1"

// Service opens, decides and uses requests. It may be used concurrently.
type Service struct {
	store    Store
	recorder portcullis.Recorder
	aead     cipher.AEAD
	digests  []byte // key of what calls are found by
	now      func() time.Time

	mu      sync.Mutex
	waiting map[string][]chan struct{} // calls held open, by request
}

// New returns a service. key encrypts the parameters at rest: they may hold
// what nobody but the one who approves shall read. now may be nil.
func New(store Store, recorder portcullis.Recorder, key []byte, now func() time.Time) (*Service, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("approval: key of %d bytes, want %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("approval: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("approval: %w", err)
	}
	digests, err := hkdf.Key(sha256.New, key, nil, digestInfo, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("approval: %w", err)
	}
	if now == nil {
		now = time.Now
	}
	return &Service{store: store, recorder: recorder, aead: aead, digests: digests, now: now, waiting: map[string][]chan struct{}{}}, nil
}

// ask returns the live request for a call, opening one if there is none.
func (s *Service) ask(ctx context.Context, c *call, cfg Config) (Request, error) {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	now := s.now()
	r := Request{
		ID: hex.EncodeToString(id), Digest: c.digest, Route: c.route, Principal: c.who.ID, KeyID: c.who.KeyID, Tool: nameOf(c.target),
		State: Pending, CreatedAt: now, ExpiresAt: now.Add(cfg.Expiry), Use: cfg.Use,
	}
	r.Sealed = s.aead.Seal(nil, nil, c.params, []byte(r.ID))
	have, err := s.store.OpenApproval(ctx, r, maxPending, maxPendingTotal)
	if err != nil {
		return Request{}, err
	}
	if have.ID != r.ID {
		return have, nil
	}
	// Recorded here and not with the refusal: a call may be held open, and one
	// that asks again is no new request.
	return have, s.recorder.Record(ctx, &portcullis.Event{
		Time: now, Type: portcullis.EventApprovalRequested, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomePending,
		Actor: portcullis.Actor{ID: c.who.ID, Method: c.who.Method, KeyID: c.who.KeyID}, Route: c.route,
		Resource: c.target.String(), Action: c.method, Details: []slog.Attr{slog.String("approval", r.ID)},
	})
}

// wait returns when the request was decided, after d, or when ctx ends.
func (s *Service) wait(ctx context.Context, id string, d time.Duration) {
	decided := make(chan struct{})
	s.mu.Lock()
	s.waiting[id] = append(s.waiting[id], decided)
	s.mu.Unlock()
	defer s.forget(id, decided)
	// The decision may have come before anyone listened for it.
	if r, err := s.store.Approval(ctx, id); err != nil || r.State != Pending {
		return
	}
	limit := time.NewTimer(d)
	defer limit.Stop()
	select {
	case <-decided:
	case <-limit.C:
	case <-ctx.Done():
	}
}

func (s *Service) forget(id string, c chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := s.waiting[id][:0]
	for _, w := range s.waiting[id] {
		if w != c {
			rest = append(rest, w)
		}
	}
	if s.waiting[id] = rest; len(rest) == 0 {
		delete(s.waiting, id)
	}
}

// Decision is somebody's word on a request.
type Decision struct {
	Approve bool
	Reason  string
	By      portcullis.Actor
}

// Decide approves or denies a pending request. It returns ErrSelf if the one
// who decides is the one who asked.
func (s *Service) Decide(ctx context.Context, id string, d Decision) (View, error) {
	r, err := s.store.Approval(ctx, id)
	if err != nil {
		return View{}, err
	}
	if d.By.ID == "" || d.By.ID == r.Principal || d.By.KeyID != "" && d.By.KeyID == r.KeyID {
		return View{}, errors.Join(ErrSelf, s.note(ctx, portcullis.EventAuthzDenied, portcullis.OutcomeFailure, r, d))
	}
	if r.State != Pending || !r.Live(s.now()) {
		return View{}, ErrConflict
	}
	r.State, r.DecidedBy, r.DecidedAt, r.Reason = Denied, d.By.ID, s.now(), d.Reason
	event := portcullis.EventApprovalDenied
	if d.Approve {
		r.State, r.ExpiresAt = Approved, r.DecidedAt.Add(r.Use)
		event = portcullis.EventApprovalGranted
	}
	// The word is in the audit log before it counts: not recorded, not done.
	if err := s.note(ctx, event, portcullis.OutcomeSuccess, r, d); err != nil {
		return View{}, fmt.Errorf("recording the decision: %w", err)
	}
	if err := s.store.DecideApproval(ctx, r); err != nil {
		return View{}, errors.Join(err, s.note(ctx, event, portcullis.OutcomeFailure, r, Decision{Reason: "came too late", By: d.By}))
	}
	s.mu.Lock()
	for _, c := range s.waiting[id] {
		close(c)
	}
	delete(s.waiting, id)
	s.mu.Unlock()
	return s.view(r), nil
}
