package a2aclient_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/portcullis-dev/portcullis/a2aclient"
)

const secret = "hunter2-do-not-show"

// hostile is an agent that does what a test wants. A request without a path of
// the test's is answered with its card.
type hostile struct {
	*httptest.Server
	mu   sync.Mutex
	got  []*http.Request
	card func(url string) string
}

func newHostile(t *testing.T, method http.HandlerFunc) *hostile {
	t.Helper()
	h := &hostile{card: cardOf}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.got = append(h.got, r)
		h.mu.Unlock()
		if r.URL.Path == "/.well-known/agent-card.json" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, h.card(h.URL))
			return
		}
		if method == nil {
			http.NotFound(w, r)
			return
		}
		method(w, r)
	}))
	t.Cleanup(func() { h.CloseClientConnections(); h.Close() })
	return h
}

func (h *hostile) requests() []*http.Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*http.Request(nil), h.got...)
}

// cardOf is a card of an agent that wants a bearer token.
func cardOf(url string) string {
	return cardWith(url+"/a2a", "JSONRPC", `{"t":{"httpAuthSecurityScheme":{"scheme":"Bearer"}}}`, `[{"schemes":{"t":[]}}]`)
}

func cardWith(url, binding, schemes, needs string) string {
	return fmt.Sprintf(`{"name":"H","description":"d","version":"1","supportedInterfaces":[{"url":%q,"protocolBinding":%q,"protocolVersion":"1.0"}],
	"capabilities":{"streaming":true},"defaultInputModes":["text/plain"],"defaultOutputModes":["text/plain"],"skills":[],
	"securitySchemes":%s,"securityRequirements":%s}`, url, binding, schemes, needs)
}

func bearer() a2aclient.Options {
	return a2aclient.Options{
		Credentials: []a2aclient.Credential{a2aclient.Bearer(a2aclient.Text(secret))},
		Limits: a2aclient.Limits{
			Timeout: 5 * time.Second, Tries: -1, Poll: time.Millisecond, Body: 64 << 10, Event: 16 << 10, StreamBytes: 128 << 10, Resubscribes: -1,
		},
	}
}

// idOf returns the id of a request, as JSON.
func idOf(r *http.Request) string {
	var q struct {
		ID json.RawMessage `json:"id"`
	}
	_ = json.NewDecoder(r.Body).Decode(&q)
	return string(q.ID)
}

const goodTask = `{"id":"t1","contextId":"c1","status":{"state":"TASK_STATE_COMPLETED"}}`

func writeJSON(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, text)
}

