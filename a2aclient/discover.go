package a2aclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/a2aclient/internal/guard"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

// wellKnown are the places of a card, the newer one first.
var wellKnown = [...]string{"/.well-known/agent-card.json", "/.well-known/agent.json"}

// maxRedirects bounds how often a card may have moved within its origin.
const maxRedirects = 3

// TrustKeys returns a verifier that trusts public keys: a JWK set, one JWK, or
// PEM blocks "PUBLIC KEY".
func TrustKeys(keys []byte) (Verifier, error) {
	k, err := card.ParseKeys(keys)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Discover fetches, reads and checks the card of an agent. The URL is that of
// the agent, whose card is looked for at its well-known places, or of the card
// itself. No credential is sent. The errors are [ErrURL], [ErrNoCard],
// [ErrCard], [ErrSignature], [ErrOrigin], or of the network.
func Discover(ctx context.Context, agentURL string, opts Options) (*Card, error) {
	set, err := opts.check()
	if err != nil {
		return nil, err
	}
	return discover(ctx, agentURL, set, &log{to: opts.Observer})
}

func discover(ctx context.Context, agentURL string, set *settings, l *log) (*Card, error) {
	u, at, err := guard.ReadURL(agentURL)
	if err != nil {
		return nil, err
	}
	transport, err := guard.NewTransport(set.wire(true))
	if err != nil {
		return nil, err
	}
	defer transport.CloseIdleConnections()
	f := &finder{set: set, at: at, log: l, client: &http.Client{Transport: transport, CheckRedirect: sameOrigin(at)}}
	for _, place := range places(u) {
		raw, err := f.fetch(ctx, place)
		if err != nil {
			return nil, err
		}
		if raw == nil {
			continue
		}
		return readCard(raw, place, at, set)
	}
	return nil, guard.Faultf(ErrNoCard, "neither %s nor %s is there: give the URL of the card", wellKnown[0], wellKnown[1])
}

// places returns where the card may be.
func places(u *url.URL) []string {
	if strings.HasSuffix(u.Path, ".json") {
		return []string{u.String()}
	}
	var out []string
	for _, p := range wellKnown {
		out = append(out, u.JoinPath(p).String())
	}
	return out
}

// sameOrigin follows a redirect within an origin and no other.
func sameOrigin(at guard.Origin) func(*http.Request, []*http.Request) error {
	return func(r *http.Request, via []*http.Request) error {
		_, to, err := guard.ReadURL(r.URL.String())
		switch {
		case err != nil:
			return guard.Faultf(ErrRedirect, "to what is no URL that is called")
		case to != at:
			return guard.Faultf(ErrRedirect, "to %s: give the URL there, if you trust it", to)
		case len(via) > maxRedirects:
			return guard.Faultf(ErrRedirect, "more than %d times", maxRedirects)
		}
		return nil
	}
}

// finder fetches cards.
type finder struct {
	set    *settings
	at     guard.Origin
	log    *log
	client *http.Client
}

// fetch gets a card, again if the agent is away for a moment; nil if there is
// none.
func (f *finder) fetch(ctx context.Context, place string) ([]byte, error) {
	return attempt(ctx, f.set, f.log, methodCard, nil, func(ctx context.Context) ([]byte, error) { return f.once(ctx, place) })
}

func (f *finder) once(ctx context.Context, place string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return nil, guard.Faultf(ErrURL, "it cannot be read")
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Set("User-Agent", f.set.UserAgent)
	r.Header.Set("A2A-Version", "1.0") // a server of both forms answers with the newer
	resp, err := f.client.Do(r)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, int64(f.set.Limits.Card)+1))
	if cerr := resp.Body.Close(); err == nil && cerr != nil {
		err = cerr
	}
	switch {
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		return nil, nil
	case resp.StatusCode != http.StatusOK:
		return nil, &AgentError{
			Status: resp.StatusCode, Reason: strings.ToLower(http.StatusText(resp.StatusCode)),
			RetryAfter: guard.RetryAfter(resp.Header, time.Now()),
		}
	case err != nil:
		return nil, fmt.Errorf("reading the card: %w", err)
	case len(raw) > f.set.Limits.Card:
		return nil, guard.Faultf(ErrTooLarge, "a card of more than %d bytes", f.set.Limits.Card)
	case !guard.PlainEncoding(resp.Header):
		return nil, guard.Faultf(ErrCard, "it is compressed, which was not asked for")
	case !guard.IsJSON(guard.MediaType(resp.Header)):
		return nil, guard.Faultf(ErrCard, "want JSON, got %q", guard.Words(guard.MediaType(resp.Header)))
	}
	return raw, nil
}

// attempt makes a call, again where that is safe and of use. Each try has the
// time of one request. renew is told of a 401, and says whether there is
// another credential now; nil = there is none.
func attempt[T any](ctx context.Context, set *settings, l *log, m method, renew func(context.Context) bool, call func(context.Context) (T, error)) (T, error) {
	l.calls.Add(1)
	l.tell(Notice{Kind: CallStarted, Method: m.name})
	renewed := false
	for tried := 1; ; tried++ {
		out, err := once(ctx, set.Limits.Timeout, call)
		if err == nil {
			l.tell(Notice{Kind: CallFinished, Method: m.name, Count: tried})
			return out, nil
		}
		pause, ok := again(m, tried, set.Limits.Tries, err, rand.Float64())
		if !ok && !renewed && m.idempotent && renew != nil && isUnauthenticated(err) {
			renewed = true
			ok = renew(ctx)
		}
		if ok && sleep(ctx, pause) == nil {
			l.retried.Add(1)
			l.tell(Notice{Kind: CallRetried, Method: m.name, Count: tried, Err: err})
			continue
		}
		l.failed.Add(1)
		l.tell(Notice{Kind: Failed, Method: m.name, Count: tried, Err: err})
		return out, err
	}
}

func once[T any](ctx context.Context, limit time.Duration, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, err := call(ctx)
	return out, guard.Explain(err)
}

func isUnauthenticated(err error) bool {
	var agent *AgentError
	return errors.As(err, &agent) && agent.Status == http.StatusUnauthorized
}
