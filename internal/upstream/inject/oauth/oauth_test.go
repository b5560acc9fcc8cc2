package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis"
)

type secret string

func (s secret) Get() (string, uint64, error)                { return string(s), 1, nil }
func (secret) Refresh(context.Context, uint64) (bool, error) { return false, nil }

// issuer answers token requests in memory.
type issuer struct {
	mu     sync.Mutex
	forms  []url.Values
	status int
	body   string // instead of a token
	life   int
	slow   time.Duration
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	time.Sleep(i.slow)
	i.mu.Lock()
	defer i.mu.Unlock()
	id, pw, _ := r.BasicAuth()
	r.PostForm.Set("basic", id+":"+pw)
	i.forms = append(i.forms, r.PostForm)
	w := httptest.NewRecorder()
	switch {
	case i.status != 0:
		w.WriteHeader(i.status)
		fmt.Fprint(w, i.body)
	case i.body != "":
		fmt.Fprint(w, i.body)
	default:
		fmt.Fprintf(w, `{"access_token":"tok%d","token_type":"Bearer","expires_in":%d}`, len(i.forms), i.life)
	}
	return w.Result(), nil
}

func (i *issuer) asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.forms)
}

func (i *issuer) fail(status int, body string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status, i.body = status, body
}

func config(i *issuer) Config {
	return Config{
		TokenURL: "https://login.example.com/token", ClientID: "port cullis", Secret: secret("s3c:ret"), Scopes: []string{"a", "b"},
		Resource: "https://mcp.example.com/mcp", HTTP: &http.Client{Transport: i},
	}
}

func call(method, id, token string) *portcullis.Call {
	r := httptest.NewRequest(http.MethodPost, "/mcp", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return &portcullis.Call{Conn: &portcullis.Conn{HTTP: r}, Principal: portcullis.Principal{ID: id, Method: method}, Message: &portcullis.Message{}}
}

func TestClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 3600, slow: time.Second}
		c := NewClient(config(i))
		get := func() string {
			t.Helper()
			got, err := c.Authorize(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			return got.Fields[0].Value
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if v := get(); v != "Bearer tok1" {
					t.Errorf("got %q", v)
				}
			})
		}
		wg.Wait()
		if i.asked() != 1 {
			t.Errorf("%d requests for one token", i.asked())
		}
		f := i.forms[0]
		for name, want := range map[string]string{
			"grant_type": "client_credentials", "scope": "a b", "resource": "https://mcp.example.com/mcp", "basic": "port+cullis:s3c%3Aret", "client_secret": "",
		} {
			if f.Get(name) != want {
				t.Errorf("%s = %q", name, f.Get(name))
			}
		}
		time.Sleep(3575 * time.Second) // due, and still good
		i.fail(http.StatusServiceUnavailable, "canary")
		if v := get(); v != "Bearer tok1" {
			t.Errorf("issuer down, token good: %q", v)
		}
		time.Sleep(time.Minute)
		_, err := c.Authorize(t.Context(), nil)
		var pe *portcullis.Error
		if !errors.As(err, &pe) || pe.Kind != portcullis.KindUpstream || strings.Contains(err.Error(), "canary") {
			t.Errorf("token ended: %v", err)
		}
		i.fail(0, "")
		if v := get(); !strings.HasPrefix(v, "Bearer tok") || v == "Bearer tok1" {
			t.Errorf("after recovery: %q", v)
		}
	})
}

func TestRefusedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 3600}
		c := NewClient(config(i))
		first, err := c.Authorize(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !c.Refused(t.Context(), nil, first) {
			t.Error("no other token")
		}
		second, err := c.Authorize(t.Context(), nil)
		if err != nil || second.Fields[0].Value != "Bearer tok2" {
			t.Fatalf("%v %v", second.Fields, err)
		}
		for range 10 { // an upstream that refuses everything
			if c.Refused(t.Context(), nil, second) {
				t.Error("a third token in the same moment")
			}
		}
		if i.asked() != 2 {
			t.Errorf("%d requests", i.asked())
		}
	})
}

func TestExchange(t *testing.T) {
	t.Parallel()
	i := &issuer{life: 3600}
	e := NewExchange(config(i), "jwt", "oidc")
	value := func(c *portcullis.Call) string {
		t.Helper()
		got, err := e.Authorize(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return got.Fields[0].Value
	}
	ann, bob := call("oidc", "oidc|ann", "subject-ann"), call("oidc", "oidc|bob", "subject-bob")
	if a, b := value(ann), value(bob); a != "Bearer tok1" || b != "Bearer tok2" || value(ann) != a || i.asked() != 2 {
		t.Errorf("%q %q after %d requests", a, b, i.asked())
	}
	f := i.forms[0]
	for name, want := range map[string]string{
		"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "subject-ann",
		"subject_token_type": "urn:ietf:params:oauth:token-type:access_token", "resource": "https://mcp.example.com/mcp",
	} {
		if f.Get(name) != want {
			t.Errorf("%s = %q", name, f.Get(name))
		}
	}
	if v := value(call("oidc", "oidc|ann", "another")); v != "Bearer tok3" {
		t.Errorf("another token of the caller got %q", v)
	}
	for name, c := range map[string]*portcullis.Call{
		"API key": call("api_key", "k", "mcp_x.y"), "no token": call("oidc", "oidc|ann", ""), "own session": call("session", "u", "x"),
	} {
		_, err := e.Authorize(t.Context(), c)
		var pe *portcullis.Error
		if !errors.As(err, &pe) || pe.Kind != portcullis.KindForbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
	if i.asked() != 3 {
		t.Errorf("%d requests", i.asked())
	}
}

func TestExchangeIsBounded(t *testing.T) {
	t.Parallel()
	e := NewExchange(config(&issuer{}), "jwt")
	for n := range maxCallers + 10 {
		e.slot(call("jwt", fmt.Sprint(n), "t"), "t")
	}
	if len(e.slots) > maxCallers {
		t.Errorf("%d callers are remembered", len(e.slots))
	}
}

// FuzzRead: no answer of an issuer makes a credential that is no header, and no
// error repeats it.
func FuzzRead(f *testing.F) {
	f.Add(200, []byte(`{"access_token":"t","token_type":"Bearer","expires_in":60}`))
	f.Add(200, []byte(`{"access_token":"a\r\nb","token_type":"Bearer"}`))
	f.Add(400, []byte(`{"error":"invalid_client","error_description":"canary"}`))
	f.Add(200, []byte(`{"access_token":"t","token_type":"DPoP","expires_in":1e300}`))
	f.Add(200, []byte(`{"access_token":"t","token_type":"bearer","expires_in":-1}`))
	f.Fuzz(func(t *testing.T, status int, data []byte) {
		began := time.Now()
		got, err := read(status, data, began)
		if err != nil {
			if strings.Contains(err.Error(), "canary") || len(err.Error()) > 80 {
				t.Fatalf("error %v", err)
			}
			return
		}
		if got.ends.Sub(began) > maxLife || got.ends.Before(got.due) || strings.ContainsAny(got.cred.Fields[0].Value, "\r\n\x00") {
			t.Fatalf("token %+v", got)
		}
	})
}
