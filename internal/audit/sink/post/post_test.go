package post_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
)

func client(t *testing.T, c post.TLS) *post.Client {
	t.Helper()
	out, err := post.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	return out
}

func TestJudge(t *testing.T) {
	for status, want := range map[int]sink.Fault{
		400: sink.Refused, 413: sink.Refused, 422: sink.Refused,
		401: sink.Misconfigured, 403: sink.Misconfigured, 404: sink.Misconfigured, 405: sink.Misconfigured, 301: sink.Misconfigured, 415: sink.Misconfigured,
		408: sink.Away, 409: sink.Away, 425: sink.Away, 429: sink.Away, 500: sink.Away, 502: sink.Away, 503: sink.Away, 504: sink.Away, 599: sink.Away,
	} {
		if got := post.Judge(status, nil, ""); got.Fault != want {
			t.Errorf("%d is %v, want %v", status, got.Fault, want)
		}
	}
	for text, want := range map[string][2]time.Duration{
		"":   {0, 0},
		"30": {30 * time.Second, 30 * time.Second},
		"-1": {0, 0}, "soon": {0, 0}, "99999999999": {0, 0},
		time.Now().Add(time.Minute).UTC().Format(http.TimeFormat):  {50 * time.Second, time.Minute},
		time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat): {0, 0},
	} {
		if got := post.Judge(429, http.Header{"Retry-After": {text}}, "").After; got < want[0] || got > want[1] {
			t.Errorf("Retry-After %q is %v", text, got)
		}
	}
}

// TestRedirects: one to another server gets neither the credential nor events.
func TestRedirects(t *testing.T) {
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the stranger was asked") }))
	defer stranger.Close()
	var hits int
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits++
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, stranger.URL, http.StatusTemporaryRedirect)
		case "/get":
			http.Redirect(w, r, s.URL+"/ok", http.StatusFound) // would lose the body
		case "/loop":
			http.Redirect(w, r, s.URL+"/loop", http.StatusTemporaryRedirect)
		case "/near":
			http.Redirect(w, r, s.URL+"/ok", http.StatusPermanentRedirect)
		}
	}))
	defer s.Close()
	c := client(t, post.TLS{})
	for path, fine := range map[string]bool{"/near": true, "/away": false, "/get": false, "/loop": false} {
		_, err := c.Do(t.Context(), post.Request{URL: s.URL + path, Body: []byte("x")})
		var e *sink.Error
		if fine != (err == nil) || err != nil && (!errors.As(err, &e) || e.Fault != sink.Misconfigured) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if hits > 8 {
		t.Errorf("%d requests", hits)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusBadRequest)
		}
		line := strings.Repeat("x\x1b[31m\n", 1000)
		for range post.MaxAnswer/len(line) + 2 {
			if _, err := fmt.Fprint(w, line); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	c := client(t, post.TLS{})
	if _, err := c.Do(t.Context(), post.Request{URL: s.URL}); err == nil {
		t.Error("an endless answer is taken")
	}
	_, err := c.Do(t.Context(), post.Request{URL: s.URL + "/bad"})
	if text := sink.Explain(err); len(text) < 100 || len(text) > 300 || strings.ContainsAny(text, "\x1b\n") || err.Error() != "answered 400" {
		t.Errorf("%q", text)
	}
}

func TestNothingLeaks(t *testing.T) {
	if got := post.Excerpt([]byte("the token s3cret-s3cret is wrong"), "s3cret-s3cret"); got != "the token [secret] is wrong" {
		t.Error(got)
	}
	c := client(t, post.TLS{})
	for _, url := range []string{"http://127.0.0.1:1/?key=s3cret", "://s3cret", "https://s3cret.invalid./"} {
		_, err := c.Do(t.Context(), post.Request{URL: url})
		if err == nil || strings.Contains(err.Error(), "?key=s3cret") || strings.Contains(err.Error(), "://s3cret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		tls  post.TLS
		fine bool
	}{
		"system's roots": {post.TLS{}, false},
		"own roots":      {post.TLS{CA: ca}, true},
		"other name":     {post.TLS{CA: ca, ServerName: "siem.example.org"}, false},
		"right name":     {post.TLS{CA: ca, ServerName: "example.com"}, true},
		"insecure":       {post.TLS{InsecureSkipVerify: true}, true},
	} {
		if _, err := client(t, tt.tls).Do(t.Context(), post.Request{URL: s.URL}); (err == nil) != tt.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []post.TLS{{CA: "/nonexistent"}, {CA: os.DevNull}, {Cert: ca, Key: ca}} {
		if _, err := post.New(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestAuth(t *testing.T) {
	secret := func() (string, error) { return "hush", nil }
	for want, a := range map[string]post.Auth{
		"Authorization: Bearer hush":        {Scheme: "Bearer", Secret: secret},
		"X-Api-Key: hush":                   {Header: "X-API-Key", Secret: secret},
		"Authorization: Basic dXNlcjpodXNo": {Username: "user", Scheme: "Bearer", Secret: secret},
		"":                                  {Scheme: "Bearer"},
	} {
		h := http.Header{}
		if _, err := a.Apply(h); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := h.Write(&b); err != nil || strings.TrimSpace(b.String()) != want {
			t.Errorf("%q, want %q", b.String(), want)
		}
	}
	_, err := post.Auth{Secret: func() (string, error) { return "", errors.New("gone") }}.Apply(http.Header{})
	var e *sink.Error
	if !errors.As(err, &e) || e.Fault != sink.Misconfigured {
		t.Error(err)
	}
}
