package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
)

const secret = "0123456789abcdef0123456789abcdef"

// memory is a Store in memory.
type memory struct {
	mu   sync.Mutex
	all  map[string]Message
	down error
}

func (m *memory) AddNotices(_ context.Context, _ int, messages ...Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range messages {
		if _, ok := m.all[x.ID]; !ok {
			m.all[x.ID] = x
		}
	}
	return m.down
}

func (m *memory) pick(want func(Message) bool) []Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Message
	for _, x := range m.all {
		if want(x) {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b Message) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func (m *memory) DueNotices(_ context.Context, now time.Time, _ int) ([]Message, error) {
	return m.pick(func(x Message) bool { return x.FailedAt.IsZero() && !x.NextAt.After(now) }), m.down
}

func (m *memory) UpdateNotice(_ context.Context, x Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[x.ID] = x
	return nil
}

func (m *memory) DeleteNotice(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, id)
	return nil
}

func (m *memory) Notices(_ context.Context, failed bool) ([]Message, error) {
	return m.pick(func(x Message) bool { return failed != x.FailedAt.IsZero() }), nil
}

func queue(t *testing.T, c Config, rt http.RoundTripper, log io.Writer) (*Queue, *memory) {
	t.Helper()
	store := &memory{all: map[string]Message{}}
	if rt == nil {
		rt = http.DefaultTransport
	}
	q, err := New(c, Options{Store: store, Transport: rt, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return q, store
}

func notice(typ portcullis.EventType) apikey.Notice {
	end := time.Date(2026, 11, 1, 14, 0, 0, 0, time.UTC)
	return apikey.Notice{
		ID: "aa:" + string(typ), Type: typ, Time: end.Add(-2 * time.Hour), KeyID: "aa", Owner: "<!channel> `bob`", Successor: "bb", RevokeAt: &end,
	}
}

func TestWebhookIsSigned(t *testing.T) {
	var got []*http.Request
	var bodies [][]byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, bodies = append(got, r), append(bodies, b)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer srv.Close()
	q, store := queue(t, Config{Webhook: srv.URL + "/keys", Secret: secret, Timeout: time.Second}, nil, t.Output())
	for range 2 { // the same notice twice is one
		if err := q.Notify(t.Context(), notice(portcullis.EventAPIKeyRotated)); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || len(store.all) != 0 {
		t.Fatalf("%d calls, %d stored", len(got), len(store.all))
	}
	h := got[0].Header
	ts := h.Get("X-Portcullis-Timestamp")
	if want := Sign(secret, ts, bodies[0]); h.Get("X-Portcullis-Signature") != want || Sign("x", ts, bodies[0]) == want || Sign(secret, ts+"0", bodies[0]) == want {
		t.Errorf("signature %q", h.Get("X-Portcullis-Signature"))
	}
	var n apikey.Notice
	if err := json.Unmarshal(bodies[0], &n); err != nil || n.KeyID != "aa" || n.Successor != "bb" || n.Type != portcullis.EventAPIKeyRotated {
		t.Errorf("%s, %v", bodies[0], err)
	}
	if h.Get("X-Portcullis-Notice") != "aa:API_KEY_ROTATED:webhook" {
		t.Errorf("id %q", h.Get("X-Portcullis-Notice"))
	}
}

// roundTripper answers without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int) *http.Response {
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}}
}

// TestRetriesAndDeadLetters: the pauses grow, and what never arrives is laid
// aside and listed.
func TestRetriesAndDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Time
		var log bytes.Buffer
		fail := roundTripper(func(*http.Request) (*http.Response, error) {
			times = append(times, time.Now())
			if len(times)%2 == 0 {
				return nil, errors.New("connection refused")
			}
			return answer(http.StatusServiceUnavailable), nil
		})
		q, _ := queue(t, Config{Slack: "https://hooks.example.com/services/verysecret", Timeout: time.Second}, fail, &log)
		if err := q.Notify(t.Context(), notice(portcullis.EventAPIKeyRevoked)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 48*time.Hour)
		defer cancel()
		if err := q.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(times) != MaxAttempts {
			t.Fatalf("%d attempts", len(times))
		}
		for i := 2; i < len(times); i++ {
			if a, b := times[i-1].Sub(times[i-2]), times[i].Sub(times[i-1]); b < a && a < longPause {
				t.Errorf("pause %d: %s after %s", i, b, a)
			}
		}
		dead, err := q.List(t.Context(), true)
		if err != nil || len(dead) != 1 || dead[0].Attempts != MaxAttempts || dead[0].LastError == "" {
			t.Errorf("%+v, %v", dead, err)
		}
		if wait, err := q.List(t.Context(), false); err != nil || len(wait) != 0 {
			t.Errorf("%+v, %v", wait, err)
		}
		if text := log.String(); strings.Contains(text, "verysecret") || !strings.Contains(text, "giving up") {
			t.Errorf("log: %s", text)
		}
		if strings.Contains(dead[0].LastError, "verysecret") {
			t.Errorf("error: %s", dead[0].LastError)
		}
	})
}