// TestAnswers holds what agents may not answer against what callers get. No
// error repeats the agent's bytes or the secret.
func TestAnswers(t *testing.T) {
	const marker = "MARKER-of-the-agent"
	for name, tt := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		want   error
	}{
		"missing jsonrpc": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"id":`+idOf(r)+`,"result":`+goodTask+`}`)
		}, a2aclient.ErrReply},
		"jsonrpc 1.0": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"jsonrpc":"1.0","id":`+idOf(r)+`,"result":`+goodTask+`}`)
		}, a2aclient.ErrReply},
		"missing id": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"jsonrpc":"2.0","result":`+goodTask+`}`)
		}, a2aclient.ErrReply},
		"another id": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"jsonrpc":"2.0","id":"`+marker+`","result":`+goodTask+`}`)
		}, a2aclient.ErrReply},
		"null id": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"jsonrpc":"2.0","id":null,"result":`+goodTask+`}`)
		}, a2aclient.ErrReply},
		"result and error": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"jsonrpc":"2.0","id":`+idOf(r)+`,"result":`+goodTask+`,"error":{"code":1,"message":"x"}}`)
		}, a2aclient.ErrReply},
		"neither": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"jsonrpc":"2.0","id":`+idOf(r)+`}`)
		}, a2aclient.ErrReply},
		"a batch": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `[{"jsonrpc":"2.0","id":`+idOf(r)+`,"result":`+goodTask+`}]`)
		}, a2aclient.ErrReply},
		"a request": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"jsonrpc":"2.0","id":`+idOf(r)+`,"method":"GetTask"}`)
		}, a2aclient.ErrReply},
		"twice the result": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"jsonrpc":"2.0","id":`+idOf(r)+`,"result":null,"result":`+goodTask+`}`)
		}, a2aclient.ErrReply},
		"another spelling": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"jsonrpc":"2.0","id":`+idOf(r)+`,"RESULT":`+goodTask+`}`)
		}, a2aclient.ErrReply},
		"a deep result": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"jsonrpc":"2.0","id":`+idOf(r)+`,"result":`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+`}`)
		}, a2aclient.ErrReply},
		"a task of another shape": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"jsonrpc":"2.0","id":`+idOf(r)+`,"result":{"id":["`+marker+`"]}}`)
		}, a2aclient.ErrReply},
		"an unknown state": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"jsonrpc":"2.0","id":`+idOf(r)+`,"result":{"id":"t1","contextId":"c1","status":{"state":"`+marker+`"}}}`)
		}, a2aclient.ErrReply},
		"another task": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"jsonrpc":"2.0","id":`+idOf(r)+`,"result":{"id":"t2","contextId":"c1","status":{"state":"TASK_STATE_COMPLETED"}}}`)
		}, a2aclient.ErrReply},
		"__proto__ as a member": {func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, `{"jsonrpc":"2.0","id":`+idOf(r)+`,"result":`+goodTask+`,"__proto__":{"`+marker+`":1}}`)
		}, a2aclient.ErrReply},
		"HTML": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>"+marker)
		}, a2aclient.ErrReply},
		"HTML as JSON": {func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, "<html>"+marker) }, a2aclient.ErrReply},
		"nothing":      {func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, "") }, a2aclient.ErrReply},
		"compressed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			writeJSON(w, marker)
		}, a2aclient.ErrReply},
		"an endless body": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for {
				if _, err := io.WriteString(w, strings.Repeat(" ", 4096)); err != nil {
					return
				}
			}
		}, a2aclient.ErrTooLarge},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/"+marker, http.StatusTemporaryRedirect)
		}, a2aclient.ErrRedirect},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t, tt.answer)
			c := connect(t, h.URL, bearer())
			got, err := c.Task(t.Context(), "t1")
			if !errors.Is(err, tt.want) || strings.Contains(fmt.Sprint(err), marker) || strings.Contains(fmt.Sprint(err), secret) {
				t.Fatalf("%+v, %v; want %v", got, err, tt.want)
			}
			if s := c.Stats(); s.CallsFailed != 1 && name != "another task" {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestCards holds cards of agents against what callers get: none of them gets
// the credential.
func TestCards(t *testing.T) {
	thief := newHostile(t, nil)
	for name, tt := range map[string]struct {
		card string
		want error
	}{
		"leads elsewhere":      {cardOf(thief.URL), a2aclient.ErrOrigin},
		"leads to a name":      {cardOf("https://evil.example"), a2aclient.ErrOrigin},
		"javascript":           {cardOf("javascript:alert(1)//"), a2aclient.ErrCard},
		"file":                 {cardOf("file:///etc/passwd"), a2aclient.ErrCard},
		"metadata":             {cardOf("http://169.254.169.254"), a2aclient.ErrCard},
		"name and password":    {cardOf("https://u:p@agent.example"), a2aclient.ErrCard},
		"NUL":                  {cardOf("https://agent.example/\\u0000"), a2aclient.ErrCard},
		"twice the interfaces": {`{"supportedInterfaces":[],` + cardOf("URL")[1:], a2aclient.ErrCard},
		"gRPC alone":           {cardWith("https://agent.example", "GRPC", "{}", "[]"), a2aclient.ErrCard},
		"a list":               {"[]", a2aclient.ErrCard},
		"no JSON":              {"<html>", a2aclient.ErrCard},
		"too large":            {`{"a":"` + strings.Repeat("x", 2<<20) + `"}`, a2aclient.ErrTooLarge},
		"wants basic": {
			cardWith("URL/a2a", "JSONRPC", `{"t":{"httpAuthSecurityScheme":{"scheme":"Basic"}}}`, `[{"schemes":{"t":[]}}]`), a2aclient.ErrAuth,
		},
		"wants digest": {
			cardWith("URL/a2a", "JSONRPC", `{"t":{"httpAuthSecurityScheme":{"scheme":"Digest"}}}`, `[{"schemes":{"t":[]}}]`), a2aclient.ErrAuth,
		},
		"wants a certificate too": {
			cardWith("URL/a2a", "JSONRPC", `{"t":{"httpAuthSecurityScheme":{"scheme":"Bearer"}},"m":{"mtlsSecurityScheme":{}}}`,
				`[{"schemes":{"t":[],"m":[]}}]`), a2aclient.ErrAuth,
		},
		"wants what it does not describe": {cardWith("URL/a2a", "JSONRPC", `{}`, `[{"schemes":{"t":[]}}]`), nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t, nil)
			h.card = func(url string) string { return strings.ReplaceAll(tt.card, "URL", url) }
			_, err := a2aclient.Connect(t.Context(), h.URL, bearer())
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			for _, r := range append(h.requests(), thief.requests()...) {
				if r.Header.Get("Authorization") != "" || r.Method != http.MethodGet {
					t.Errorf("%s %s with %q", r.Method, r.URL, r.Header.Get("Authorization"))
				}
			}
		})
	}
}

