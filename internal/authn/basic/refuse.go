package basic

import (
	"encoding/hex"
	"log/slog"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// What callers read. The first is the guide's (S3-41).
const (
	publicInvalid     = "Invalid credentials"
	publicLocked      = "Too many failed attempts, try again later"
	publicBusy        = "Too many logins at once, try again later"
	publicUnavailable = "Authentication is not available, try again later"
)

// failed is the one refusal of whatever is wrong with an attempt.
func (s *Service) failed(r reading, rec Record, known bool, attempts int) *portcullis.Error {
	why, attempted := "wrong password", portcullis.Actor{ID: rec.Subject(), Method: Method}
	switch {
	case rec.ID == "":
		why, attempted = "unknown name", s.stranger(r.name)
	case !known:
		why = "no possible password"
	case rec.Disabled:
		why = "disabled"
	}
	s.suspects.note(r.nameKey, attempted.ID)
	e := Invalid("basic: " + why)
	e.Attempted = attempted
	e.Facts = []slog.Attr{slog.Int("attempts", attempts)}
	if s.throttle != nil {
		s.throttle.Failed(r.client, "")
	}
	return e
}

// stranger is who a name that no user has stands for in the audit log: what
// somebody typed into the wrong field may be a password. The same name reads
// the same each time.
func (s *Service) stranger(name string) portcullis.Actor {
	sum := s.pseudo("name", name)
	return portcullis.Actor{ID: "name:" + hex.EncodeToString(sum[:8]), Method: Method}
}

// locked refuses without asking the store, so that the answer takes the same
// time whether or not the user exists. Whom it concerns is known from the
// failures that led here.
func (s *Service) locked(r reading, wait time.Duration, why string) *portcullis.Error {
	attempted := s.stranger(r.name)
	if id := s.suspects.of(r.nameKey); id != "" {
		attempted.ID = id
	}
	return tooMany(wait, why, attempted)
}

func tooMany(wait time.Duration, why string, attempted portcullis.Actor) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindRateLimited, Reason: "rate_limited", Public: publicLocked, RetryAfter: wait,
		Event: portcullis.EventRateLimitExceeded, Detail: "basic: " + why, Attempted: attempted,
	}
}

// Invalid is the refusal of credentials that are none, such as a header that
// cannot be read. The detail is for the log and holds nothing that was sent.
func Invalid(detail string) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindUnauthenticated, Reason: "unauthenticated", Public: publicInvalid,
		Event: portcullis.EventAuthFailure, Detail: detail, Attempted: portcullis.Actor{Method: Method},
	}
}

func unavailable(err error) *portcullis.Error {
	e := &portcullis.Error{
		Kind: portcullis.KindUnavailable, Reason: "unavailable", Public: publicUnavailable,
		RetryAfter: time.Second, Detail: "users cannot be checked", Err: err, Attempted: portcullis.Actor{Method: Method},
	}
	if busy(err) {
		e.Public, e.Detail = publicBusy, "too many passwords to check"
	}
	return e
}
