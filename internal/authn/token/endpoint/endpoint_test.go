package endpoint_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/authn/token/endpoint"
)

// sessions answers as the test says.
type sessions struct {
	err   error
	asked []string
	by    portcullis.Actor
}

func (s *sessions) Refresh(_ context.Context, text string, by portcullis.Actor) (token.Grant, token.Session, error) {
	s.asked, s.by = append(s.asked, text), by
	if s.err != nil {
		return token.Grant{}, token.Session{}, s.err
	}
	return token.Grant{AccessToken: "a.b.c", RefreshToken: "mcprt_next", ExpiresIn: 10 * time.Minute, SessionID: "id"},
		token.Session{Scopes: []string{"tools:*", "manage"}}, nil
}

func (s *sessions) RevokeByHolder(_ context.Context, text string, by portcullis.Actor) error {
	s.asked, s.by = append(s.asked, text), by
	return s.err
}

func post(h http.Handler, target, contentType, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.7:0"
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	h.ServeHTTP(w, r)
	return w
}

const formType = "application/x-www-form-urlencoded"

func log() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestToken(t *testing.T) {
	s := &sessions{}
	w := post(endpoint.Token(s, log()), endpoint.TokenPath, formType+"; charset=utf-8", "grant_type=refresh_token&refresh_token=mcprt_x.y&client_id=app")
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json" ||
		got["access_token"] != "a.b.c" || got["token_type"] != "Bearer" || got["expires_in"] != 600.0 || got["refresh_token"] != "mcprt_next" ||
		got["scope"] != "tools:* manage" || got["session_id"] != "id" || s.by.IP.String() != "192.0.2.7" || s.asked[0] != "mcprt_x.y" {
		t.Errorf("%d %v %v by %+v", w.Code, w.Header(), got, s.by)
	}
}

func TestTokenRefuses(t *testing.T) {
	const good = "grant_type=refresh_token&refresh_token=x"
	for _, c := range []struct {
		name, target, media, body string
		err                       error
		status                    int
		code                      string
	}{
		{"no type", "/auth/token", "", good, nil, 400, "invalid_request"},
		{"JSON", "/auth/token", "application/json", `{"grant_type":"refresh_token"}`, nil, 400, "invalid_request"},
		{"in the URL", "/auth/token?refresh_token=x", formType, good, nil, 400, "invalid_request"},
		{"empty", "/auth/token", formType, "", nil, 400, "invalid_request"},
		{"no token", "/auth/token", formType, "grant_type=refresh_token", nil, 400, "invalid_request"},
		{"no grant type", "/auth/token", formType, "refresh_token=x", nil, 400, "invalid_request"},
		{"another grant", "/auth/token", formType, "grant_type=client_credentials&refresh_token=x", nil, 400, "unsupported_grant_type"},
		{"password", "/auth/token", formType, "grant_type=password&username=a&password=b", nil, 400, "unsupported_grant_type"},
		{"token twice", "/auth/token", formType, good + "&refresh_token=y", nil, 400, "invalid_request"},
		{"grant type twice", "/auth/token", formType, good + "&grant_type=refresh_token", nil, 400, "invalid_request"},
		{"scope", "/auth/token", formType, good + "&scope=manage", nil, 400, "invalid_scope"},
		{"not a form", "/auth/token", formType, "%zz", nil, 400, "invalid_request"},
		{"too large", "/auth/token", formType, good + "&x=" + strings.Repeat("a", endpoint.MaxBody), nil, 400, "invalid_request"},
		{"not accepted", "/auth/token", formType, good, token.ErrGrant, 400, "invalid_grant"},
		{"store away", "/auth/token", formType, good, errors.New("disk on fire"), 503, "temporarily_unavailable"},
	} {
		s := &sessions{err: c.err}
		w := post(endpoint.Token(s, log()), c.target, c.media, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), `"error":"`+c.code+`"`) || strings.Contains(w.Body.String(), "fire") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if c.err == nil && len(s.asked) > 0 {
			t.Errorf("%s: asked for %v", c.name, s.asked)
		}
	}
}

func TestRevoke(t *testing.T) {
	for _, c := range []struct {
		body   string
		err    error
		status int
		asked  string
	}{
		{"token=x", nil, 200, "x"},
		{"token=x&token_type_hint=refresh_token", nil, 200, "x"},
		{"token=x&token_type_hint=nonsense", nil, 200, "x"},
		{"", nil, 400, ""},
		{"token_type_hint=access_token", nil, 400, ""},
		{"token=x&token=y", nil, 400, ""},
		{"token=x", errors.New("disk on fire"), 503, "x"},
	} {
		s := &sessions{err: c.err}
		w := post(endpoint.Revoke(s, log()), endpoint.RevokePath, formType, c.body)
		if w.Code != c.status || strings.Join(s.asked, " ") != c.asked || strings.Contains(w.Body.String(), "fire") {
			t.Errorf("%q: %d %s, asked %v", c.body, w.Code, w.Body, s.asked)
		}
	}
}

// FuzzForm: whatever is posted, the answer is JSON, and only one refresh token
// out of the body is ever asked for.
func FuzzForm(f *testing.F) {
	for _, s := range []string{"", "grant_type=refresh_token&refresh_token=x", "a=b&a=c", "%", "=&=&;", "grant_type=refresh_token&refresh_token=%00"} {
		f.Add(formType, s)
	}
	f.Add("multipart/form-data; boundary=x", "--x")
	f.Fuzz(func(t *testing.T, media, body string) {
		s := &sessions{}
		w := post(endpoint.Token(s, log()), endpoint.TokenPath, media, body)
		if !json.Valid(w.Body.Bytes()) || w.Code != 200 && w.Code != 400 || len(s.asked) > 1 {
			t.Fatalf("%d %s, asked %q", w.Code, w.Body, s.asked)
		}
		if len(s.asked) == 1 {
			form, err := url.ParseQuery(body)
			if err != nil || len(form["refresh_token"]) != 1 || form.Get("refresh_token") != s.asked[0] {
				t.Fatalf("asked for %q out of %q", s.asked, body)
			}
		}
	})
}