func TestAllowedOrigin(t *testing.T) {
	other := newHostile(t, func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, `{"jsonrpc":"2.0","id":`+idOf(r)+`,"result":`+goodTask+`}`)
	})
	h := newHostile(t, nil)
	h.card = func(string) string { return cardOf(other.URL) }
	o := bearer()
	o.AllowOrigins = []string{other.URL}
	c := connect(t, h.URL, o)
	if _, err := c.Task(t.Context(), "t1"); err != nil {
		t.Fatal(err)
	}
	got := other.requests()
	if len(got) != 1 || got[0].Header.Get("Authorization") != "Bearer "+secret {
		t.Errorf("%d requests", len(got))
	}
	o.AllowOrigins = []string{other.URL + "/a2a"}
	if _, err := a2aclient.Connect(t.Context(), h.URL, o); !errors.Is(err, a2aclient.ErrURL) {
		t.Errorf("an origin with a path: %v", err)
	}
}

func TestCardRedirects(t *testing.T) {
	thief := newHostile(t, nil)
	var to atomic.Value
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			writeJSON(w, cardOf("http://"+r.Host))
			return
		}
		http.Redirect(w, r, to.Load().(string), http.StatusFound)
	}))
	defer h.Close()
	for target, want := range map[string]error{
		"/moved": nil, thief.URL + "/card": a2aclient.ErrRedirect, "file:///etc/passwd": a2aclient.ErrRedirect,
		"/.well-known/agent-card.json": a2aclient.ErrRedirect, "http://evil.example/": a2aclient.ErrRedirect,
	} {
		to.Store(target)
		if _, err := a2aclient.Discover(t.Context(), h.URL, bearer()); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: got %v, want %v", target, err, want)
		}
	}
	if n := len(thief.requests()); n != 0 {
		t.Errorf("the other origin was asked %d times", n)
	}
}

func TestURLs(t *testing.T) {
	for _, url := range []string{
		"", "agent.example", "http://agent.example", "ftp://agent.example", "javascript:alert(1)", "file:///etc/passwd", "https://", "https:///x",
		"https://user:pw@agent.example", "https://agent.example/#x", "https://agent.example/\x00", "https://agent.example/a b", "https:\\\\agent.example",
		"http://127.0.0.1.evil.example", "http://[::1", "//agent.example", "https://agent.example/" + strings.Repeat("x", 3000), "http://0.0.0.0:1",
		"http://10.0.0.1", "HTTP://AGENT.EXAMPLE",
	} {
		_, err := a2aclient.Discover(t.Context(), url, a2aclient.Options{})
		if !errors.Is(err, a2aclient.ErrURL) {
			t.Errorf("%q: %v", url, err)
		}
		if strings.Contains(fmt.Sprint(err), "pw") {
			t.Errorf("%q is in %v", url, err)
		}
	}
	h := newHostile(t, nil)
	o := bearer()
	o.PublicOnly = true
	if _, err := a2aclient.Discover(t.Context(), h.URL, o); err == nil || !strings.Contains(err.Error(), "private") {
		t.Errorf("a private address: %v", err)
	}
	if _, err := a2aclient.Discover(t.Context(), "https://169.254.169.254", bearer()); err == nil || !strings.Contains(err.Error(), "link-local") {
		t.Errorf("metadata: %v", err)
	}
}

