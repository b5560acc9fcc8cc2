package a2aclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"time"

	"github.com/portcullis-dev/portcullis/a2aclient/internal/guard"
	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
)

// Bounds of what is tried again.
const (
	firstPause = 500 * time.Millisecond
	maxPause   = 10 * time.Second
	maxAfter   = 30 * time.Second // a longer Retry-After is for the caller to decide about
)

// method is a call of the protocol and whether making it twice changes no more
// than making it once.
type method struct {
	name       string
	idempotent bool
}

// The methods. Cancelling is not repeated: a second answer would say "not
// cancelable" of a task that the first call ended.
var (
	methodSend       = method{"SendMessage", false}
	methodStream     = method{"SendStreamingMessage", false}
	methodGet        = method{"GetTask", true}
	methodList       = method{"ListTasks", true}
	methodCancel     = method{"CancelTask", false}
	methodSubscribe  = method{"SubscribeToTask", true}
	methodPushSet    = method{"CreateTaskPushNotificationConfig", false}
	methodPushGet    = method{"GetTaskPushNotificationConfig", true}
	methodPushList   = method{"ListTaskPushNotificationConfigs", true}
	methodPushDelete = method{"DeleteTaskPushNotificationConfig", false}
	methodCard       = method{"AgentCard", true}
)

// again says whether a call that failed is made again, and after which pause.
// tried is how often it was made; jitter is from [0, 1).
func again(m method, tried, most int, err error, jitter float64) (time.Duration, bool) {
	if !m.idempotent || err == nil || tried > most || !passing(err) {
		return 0, false
	}
	pause := min(firstPause<<min(tried-1, 10), maxPause)
	pause = pause/2 + time.Duration(jitter*float64(pause/2))
	var agent *AgentError
	if errors.As(err, &agent) && agent.RetryAfter > 0 {
		if agent.RetryAfter > maxAfter {
			return 0, false
		}
		pause = max(pause, agent.RetryAfter)
	}
	return pause, true
}

// passing reports whether a failure may be gone a moment later: the agent says
// so, or the network failed. What an agent answered in full is its answer.
func passing(err error) bool {
	var agent *AgentError
	if errors.As(err, &agent) {
		switch agent.Status {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	if guard.IsOwn(err) || errors.Is(err, context.Canceled) {
		return false
	}
	var address *dial.AddressError
	var certificate *tls.CertificateVerificationError
	return !errors.As(err, &address) && !errors.As(err, &certificate)
}

// sleep waits, or not if ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
