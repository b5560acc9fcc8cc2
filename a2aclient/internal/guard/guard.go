package guard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Bounds are those on what an agent sends.
type Bounds struct {
	Body, Event, Events int
	StreamBytes         int64
	Silence             time.Duration
}

// Watch is told about the events of streams.
type Watch interface {
	Received()
	// Invalid is told of an event that was refused: with the place and the rule
	// that it breaks, or with an error if it cannot be read at all.
	Invalid(path, rule string, err error)
}

// Guard stands between the SDK and the network, for one interface of an agent.
// It puts the credential on, and lets nothing through that the SDK should not
// read.
type Guard struct {
	Base      http.RoundTripper
	At        Origin // the only one that requests go to
	Binding   string
	Version   string
	Auth      []Applier
	Bounds    Bounds
	UserAgent string
	Watch     Watch
}

// Bindings of the protocol that are spoken.
const (
	JSONRPC  = "JSONRPC"
	HTTPJSON = "HTTP+JSON"
)

// replies reads answers of JSON-RPC.
var replies = jsonrpc.NewReader(nil)

// RoundTrip implements [http.RoundTripper]. Every answer that it returns has
// status 200 and a body that was checked, or is checked event by event.
func (g *Guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if at := originOf(r.URL); at != g.At {
		return nil, Faultf(ErrOrigin, "a request would go to %s", at)
	}
	body, err := readAll(r.Body)
	if err != nil {
		return nil, err
	}
	stream := r.Header.Get("Accept") == typeStream
	ctx, cancel := context.WithCancelCause(r.Context())
	out := r.Clone(ctx)
	out.Body, out.GetBody, out.ContentLength = nil, nil, 0
	if r.Method != http.MethodGet && len(body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(body))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		out.ContentLength = int64(len(body))
	}
	out.Header.Set("Accept-Encoding", "identity")
	out.Header.Set("User-Agent", g.UserAgent)
	var asked request
	if g.Binding == JSONRPC {
		if asked, err = readRequest(body); err != nil {
			cancel(nil)
			return nil, err
		}
		if stream {
			out.Header.Set("Accept", typeStream+", application/json")
		}
	}
	secrets, err := g.authorize(ctx, out)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp, err := g.Base.RoundTrip(out)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	a := &answer{guard: g, asked: asked, secrets: secrets, resp: resp}
	if stream && resp.StatusCode == http.StatusOK && MediaType(resp.Header) == typeStream && PlainEncoding(resp.Header) {
		resp.Body = newEvents(ctx, a, cancel)
		return resp, nil
	}
	defer cancel(nil)
	text, err := a.whole()
	if cerr := resp.Body.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("reading the answer: %w", cerr)
	}
	if err != nil {
		return nil, err
	}
	if stream { // an agent that answers in one piece: one event
		text = append(append([]byte("data: "), oneLine(text)...), "\n\n"...)
	}
	resp.Status, resp.StatusCode = "200 OK", http.StatusOK
	resp.Header = http.Header{"Content-Type": {"application/json"}}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return resp, nil
}

const typeStream = "text/event-stream"

func readAll(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	b, err := io.ReadAll(body)
	return b, errors.Join(err, body.Close())
}

// authorize puts the credentials on a request.
func (g *Guard) authorize(ctx context.Context, r *http.Request) ([]string, error) {
	var secrets []string
	for _, a := range g.Auth {
		texts, err := a.apply(ctx, r)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, texts...)
	}
	return secrets, nil
}

// Refused tells the credentials that the agent did not take them. It reports
// whether there are others now.
func (g *Guard) Refused(ctx context.Context) bool {
	another := false
	for _, a := range g.Auth {
		another = a.refused(ctx) || another
	}
	return another
}

// request is what an answer has to fit, as the SDK wrote it.
type request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
}

func readRequest(body []byte) (request, error) {
	var r request
	if err := json.Unmarshal(body, &r); err != nil || len(r.ID) == 0 {
		return r, errors.New("a request has no id")
	}
	return r, nil
}