func TestIDs(t *testing.T) {
	h := newHostile(t, func(http.ResponseWriter, *http.Request) { t.Error("was called") })
	for _, binding := range []string{"JSONRPC", "HTTP+JSON"} {
		h.card = func(url string) string { return strings.Replace(cardOf(url), "JSONRPC", binding, 1) }
		c := connect(t, h.URL, bearer())
		for _, id := range []string{
			"", ".", "..", "../../../etc/passwd", "a/b", "a\\b", "a\x00b", "a%2fb", "a?b", "a#b", "a b", "a\nb", "ü", "__proto__/x", strings.Repeat("x", 300),
		} {
			if _, err := c.Task(t.Context(), id); !errors.Is(err, a2aclient.ErrID) {
				t.Errorf("task %q: %v", id, err)
			}
			if _, err := c.Cancel(t.Context(), id); !errors.Is(err, a2aclient.ErrID) {
				t.Errorf("cancelling %q: %v", id, err)
			}
			if err := c.DeletePush(t.Context(), "t", id); !errors.Is(err, a2aclient.ErrID) {
				t.Errorf("push %q: %v", id, err)
			}
			if id == "" {
				continue
			}
			if _, err := c.Send(t.Context(), a2aclient.Message{Text: "x", Task: id}); !errors.Is(err, a2aclient.ErrID) {
				t.Errorf("message for %q: %v", id, err)
			}
		}
		for _, m := range []a2aclient.Message{
			{}, {Text: " \n "}, {Text: strings.Repeat("ä", a2aclient.MaxText+1)}, {Text: "\xff"}, {Text: "x", Skill: "none"}, {Parts: []*a2a.Part{nil}},
		} {
			if _, err := c.Send(t.Context(), m); !errors.Is(err, a2aclient.ErrMessage) {
				t.Errorf("%.40v: %v", m, err)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		want   string
		is     error
	}{
		"a gateway such as ours": {403, `{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"no","data":{"reason":"forbidden","requestId":"x"}}}`, "the agent refuses (HTTP 403) (code -32000): forbidden: no", nil},
		"not found":              {200, `{"jsonrpc":"2.0","id":ID,"error":{"code":-32001,"message":"gone"}}`, "TASK_NOT_FOUND: gone", a2a.ErrTaskNotFound},
		"an error about no id":   {200, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}`, "PARSE_ERROR", a2a.ErrParseError},
		"an error with our secret": {
			401, `{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"bad token ` + secret + `\u001b[31m\u202e","data":"` + secret + `"}}`,
			"bad token [credential]", nil,
		},
		"a page":                {500, "<html>" + secret, "(HTTP 500): internal server error", nil},
		"a result with failure": {502, `{"jsonrpc":"2.0","id":ID,"result":{}}`, "bad gateway", nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t, func(w http.ResponseWriter, r *http.Request) {
				id := idOf(r)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, strings.ReplaceAll(tt.body, "ID", id))
			})
			c := connect(t, h.URL, bearer())
			_, err := c.Task(t.Context(), "t1")
			var agent *a2aclient.AgentError
			if !errors.As(err, &agent) || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v", err)
			}
			if text := fmt.Sprintf("%v %+v", err, agent); strings.Contains(text, secret) || strings.ContainsAny(text, "\x1b\u202e") {
				t.Errorf("%q", text)
			}
		})
	}
}
