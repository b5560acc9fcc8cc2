package refusals

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// row is one refusal: what is sent and everything that comes of it.
type row struct {
	name string

	method  string   // POST if empty
	path    string   // /mcp if empty
	key     string   // the gateway's first key if empty, none if "-"
	body    string   // a tools/call if empty
	headers []string // name, value, …
	admin   bool     // sent to the admin listener

	status int
	code   int    // JSON-RPC code; 0 = a problem document
	id     string // raw id of the JSON-RPC error; null if empty
	public string // words for the caller, if they matter
	reason string
	want   map[string]string // headers of the answer, "*" = any value

	event    string // type of the audit event
	route    string // name of the route in metrics and event; mcp if empty
	phase    string
	guard    string
	actor    bool // the event names the caller
	intended bool // the call was forwarded: an intent and an outcome, not a refusal
}

const call = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"m":"s3cr3t-argument"}}}`

// Versions of the headers that every answer carries.
var securityHeaders = map[string]string{
	"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
	"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Cache-Control": "no-store",
	"Cross-Origin-Resource-Policy": "same-origin", "Permissions-Policy": "*",
}

// bench is a gateway under test and what stands behind it.
type bench struct {
	*harness.Gateway
	up      *harness.Upstream
	secrets []string // texts that must not be found anywhere
}

func (b *bench) run(t *testing.T, rows []row) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) { b.check(t, r.complete()) })
	}
	b.noSecrets(t)
}

func (r row) complete() row {
	if r.method == "" {
		r.method = http.MethodPost
	}
	if r.path == "" {
		r.path = "/mcp"
	}
	if r.body == "" && r.method == http.MethodPost {
		r.body = call
	}
	if r.route == "" {
		r.route = "mcp"
	}
	if r.route == "none" {
		r.route = ""
	}
	if r.id == "" {
		r.id = "null"
	}
	return r
}

func (b *bench) check(t *testing.T, r row) {
	t.Helper()
	headers := r.headers
	switch r.key {
	case "":
		headers = append([]string{"X-API-Key", b.Key}, headers...)
	case "-":
	default:
		headers = append([]string{"X-API-Key", r.key}, headers...)
	}
	base := b.Base
	if r.admin {
		base = b.Admin
	}
	before, seen := b.refused(t, r), len(b.up.Seen())
	resp := harness.Do(t, r.method, base+r.path, []byte(r.body), headers...)
	b.answer(t, r, resp)
	if !r.intended {
		if n := len(b.up.Seen()); n != seen {
			t.Errorf("the upstream saw %d requests of a refused call", n-seen)
		}
	}
	if after := b.refused(t, r); after != before+1 {
		t.Errorf("portcullis_refusals_total{guard=%q,phase=%q,reason=%q,route=%q} went from %g to %g\n%s", r.guard, r.phase, r.reason, r.route, before, after, b.refusals(t))
	}
	b.event(t, r, resp.Header.Get("X-Request-Id"))
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// answer checks what the caller reads.
func (b *bench) answer(t *testing.T, r row, resp harness.Response) {
	t.Helper()
	if resp.Status != r.status {
		t.Fatalf("status %d, want %d: %s", resp.Status, r.status, resp.Body)
	}
	id := resp.Header.Get("X-Request-Id")
	if !uuid.MatchString(id) {
		t.Errorf("X-Request-Id %q is no UUIDv7", id)
	}
	for name, want := range securityHeaders {
		checkHeader(t, resp.Header, name, want)
	}
	for name, want := range r.want {
		checkHeader(t, resp.Header, name, want)
	}
	if resp.Header.Get("Server") != "" || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("headers tell of the inside: %v", resp.Header)
	}
	if r.status == http.StatusUnauthorized && resp.Header.Get("Www-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
	if r.status == http.StatusMethodNotAllowed && resp.Header.Get("Allow") == "" {
		t.Error("405 without Allow")
	}
	if r.method == http.MethodHead {
		return
	}
	if r.code != 0 {
		b.rpcError(t, r, resp, id)
	} else {
		b.problem(t, r, resp, id)
	}
	for _, inner := range append([]string{b.up.URL, b.DataDir, "goroutine", ".go:", "panic", "s3cr3t", "/internal/"}, b.secrets...) {
		if strings.Contains(resp.Body, inner) {
			t.Errorf("the answer tells %q: %s", inner, resp.Body)
		}
	}
}

func checkHeader(t *testing.T, h http.Header, name, want string) {
	t.Helper()
	got := h.Values(name)
	if len(got) == 0 || want != "*" && strings.Join(got, ", ") != want {
		t.Errorf("header %s: %q, want %q", name, got, want)
	}
}

func (b *bench) rpcError(t *testing.T, r row, resp harness.Response, requestID string) {
	t.Helper()
	var got struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
			Data    struct {
				Reason     string `json:"reason"`
				RequestID  string `json:"requestId"`
				RetryAfter int64  `json:"retryAfter"`
			} `json:"data"`
		} `json:"error"`
	}
	if err := json.Unmarshal([]byte(resp.Body), &got); err != nil {
		t.Fatalf("the answer is no JSON: %v: %s", err, resp.Body)
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type %q", ct)
	}
	e := got.Error
	if got.JSONRPC != "2.0" || string(got.ID) != r.id || e.Code != r.code || e.Data.Reason != r.reason || e.Data.RequestID != requestID {
		t.Errorf("answer %s, want id %s, code %d, reason %q, request id %s", resp.Body, r.id, r.code, r.reason, requestID)
	}
	if e.Message == "" || r.public != "" && e.Message != r.public {
		t.Errorf("message %q, want %q", e.Message, r.public)
	}
	checkRetry(t, r, resp, e.Data.RetryAfter)
}

func (b *bench) problem(t *testing.T, r row, resp harness.Response, requestID string) {
	t.Helper()
	var got struct {
		Type, Title, Detail, Reason, RequestID string
		Status                                 int
		RetryAfter                             int64
	}
	if err := json.Unmarshal([]byte(resp.Body), &got); err != nil {
		t.Fatalf("the answer is no JSON: %v: %s", err, resp.Body)
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("Content-Type %q", ct)
	}
	if got.Type == "" || got.Title == "" || got.Status != r.status || got.Reason != r.reason || got.RequestID != requestID {
		t.Errorf("answer %s, want status %d, reason %q, request id %s", resp.Body, r.status, r.reason, requestID)
	}
	if got.Detail == "" || r.public != "" && got.Detail != r.public {
		t.Errorf("detail %q, want %q", got.Detail, r.public)
	}
	checkRetry(t, r, resp, got.RetryAfter)
}

// checkRetry holds the body to the header.
func checkRetry(t *testing.T, r row, resp harness.Response, inBody int64) {
	t.Helper()
	header := resp.Header.Get("Retry-After")
	if r.status == http.StatusTooManyRequests && header == "" {
		t.Error("429 without Retry-After")
	}
	if header != "" && header != strconv.FormatInt(inBody, 10) {
		t.Errorf("Retry-After %q, in the body %d", header, inBody)
	}
}

// refused reads the counter of the row's refusal.
func (b *bench) refused(t *testing.T, r row) float64 {
	t.Helper()
	line := fmt.Sprintf("portcullis_refusals_total{guard=%q,phase=%q,reason=%q,route=%q} ", r.guard, r.phase, r.reason, r.route)
	for l := range strings.Lines(b.Metrics()) {
		if v, ok := strings.CutPrefix(l, line); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	return 0
}

func (b *bench) refusals(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for l := range strings.Lines(b.Metrics()) {
		if strings.HasPrefix(l, "portcullis_refusals_total{") {
			out.WriteString(l)
		}
	}
	return out.String()
}

// event checks what the journal holds of the call.
func (b *bench) event(t *testing.T, r row, requestID string) {
	t.Helper()
	var got *harness.Event
	for _, e := range b.EventsOf(requestID) {
		if e.Type == "AUTH_SUCCESS" {
			continue
		}
		if e.Type == "CALL_STARTED" {
			if !r.intended {
				t.Errorf("a call that was refused before has an intent")
			}
			continue
		}
		if got != nil {
			t.Errorf("two events end one call: %s and %s", got.Type, e.Type)
		}
		got = &e
	}
	if got == nil {
		t.Fatalf("no event with request id %s", requestID)
	}
	if r.intended {
		r.event = "CALL_FINISHED"
	}
	if got.Type != r.event || got.Outcome != "failure" || got.Reason != r.reason || got.Route != r.route {
		t.Errorf("event %+v, want type %s, reason %s, route %s", got, r.event, r.reason, r.route)
	}
	if fmt.Sprint(got.Details["status"]) != strconv.Itoa(r.status) {
		t.Errorf("event says status %v, want %d", got.Details["status"], r.status)
	}
	if !r.intended && (got.Details["phase"] != r.phase || got.Details["guard"] != r.guard) {
		t.Errorf("event %+v, want phase %s, guard %s", got.Details, r.phase, r.guard)
	}
	if got.Actor["ip"] != "127.0.0.1" {
		t.Errorf("event has no address: %+v", got.Actor)
	}
	if named := got.Actor["id"] != nil && got.Actor["id"] != ""; named != r.actor {
		t.Errorf("event names its actor: %t, want %t: %+v", named, r.actor, got.Actor)
	}
}

// noSecrets looks for secrets in everything the gateway leaves behind.
func (b *bench) noSecrets(t *testing.T) {
	t.Helper()
	places := map[string]string{"log": b.Log.String(), "metrics": b.Metrics()}
	err := filepath.WalkDir(b.DataDir, func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(name)
		places[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append([]string{secretOf(b.Key), "s3cr3t-argument"}, b.secrets...) {
		for place, text := range places {
			if strings.Contains(text, s) {
				t.Errorf("secret %q stands in %s", s, place)
			}
		}
	}
}

// secretOf is the part of a key that nobody may learn.
func secretOf(key string) string {
	_, secret, _ := strings.Cut(key, ".")
	return secret
}