// MediaType returns the media type of a message, without parameters.
func MediaType(h http.Header) string {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

// IsJSON reports whether a media type is JSON.
func IsJSON(t string) bool {
	return t == "application/json" || strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json")
}

// PlainEncoding reports whether a body is as it is.
func PlainEncoding(h http.Header) bool {
	e := h.Get("Content-Encoding")
	return e == "" || strings.EqualFold(e, "identity")
}

// oneLine makes one line of a JSON text: line breaks are only between tokens.
func oneLine(text []byte) []byte {
	out := bytes.ReplaceAll(text, []byte("\n"), []byte(" "))
	return bytes.ReplaceAll(out, []byte("\r"), []byte(" "))
}

// answer is the reply to one request.
type answer struct {
	guard   *Guard
	asked   request // zero for HTTP+JSON
	secrets []string
	resp    *http.Response
}

// whole reads an answer that is no stream, and checks it.
func (a *answer) whole() ([]byte, error) {
	h, status := a.resp.Header, a.resp.StatusCode
	good := status >= 200 && status < 300
	switch {
	case status >= 300 && status < 400:
		return nil, Faultf(ErrRedirect, "HTTP %d: credentials do not follow redirects; give the URL that it moved to", status)
	case !PlainEncoding(h):
		return nil, Faultf(ErrReply, "it is compressed, which was not asked for")
	case good && !a.readable(MediaType(h)):
		return nil, Faultf(ErrReply, "want JSON, got %q", Words(MediaType(h)))
	}
	limit := a.guard.Bounds.Body
	text, err := io.ReadAll(io.LimitReader(a.resp.Body, int64(limit)+1))
	switch {
	case !good && (err != nil || len(text) > limit || !a.readable(MediaType(h))):
		return nil, a.status("", "", 0) // an error page: nothing in it is of use
	case err != nil:
		return nil, fmt.Errorf("reading the answer: %w", err)
	case len(text) > limit:
		return nil, Faultf(ErrTooLarge, "an answer of more than %d bytes", limit)
	}
	if a.guard.Binding == JSONRPC {
		result, err := a.check(text)
		switch {
		case err != nil:
			return nil, err
		case !good:
			return nil, a.status("", "", 0)
		}
		return text, checkResult(a.asked.Method, result)
	}
	if !good {
		return nil, a.httpError(text)
	}
	if len(text) == 0 {
		return []byte("{}"), nil
	}
	return text, a.strict(text)
}

// readable reports whether an answer of a media type is read at all. The SDK's
// server of version 0.3 gives errors none, which makes them plain text.
func (a *answer) readable(t string) bool {
	if a.guard.Binding == JSONRPC {
		return IsJSON(t) || t == "text/plain" || t == ""
	}
	return IsJSON(t) || a.resp.StatusCode == http.StatusNoContent
}

// check holds a JSON-RPC message to what was asked: the version, the id, one of
// result and error. It returns the result.
func (a *answer) check(text []byte) ([]byte, error) {
	slots := make([]jsonrpc.Value, replies.Slots())
	m, err := replies.Read(text, a.limits(), slots)
	if err != nil && returnsNothing(a.asked.Method) {
		// The SDK's servers leave a result of null out.
		text = append(bytes.Clone(bytes.TrimSuffix(bytes.TrimSpace(text), []byte("}"))), `,"result":null}`...)
		clear(slots)
		m, err = replies.Read(text, a.limits(), slots)
	}
	if err != nil {
		if a.resp.StatusCode != http.StatusOK {
			return nil, a.status("", "", 0)
		}
		return nil, Faultf(ErrReply, "it is no JSON-RPC 2.0 response")
	}
	isError := m.Error.Kind == jsonrpc.Object
	id := m.ID.Raw(text)
	switch {
	case m.Method.Kind != jsonrpc.Absent:
		return nil, Faultf(ErrReply, "it is a request")
	case !isError && m.Result.Kind == jsonrpc.Absent:
		return nil, Faultf(ErrReply, "it has neither result nor error")
	case string(id) != string(a.asked.ID) && !(isError && m.ID.Kind == jsonrpc.Absent): // an error about what could not be read has no id
		return nil, Faultf(ErrReply, "it answers another request")
	case isError:
		return nil, a.status(reasonIn(m.ErrorData.Raw(text)), stringIn(m.ErrorText.Raw(text)), m.ErrorCode)
	}
	return m.Result.Raw(text), nil
}

// returnsNothing reports whether a method has no result, as
// "DeleteTaskPushNotificationConfig" and "tasks/pushNotificationConfig/delete".
func returnsNothing(method string) bool {
	return strings.HasPrefix(method, "Delete") || strings.HasSuffix(method, "/delete")
}

// strict checks that a text is JSON that every parser reads the same.
func (a *answer) strict(text []byte) error {
	if !strictJSON(text, a.limits()) {
		return Faultf(ErrReply, "it is not JSON that every parser reads the same")
	}
	return nil
}

// strictJSON takes objects, and arrays, which the strict reader takes as part
// of an object only.
func strictJSON(text []byte, lim jsonrpc.Limits) bool {
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		text = append(append([]byte(`{"a":`), text...), '}')
		lim.MaxBytes += len(`{"a":}`)
	}
	return jsonrpc.ReadObject(text, lim) == nil
}

