package webhook_test

import (
	"crypto/hmac"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/alert"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/alerttest"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/webhook"
)

const secret = "0123456789abcdef0123456789abcdef"

func TestSigned(t *testing.T) {
	var header http.Header
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
	}))
	defer s.Close()
	c := webhook.New(webhook.Config{URL: s.URL, Secret: alerttest.Secret(secret), Token: alerttest.Secret("a-token"), Post: alerttest.Post(s.Client())})
	want := alerttest.Message(alert.Resolve)
	if r, err := c.Send(t.Context(), want); err != nil || r.Code != 200 {
		t.Fatalf("%+v, %v", r, err)
	}
	ts := header.Get("X-Portcullis-Timestamp")
	if sig := webhook.Sign(secret, ts, body); !hmac.Equal([]byte(sig), []byte(header.Get("X-Portcullis-Signature"))) || !strings.HasPrefix(sig, "sha256=") {
		t.Errorf("signature %q", header.Get("X-Portcullis-Signature"))
	}
	if at, err := strconv.ParseInt(ts, 10, 64); err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
		t.Errorf("timestamp %q", ts)
	}
	var got []alert.Message
	if err := json.Unmarshal(body, &got); err != nil || len(got) != 1 || got[0].ID != want.ID || got[0].Kind != alert.Resolve || *got[0].Stats != *want.Stats || header.Get("Authorization") != "Bearer a-token" {
		t.Errorf("%s, %v", body, err)
	}
	if webhook.Sign(secret, ts, body) == webhook.Sign(secret, ts+"0", body) || webhook.Sign(secret, ts, body) == webhook.Sign(secret+"0", ts, body) {
		t.Error("the signature does not bind time and secret")
	}
}

func TestSecretIsNeeded(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("sent without a signature") }))
	defer s.Close()
	for _, get := range []alert.Secret{
		alerttest.Secret("short"), alerttest.Secret(""), func() (string, error) { return "", errors.New("its lease has ended") },
	} {
		c := webhook.New(webhook.Config{URL: s.URL, Secret: get, Post: alerttest.Post(s.Client())})
		_, err := c.Send(t.Context(), alerttest.Message(alert.Trigger))
		if f, ok := errors.AsType[*alert.Failure](err); !ok || f.Fault != alert.Misconfigured || strings.Contains(err.Error(), "short") {
			t.Error(err)
		}
	}
}