// TestNothingIsLost: a message outlives the queue, and the end of the process
// in the middle of a delivery is no failure.
func TestNothingIsLost(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cut := roundTripper(func(r *http.Request) (*http.Response, error) {
		cancel()
		return nil, r.Context().Err()
	})
	c := Config{Webhook: "https://hooks.example.com/keys", Secret: secret, Timeout: time.Second}
	q, store := queue(t, c, cut, t.Output())
	if err := q.Notify(t.Context(), notice(portcullis.EventAPIKeyDeprecated)); err != nil {
		t.Fatal(err)
	}
	if err := q.Deliver(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	var sent int
	again, err := New(c, Options{Store: store, Log: slog.New(slog.DiscardHandler), Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		sent++
		return answer(http.StatusOK), nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Deliver(t.Context()); err != nil || sent != 1 || len(store.all) != 0 {
		t.Errorf("%d sent, %d stored, %v", sent, len(store.all), err)
	}
	store.down = net.ErrClosed
	if err := again.Deliver(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("store down: %v", err)
	}
	if err := again.Notify(t.Context(), notice(portcullis.EventAPIKeyRotated)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("store down: %v", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	calls := 0
	rt := roundTripper(func(*http.Request) (*http.Response, error) {
		calls++
		r := answer(http.StatusTemporaryRedirect)
		r.Header.Set("Location", "http://169.254.169.254/")
		return r, nil
	})
	q, store := queue(t, Config{Webhook: "https://hooks.example.com/keys", Secret: secret, Timeout: time.Second}, rt, t.Output())
	if err := errors.Join(q.Notify(t.Context(), notice(portcullis.EventAPIKeyRotated)), q.Deliver(t.Context())); err != nil {
		t.Fatal(err)
	}
	if m := store.all["aa:API_KEY_ROTATED:webhook"]; calls != 1 || m.LastError != "answered 307" || m.Attempts != 1 {
		t.Errorf("%d calls, %+v", calls, m)
	}
}

func TestSlackText(t *testing.T) {
	for typ, want := range map[portcullis.EventType]string{
		portcullis.EventAPIKeyRotated:    "has a successor, `bb`. It stops working at 2026-11-01T14:00:00Z.",
		portcullis.EventAPIKeyDeprecated: "is deprecated. Its successor is `bb`. It stops working at",
		portcullis.EventAPIKeyRevoked:    "is revoked.",
	} {
		n, err := json.Marshal(notice(typ))
		if err != nil {
			t.Fatal(err)
		}
		b, err := slackBody(string(n))
		var got struct{ Text string }
		if err := errors.Join(err, json.Unmarshal(b, &got)); err != nil || !strings.Contains(got.Text, want) || strings.Contains(got.Text, "<!") {
			t.Errorf("%s: %q, %v", typ, got.Text, err)
		}
	}
}

// TestCommand runs a real program: no shell, little environment, the notice on
// standard input; and one that fails or does not end.
func TestCommand(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	t.Setenv("PORTCULLIS_TEST_SECRET", "leak")
	script := `cat > "$0"; env >> "$0"`
	q, store := queue(t, Config{Command: []string{"/bin/sh", "-c", script, out}, Timeout: 5 * time.Second}, nil, t.Output())
	if err := errors.Join(q.Notify(t.Context(), notice(portcullis.EventAPIKeyRotated)), q.Deliver(t.Context())); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	text := string(b)
	if err != nil || !strings.Contains(text, `"key_id":"aa"`) || !strings.Contains(text, "PORTCULLIS_SUCCESSOR=bb") ||
		!strings.Contains(text, "PORTCULLIS_EVENT=API_KEY_ROTATED") || strings.Contains(text, "leak") || len(store.all) != 0 {
		t.Errorf("%q, %v", text, err)
	}
	for _, argv := range [][]string{{"/bin/false"}, {"/nonexistent"}, {"/bin/sleep", "60"}} {
		q, store := queue(t, Config{Command: argv, Timeout: time.Second}, nil, t.Output())
		if err := errors.Join(q.Notify(t.Context(), notice(portcullis.EventAPIKeyRotated)), q.Deliver(t.Context())); err != nil {
			t.Fatal(err)
		}
		if m := store.all["aa:API_KEY_ROTATED:command"]; m.Attempts != 1 || !strings.HasPrefix(m.LastError, "running the command: ") {
			t.Errorf("%v: %+v", argv, m)
		}
	}
}

func TestNobodyToTell(t *testing.T) {
	q, store := queue(t, Default(), nil, t.Output())
	if err := q.Notify(t.Context(), notice(portcullis.EventAPIKeyRotated)); err != nil || len(store.all) != 0 {
		t.Errorf("%d stored, %v", len(store.all), err)
	}
	// Targets that were taken out of the configuration are not tried any more.
	for _, target := range []string{targetWebhook, targetSlack, targetCommand} {
		store.all[target] = Message{ID: target, Target: target}
	}
	if err := q.Deliver(t.Context()); err != nil || len(store.all) != 0 {
		t.Errorf("%d stored, %v", len(store.all), err)
	}
	if _, err := New(Config{}, Options{}); err == nil {
		t.Error("an empty configuration is taken")
	}
	if _, err := New(Default(), Options{}); err == nil {
		t.Error("a queue without a store")
	}
}
