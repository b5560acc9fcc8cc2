package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
)

const secret = "canary-secret-token"

// fake is users and sessions in one.
type fake struct {
	checkErr, openErr, currentErr, endErr error
	current                               bool
	tried                                 []basic.Attempt
	opened                                []token.Login
	ended                                 []string
}

func (f *fake) Check(_ context.Context, a basic.Attempt) (portcullis.Principal, error) {
	f.tried = append(f.tried, a)
	return portcullis.Principal{ID: "user:1", Method: "basic"}, f.checkErr
}

func (f *fake) Current(context.Context, portcullis.Principal) (bool, error) {
	return f.current, f.currentErr
}

func (f *fake) Open(_ context.Context, l token.Login) (token.Grant, error) {
	f.opened = append(f.opened, l)
	return token.Grant{AccessToken: secret, RefreshToken: secret + "r", ExpiresIn: time.Minute, SessionID: "s1"}, f.openErr
}

func (f *fake) EndSessions(_ context.Context, subject, _ string, _ portcullis.Actor) error {
	f.ended = append(f.ended, subject)
	return f.endErr
}

func serve(t *testing.T, f *fake) (*httptest.ResponseRecorder, string) {
	t.Helper()
	var log strings.Builder
	h := &handler{f, f, slog.New(slog.NewTextHandler(&log, nil))}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path, nil)
	r.RemoteAddr = "192.0.2.7:0"
	h.ServeHTTP(w, r)
	return w, log.String()
}

func TestHandler(t *testing.T) {
	f := &fake{current: true}
	w, _ := serve(t, f)
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || got["access_token"] != secret || got["refresh_token"] != secret+"r" ||
		got["expires_in"] != 60.0 || got["token_type"] != "Bearer" || got["session_id"] != "s1" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if len(f.opened) != 1 || f.opened[0].By.IP.String() != "192.0.2.7" || len(f.ended) != 0 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%+v %v", f, w.Header())
	}
}

// TestNoSession: what goes wrong after the password was proved gives nothing
// away, and a session that should not be is ended.
func TestNoSession(t *testing.T) {
	for name, tt := range map[string]struct {
		fake   fake
		status int
		ended  int
	}{
		"no store":              {fake{openErr: errors.New("disk on fire")}, 503, 0},
		"no rights":             {fake{openErr: fmt.Errorf("%w: scopes", token.ErrInvalid)}, 403, 0},
		"changed meanwhile":     {fake{}, 503, 1},
		"nobody can tell":       {fake{currentErr: errors.New("disk on fire")}, 503, 1},
		"changed, and not over": {fake{endErr: errors.New("disk on fire")}, 503, 1},
	} {
		w, log := serve(t, &tt.fake)
		if w.Code != tt.status || len(tt.fake.ended) != tt.ended || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d, %d ended, %s", name, w.Code, len(tt.fake.ended), w.Body)
		}
		if body := w.Body.String(); strings.Contains(body, "fire") || strings.Contains(body+log, secret) || log == "" {
			t.Errorf("%s: %s %s", name, body, log)
		}
		if tt.status == 503 && w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: %v", name, w.Header())
		}
	}
}

func TestAuthenticator(t *testing.T) {
	try := func(f *fake, body string, headers ...string) *portcullis.Error {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path, strings.NewReader(body))
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		_, err := authenticator{f}.Authenticate(t.Context(), &portcullis.Conn{HTTP: r})
		var e *portcullis.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatal(err)
		}
		return e
	}
	f := &fake{}
	if e := try(f, `{"username":"alice","password":"p"}`); e != nil || len(f.tried) != 1 || f.tried[0].Name != "alice" || f.tried[0].Password != "p" {
		t.Errorf("%v %+v", e, f.tried)
	}
	shared := basic.Invalid("x")
	f.checkErr = shared
	e := try(f, `{"email":"alice","password":"p"}`)
	if e == nil || e.Data["error"] != "Invalid credentials" || len(e.Header["Www-Authenticate"]) != 1 || shared.Data != nil || shared.Header != nil {
		t.Errorf("%+v; %+v", e, shared)
	}
	f.checkErr = &portcullis.Error{Kind: portcullis.KindRateLimited, RetryAfter: time.Second}
	if e := try(f, `{"email":"alice","password":"p"}`); e == nil || e.Kind != portcullis.KindRateLimited || e.Data != nil {
		t.Errorf("%+v", e)
	}
	for _, h := range []string{"Authorization", "X-Api-Key"} {
		if e := try(&fake{}, `{"username":"alice","password":"p"}`, h, "x"); e == nil || e.Kind != portcullis.KindMalformed {
			t.Errorf("%s: %+v", h, e)
		}
	}
}

// FuzzRead: what is read has one name and a password, both in the body as
// another parser reads it.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		`{"username":"alice","password":"p"}`, `{"email":"a@b","password":"p"}`, `{"username":"a","email":"b","password":"p"}`, `{}`, `null`, `[]`,
		`{"username":"a","username":"b","password":"p"}`, `{"Username":"a","password":"p"}`, `{"username":"a","password":"\u0000"}`,
		`{"username":"a","password":"p"} `, `{"username":"a","password":"p"}{}`, "{\"username\":\"\xff\",\"password\":\"p\"}", `{"username":"\ud800","password":"p"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, ok := read(body)
		if !ok {
			return
		}
		var other map[string]string
		if err := json.Unmarshal(body, &other); err != nil {
			t.Fatalf("%q is read, and not by another parser: %v", body, err)
		}
		if a.Name == "" || a.Password == "" || a.Name != other["username"]+other["email"] || a.Password != other["password"] || strings.ContainsFunc(a.Name+a.Password, control) {
			t.Errorf("%q is read as %+v, by another parser as %v", body, a, other)
		}
	})
}
