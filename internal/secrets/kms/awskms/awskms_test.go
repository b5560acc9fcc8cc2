package awskms

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/test/kms"
)

const arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

func fake(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(kms.AWS("eu-central-1"))
	t.Cleanup(s.Close)
	return s.URL
}

// TestWrap drives the vendor's client against the fake.
func TestWrap(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	t.Setenv("AWS_REGION", "us-east-1") // that of the ARN wins
	url := fake(t)
	ctx := t.Context()
	w, err := New(ctx, Config{Key: arn, Endpoint: url})
	if err != nil {
		t.Fatal(err)
	}
	key := envelope.NewKey()
	wrapped, err := w.Wrap(ctx, key, []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.Unwrap(ctx, wrapped, []byte("place")); err != nil || !bytes.Equal(got, key) {
		t.Errorf("%v", err)
	}
	other, err := New(ctx, Config{Key: strings.Replace(arn, "1234abcd", "ffffffff", 1), Endpoint: url})
	if err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func() ([]byte, error){
		"another place": func() ([]byte, error) { return w.Unwrap(ctx, wrapped, []byte("elsewhere")) },
		"another key":   func() ([]byte, error) { return other.Unwrap(ctx, wrapped, []byte("place")) },
		"no prefix":     func() ([]byte, error) { return w.Unwrap(ctx, "vault:v1:x", []byte("place")) },
		"no base64":     func() ([]byte, error) { return w.Unwrap(ctx, prefix+"?", []byte("place")) },
		"no ciphertext": func() ([]byte, error) { return w.Unwrap(ctx, prefix+"AAAA", []byte("place")) },
	} {
		if got, err := try(); !errors.Is(err, envelope.ErrOpen) || got != nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	denied, err := New(ctx, Config{Key: "alias/denied", Region: "eu-central-1", Endpoint: url})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := denied.Wrap(ctx, key, nil); err == nil || errors.Is(err, envelope.ErrOpen) || strings.Contains(err.Error(), "canary") {
		t.Errorf("denied: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := w.Wrap(gone, key, nil); err == nil {
		t.Error("wrapped by nobody")
	}
}

func TestRefused(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	for name, c := range map[string]Config{
		"no key": {}, "clear text": {Key: arn, Endpoint: "http://kms.example.com"}, "no region": {Key: "alias/x"}, "no CA": {Key: arn, CAFile: "/nowhere"},
	} {
		if _, err := New(t.Context(), c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
