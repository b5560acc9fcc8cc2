package healthcheck

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config"
)

func TestAsk(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health":
			w.WriteHeader(http.StatusOK)
		case "/moved":
			http.Redirect(w, r, "/health", http.StatusFound)
		default:
			http.Error(w, "draining\x1b[31m", http.StatusServiceUnavailable)
		}
	}
	plain, private := httptest.NewServer(http.HandlerFunc(answer)), httptest.NewTLSServer(http.HandlerFunc(answer))
	defer plain.Close()
	defer private.Close()
	for _, tt := range []struct{ url, want string }{
		{plain.URL + "/health", ""},
		{private.URL + "/health", ""},
		{plain.URL + "/ready", "503 Service Unavailable: draining"},
		{plain.URL + "/moved", "302"},
		{"http://127.0.0.1:1/health", "asking the gateway"},
		{"http://127.0.0.1:x", "--url"},
	} {
		err := ask(context.Background(), tt.url, 5*time.Second)
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\x1b")) {
			t.Errorf("%s: %v", tt.url, err)
		}
	}
}

func TestLocal(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", "0.0.0.0:80": "http://127.0.0.1:80", "[::]:80": "http://[::1]:80", ":80": "http://127.0.0.1:80", "10.0.0.1:8": "http://10.0.0.1:8",
	} {
		c := config.Default()
		c.Server.Listen = listen
		if got, err := local(c); err != nil || got != want {
			t.Errorf("%s: %s, %v", listen, got, err)
		}
	}
	c := config.Default()
	c.Server.TLS.Cert = "c.pem"
	if got, err := local(c); err != nil || !strings.HasPrefix(got, "https://") {
		t.Error(got, err)
	}
}
