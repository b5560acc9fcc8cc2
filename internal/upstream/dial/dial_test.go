package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDialChecksWhatItConnectsTo uses a name: what is refused is the address
// it resolves to.
func TestDialChecksWhatItConnectsTo(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("localhost", port)
	conn, err := (&Dialer{}).DialContext(t.Context(), "tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	_, err = (&Dialer{Policy: Policy{DenyPrivate: true}}).DialContext(t.Context(), "tcp4", addr)
	var refused *AddressError
	if !errors.As(err, &refused) || refused.Why != "private" || refused.Addr.String() != "127.0.0.1" {
		t.Errorf("got %v", err)
	}
	_, err = (&Dialer{}).DialContext(t.Context(), "tcp", "169.254.169.254:80")
	if !errors.As(err, &refused) || refused.Why != "link-local" {
		t.Errorf("got %v", err)
	}
	if _, err = (&Dialer{}).DialContext(t.Context(), "unix", "/tmp/x"); err == nil || !strings.Contains(err.Error(), "not TCP") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = (&Dialer{}).DialContext(ctx, "tcp", addr); err == nil {
		t.Error("dialed for a cancelled context")
	}
}

func TestDialTLSVerifies(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	if _, err := (&Dialer{}).DialTLSContext(t.Context(), "tcp", addr); err == nil {
		t.Error("an unknown root was trusted")
	}
	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	conn, err := (&Dialer{TLS: &tls.Config{RootCAs: roots}}).DialTLSContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if v := conn.ConnectionState().Version; v < tls.VersionTLS12 {
		t.Errorf("version %x", v)
	}
	_ = conn.Close()
	d := &Dialer{TLS: &tls.Config{RootCAs: roots, ServerName: "other.test", MinVersion: tls.VersionTLS12}}
	if _, err := d.DialTLSContext(t.Context(), "tcp", addr); err == nil {
		t.Error("a certificate for another name was trusted")
	}
	d = &Dialer{TLS: &tls.Config{InsecureSkipVerify: true}}
	if _, err := d.DialTLSContext(t.Context(), "tcp", addr); err == nil || !strings.Contains(err.Error(), "verification is off") {
		t.Errorf("got %v", err)
	}
	d = &Dialer{Policy: Policy{DenyPrivate: true}, TLS: &tls.Config{RootCAs: roots}}
	var refused *AddressError
	if _, err := d.DialTLSContext(t.Context(), "tcp", addr); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
}

func TestClientTLSFiles(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.pem")
	if err := os.WriteFile(bad, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		files Files
		want  string
	}{
		{Files{CA: "/nonexistent"}, "reading upstream CA: open /nonexistent"},
		{Files{CA: bad}, "holds no certificate"},
		{Files{Cert: bad}, "certificate and key go together"},
		{Files{Cert: bad, Key: bad}, "reading upstream client certificate"},
	} {
		if _, err := ClientTLS(tt.files); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %s", tt.files, err, tt.want)
		}
	}
	cfg, err := ClientTLS(Files{ServerName: "x.test"})
	if err != nil || cfg.MinVersion != tls.VersionTLS12 || cfg.InsecureSkipVerify || cfg.ServerName != "x.test" {
		t.Errorf("%+v, %v", cfg, err)
	}
}
