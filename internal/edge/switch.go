package edge

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Switch turns everyone away: while an operator has switched maintenance on,
// and while the server drains before it stops (requirements S1-20, S1-21). It
// only holds the state; whoever switches it persists and records that. The zero
// Switch lets everyone in. It is safe for concurrent use.
type Switch struct {
	maintenance atomic.Int64 // Retry-After plus one nanosecond; 0 = off
	draining    atomic.Int64
}

var _ portcullis.EdgeGuard = (*Switch)(nil)

// SetMaintenance switches maintenance on, telling callers to come back after
// retryAfter (0 = not said), and reports whether it was off.
func (s *Switch) SetMaintenance(retryAfter time.Duration) bool {
	return s.maintenance.Swap(int64(max(0, retryAfter))+1) == 0
}

// ClearMaintenance switches maintenance off and reports whether it was on.
func (s *Switch) ClearMaintenance() bool { return s.maintenance.Swap(0) != 0 }

// Maintenance reports whether maintenance is on.
func (s *Switch) Maintenance() bool { return s.maintenance.Load() != 0 }

// Drain refuses new requests until the process ends; there is no way back.
func (s *Switch) Drain(retryAfter time.Duration) {
	s.draining.Store(int64(max(0, retryAfter)) + 1)
}

// Draining reports whether Drain was called.
func (s *Switch) Draining() bool { return s.draining.Load() != 0 }

// Name returns "switch".
func (*Switch) Name() string { return "switch" }

// CheckConn refuses with [portcullis.KindUnavailable] and the reason
// "draining" or "maintenance".
func (s *Switch) CheckConn(context.Context, *portcullis.Conn) error {
	if v := s.draining.Load(); v != 0 {
		return &portcullis.Error{
			Kind:       portcullis.KindUnavailable,
			Reason:     "draining",
			Public:     "Service is restarting",
			RetryAfter: time.Duration(v - 1),
			Header:     http.Header{"Connection": {"close"}}, // the next try should find another replica
		}
	}
	if v := s.maintenance.Load(); v != 0 {
		return &portcullis.Error{
			Kind:       portcullis.KindUnavailable,
			Reason:     "maintenance",
			Public:     "Service is under maintenance",
			RetryAfter: time.Duration(v - 1),
		}
	}
	return nil
}
