package a2aclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// guard stands between the SDK and the network, for one interface of an agent.
// It puts the credential on, and lets nothing through that the SDK should not
// read.
type guard struct {
	base    http.RoundTripper
	at      origin // the only one that requests go to
	binding string
	version string
	auth    []applier
	set     *settings
	log     *log
	replies *jsonrpc.Reader
}

// RoundTrip implements [http.RoundTripper]. Every answer that it returns has
// status 200 and a body that was checked, or is checked event by event.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if at := originOf(r.URL); at != g.at {
		return nil, faultf(ErrOrigin, "a request would go to %s", at)
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
	out.Header.Set("User-Agent", g.set.UserAgent)
	var asked request
	if g.binding == JSONRPC {
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
	resp, err := g.base.RoundTrip(out)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	a := &answer{guard: g, asked: asked, secrets: secrets, resp: resp}
	if stream && resp.StatusCode == http.StatusOK && mediaType(resp.Header) == typeStream && plainEncoding(resp.Header) {
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
func (g *guard) authorize(ctx context.Context, r *http.Request) ([]string, error) {
	var secrets []string
	for _, a := range g.auth {
		texts, err := a.apply(ctx, r)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, texts...)
	}
	return secrets, nil
}

// refused tells the credentials that the agent did not take them. It reports
// whether there are others now.
func (g *guard) refused(ctx context.Context) bool {
	another := false
	for _, a := range g.auth {
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

func mediaType(h http.Header) string {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

func isJSON(t string) bool {
	return t == "application/json" || strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json")
}

func plainEncoding(h http.Header) bool {
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
	guard   *guard
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
		return nil, faultf(ErrRedirect, "HTTP %d: credentials do not follow redirects; give the URL that it moved to", status)
	case !plainEncoding(h):
		return nil, faultf(ErrReply, "it is compressed, which was not asked for")
	case good && !a.readable(mediaType(h)):
		return nil, faultf(ErrReply, "want JSON, got %q", words(mediaType(h)))
	}
	limit := a.guard.set.Limits.Body
	text, err := io.ReadAll(io.LimitReader(a.resp.Body, int64(limit)+1))
	switch {
	case !good && (err != nil || len(text) > limit || !a.readable(mediaType(h))):
		return nil, a.status("", "", 0) // an error page: nothing in it is of use
	case err != nil:
		return nil, fmt.Errorf("reading the answer: %w", err)
	case len(text) > limit:
		return nil, faultf(ErrTooLarge, "an answer of more than %d bytes", limit)
	}
	if a.guard.binding == JSONRPC {
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
	if a.guard.binding == JSONRPC {
		return isJSON(t) || t == "text/plain" || t == ""
	}
	return isJSON(t) || a.resp.StatusCode == http.StatusNoContent
}

// check holds a JSON-RPC message to what was asked: the version, the id, one of
// result and error. It returns the result.
func (a *answer) check(text []byte) ([]byte, error) {
	slots := make([]jsonrpc.Value, a.guard.replies.Slots())
	m, err := a.guard.replies.Read(text, a.limits(), slots)
	if err != nil && returnsNothing(a.asked.Method) {
		// The SDK's servers leave a result of null out.
		text = append(bytes.Clone(bytes.TrimSuffix(bytes.TrimSpace(text), []byte("}"))), `,"result":null}`...)
		clear(slots)
		m, err = a.guard.replies.Read(text, a.limits(), slots)
	}
	if err != nil {
		if a.resp.StatusCode != http.StatusOK {
			return nil, a.status("", "", 0)
		}
		return nil, faultf(ErrReply, "it is no JSON-RPC 2.0 response")
	}
	isError := m.Error.Kind == jsonrpc.Object
	id := m.ID.Raw(text)
	switch {
	case m.Method.Kind != jsonrpc.Absent:
		return nil, faultf(ErrReply, "it is a request")
	case !isError && m.Result.Kind == jsonrpc.Absent:
		return nil, faultf(ErrReply, "it has neither result nor error")
	case string(id) != string(a.asked.ID) && !(isError && m.ID.Kind == jsonrpc.Absent): // an error about what could not be read has no id
		return nil, faultf(ErrReply, "it answers another request")
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
		return faultf(ErrReply, "it is not JSON that every parser reads the same")
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
	lim.MaxBytes = max(a.guard.set.Limits.Body, a.guard.set.Limits.Event)
	return lim
}

// status makes the error of an answer that is a refusal. Reason and text are
// the agent's.
func (a *answer) status(reason, text string, code int) error {
	e := &AgentError{
		Status: a.resp.StatusCode, Code: code, Reason: word(reason), Message: words(a.masked(text)),
		RetryAfter: retryAfter(a.resp.Header, time.Now()),
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
