// Package approval holds calls back until another person has agreed to them
// (four eyes). A route names the tools; a call of one is refused with the id
// of a request, or waits for a while, until somebody else approves exactly
// this call: same caller, same route, same parameters. An approval is good for
// one call, and for a short time.
//
// A request goes one way: pending, then approved or denied; an approved one is
// used once. Whether it is too old is computed from stored times, so nothing
// depends on a gateway that runs.
package approval

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// State is where a request stands.
type State uint8

// The states. The zero State is none of them.
const (
	Pending State = iota + 1
	Approved
	Denied
	Used
)

var stateNames = [...]string{Pending: "pending", Approved: "approved", Denied: "denied", Used: "used"}

// String returns "pending".
func (s State) String() string {
	if int(s) < len(stateNames) && stateNames[s] != "" {
		return stateNames[s]
	}
	return "unknown"
}

// Request is a call that waits for somebody's word, as it is stored.
type Request struct {
	ID        string // 32 hex digits
	Digest    [32]byte
	Route     string
	Principal string // who wants to call
	KeyID     string // with which credential
	Tool      string // or "skill:NAME" of an agent
	Sealed    []byte // the parameters, encrypted; empty of a request that is over
	State     State
	CreatedAt time.Time
	ExpiresAt time.Time     // of a pending one: when it is over; of an approved one: until when it can be used; of a denied one: until when it counts
	Use       time.Duration // how long an approval may be used, from the decision
	DecidedBy string
	DecidedAt time.Time
	Reason    string
}

// Live reports whether the request still counts at a time.
func (r *Request) Live(now time.Time) bool { return r.State != Used && now.Before(r.ExpiresAt) }

// Errors of the service.
var (
	ErrNotFound = errors.New("no such request")
	ErrConflict = errors.New("the request was decided, used or has expired meanwhile")
	ErrSelf     = errors.New("nobody approves their own call: another person has to")
	ErrTooMany  = errors.New("too many requests wait for approval")
)

// Store keeps requests. All methods are atomic and safe for concurrent use.
type Store interface {
	// OpenApproval stores r, unless a live request (see [Request.Live], at
	// r.CreatedAt) of the same digest is there: that one is returned in its
	// place. It returns ErrTooMany if perPrincipal requests of r.Principal, or
	// total requests, are pending and live. Of dead requests
	// the parameters are forgotten, and they may be removed.
	OpenApproval(ctx context.Context, r Request, perPrincipal, total int) (Request, error)
	// TakeApproval turns the approved, live request of a digest into a used one
	// and returns it; ErrNotFound if there is none.
	TakeApproval(ctx context.Context, digest [32]byte, now time.Time) (Request, error)
	// DecideApproval moves a pending, live request to r.State with r.DecidedBy,
	// r.DecidedAt, r.Reason and r.ExpiresAt; ErrConflict if it is not pending
	// and live at r.DecidedAt, ErrNotFound if it is not there.
	DecideApproval(ctx context.Context, r Request) error
	// Approval returns one request, or ErrNotFound.
	Approval(ctx context.Context, id string) (Request, error)
	// Approvals returns requests, oldest first: those that wait at now, or all.
	Approvals(ctx context.Context, now time.Time, all bool) ([]Request, error)
}

// Config is how long things may take.
type Config struct {
	Wait   time.Duration // how long a call is held open for the word; 0 = it is refused at once, to be tried again
	Expiry time.Duration // how long a request waits for a decision
	Use    time.Duration // how long an approval may be used
}

// Default returns the defaults.
func Default() Config { return Config{Expiry: time.Hour, Use: 15 * time.Minute} }

// Bounds of a configuration.
const (
	maxWait   = 10 * time.Minute
	maxExpiry = 7 * 24 * time.Hour
)

// Validate checks the times.
func (c Config) Validate() error {
	var errs []error
	if c.Wait < 0 || c.Wait > maxWait {
		errs = append(errs, fmt.Errorf("wait: want 0s to %s", maxWait))
	}
	if c.Expiry < time.Minute || c.Expiry > maxExpiry {
		errs = append(errs, fmt.Errorf("expiry: want 1m to %s", maxExpiry))
	}
	if c.Use < time.Second || c.Use > maxExpiry {
		errs = append(errs, fmt.Errorf("use: want 1s to %s", maxExpiry))
	}
	return errors.Join(errs...)
}
