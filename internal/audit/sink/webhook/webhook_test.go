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

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/format"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/jsonhttp"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/webhook"
)

const secret = "0123456789abcdef0123456789abcdef"

func items(t *testing.T, s sink.Sender, n int) []sink.Item {
	t.Helper()
	var out []sink.Item
	for i := range n {
		e := &portcullis.Event{ID: strconv.Itoa(i), Type: portcullis.EventAuthzDenied, Time: time.Now()}
		data, err := s.Append(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sink.Item{Event: e, Data: data})
	}
	return out
}

func TestSigned(t *testing.T) {
	var header http.Header
	var body []byte
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
	}))
	defer srv.Close()
	encoder, _ := format.ByName("json", format.Info{})
	s, err := webhook.New(webhook.Config{
		URL: srv.URL, Secret: func() (string, error) { return secret, nil }, Encoder: encoder,
		Auth: post.Auth{Scheme: "Bearer", Secret: func() (string, error) { return "a-token", nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), items(t, s, 3)); err != nil {
		t.Fatal(err)
	}
	ts := header.Get("X-Portcullis-Timestamp")
	if want := webhook.Sign(secret, ts, body); !hmac.Equal([]byte(header.Get("X-Portcullis-Signature")), []byte(want)) || !strings.HasPrefix(want, "sha256=") {
		t.Errorf("signature %q, want %q", header.Get("X-Portcullis-Signature"), want)
	}
	if at, err := strconv.ParseInt(ts, 10, 64); err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
		t.Errorf("timestamp %q", ts)
	}
	var events []struct{ ID string }
	if err := json.Unmarshal(body, &events); err != nil || len(events) != 3 || events[2].ID != "2" || header.Get("Authorization") != "Bearer a-token" {
		t.Errorf("%s, %v", body, err)
	}
	if webhook.Sign(secret, ts, body) == webhook.Sign(secret, ts+"0", body) || webhook.Sign(secret, ts, body) == webhook.Sign(secret+"0", ts, body) {
		t.Error("the signature does not bind time and secret")
	}
}

func TestSecretIsNeeded(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("sent without a signature") }))
	defer srv.Close()
	encoder, _ := format.ByName("json", format.Info{})
	for _, get := range []sink.Secret{
		func() (string, error) { return "short", nil },
		func() (string, error) { return "", errors.New("its lease has ended") },
	} {
		s, err := webhook.New(webhook.Config{URL: srv.URL, Secret: get, Encoder: encoder})
		if err != nil {
			t.Fatal(err)
		}
		var e *sink.Error
		if err := s.Send(t.Context(), items(t, s, 1)); !errors.As(err, &e) || e.Fault != sink.Misconfigured || strings.Contains(err.Error(), "short") {
			t.Error(err)
		}
	}
}

// TestPlainHTTP is the sink without a signature: OCSF as an array or as lines.
func TestPlainHTTP(t *testing.T) {
	var kind string
	var body []byte
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		kind = r.Header.Get("Content-Type")
		body, _ = io.ReadAll(r.Body)
	}))
	defer srv.Close()
	encoder, _ := format.ByName("ocsf", format.Info{})
	for _, lines := range []bool{false, true} {
		s, err := jsonhttp.New(jsonhttp.Config{URL: srv.URL, Encoder: encoder, Lines: lines})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), items(t, s, 3)); err != nil {
			t.Fatal(err)
		}
		var all []struct {
			Class int `json:"class_uid"`
		}
		text := string(body)
		if lines {
			text = "[" + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", ",") + "]"
		}
		if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != 3 || all[2].Class == 0 || (kind == "application/x-ndjson") != lines {
			t.Errorf("%s %s: %v", kind, body, err)
		}
	}
}