func (a *answer) limits() jsonrpc.Limits {
	lim := jsonrpc.DefaultReplyLimits()
	lim.MaxBytes = max(a.guard.Bounds.Body, a.guard.Bounds.Event)
	return lim
}

// status makes the error of an answer that is a refusal. Reason and text are
// the agent's.
func (a *answer) status(reason, text string, code int) error {
	e := &AgentError{
		Status: a.resp.StatusCode, Code: code, Reason: word(reason), Message: Words(a.masked(text)),
		RetryAfter: RetryAfter(a.resp.Header, time.Now()),
	}
	if k, ok := kindOf(code, e.Reason); ok {
		e.kind = k.err
		if e.Reason == "" {
			e.Reason = k.reason
		}
	}
	if e.Reason == "" && code == 0 {
		e.Reason = strings.ToLower(http.StatusText(e.Status))
	}
	return e
}

// masked takes out of an agent's words what was sent as a credential.
func (a *answer) masked(text string) string {
	for _, s := range a.secrets {
		if len(s) >= 4 { // a shorter one is no secret, and would tear words apart
			text = strings.ReplaceAll(text, s, "[credential]")
		}
	}
	return text
}

// word lets a reason through that is a word for programs.
func word(s string) string {
	if len(s) > 64 || !isToken(s) {
		return ""
	}
	return s
}

func stringIn(raw []byte) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// reasonIn finds the word for programs in the data of an error: that of a
// google.rpc.ErrorInfo, or the member that gateways such as ours write.
func reasonIn(raw []byte) string {
	var one struct {
		Reason string `json:"reason"`
	}
	var many []struct {
		Reason string `json:"reason"`
	}
	if json.Unmarshal(raw, &many) == nil {
		for _, d := range many {
			if d.Reason != "" {
				return d.Reason
			}
		}
		return ""
	}
	if json.Unmarshal(raw, &one) != nil {
		return ""
	}
	return one.Reason
}

// httpError reads the error of an HTTP+JSON answer: a google.rpc.Status, as A2A
// writes it, or a problem document (RFC 9457).
func (a *answer) httpError(text []byte) error {
	if a.strict(text) != nil {
		return a.status("", "", 0)
	}
	var doc struct {
		Error struct {
			Message string          `json:"message"`
			Status  string          `json:"status"`
			Details json.RawMessage `json:"details"`
		} `json:"error"`
		Message string          `json:"message"`
		Details json.RawMessage `json:"details"`
		Detail  string          `json:"detail"`
		Title   string          `json:"title"`
		Reason  string          `json:"reason"`
	}
	if json.Unmarshal(text, &doc) != nil {
		return a.status("", "", 0)
	}
	reason := firstOf(reasonIn(doc.Error.Details), reasonIn(doc.Details), doc.Reason, doc.Error.Status)
	return a.status(reason, firstOf(doc.Error.Message, doc.Message, doc.Detail, doc.Title), 0)
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// RetryAfter reads the field of that name: seconds, or a date.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.Atoi(text); err == nil {
		if n < 0 {
			return 0
		}
		return time.Duration(min(n, 1<<20)) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}
