// Package webhook posts events as a JSON array, signed so that the receiver
// knows whom they are from.
//
// X-Portcullis-Timestamp holds the seconds since 1970 at which a batch was
// sent, X-Portcullis-Signature "sha256=" and the hexadecimal HMAC-SHA256 of
// timestamp, ".", and body under the shared secret: the scheme of the notices
// about keys. A receiver compares in constant time and refuses timestamps more
// than five minutes away.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/jsonhttp"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
)

const (
	headerTimestamp = "X-Portcullis-Timestamp"
	headerSignature = "X-Portcullis-Signature"

	minSecret = 32
)

// Config says where events go.
type Config struct {
	URL     string
	Secret  sink.Secret // of the signature, at least 32 characters
	Auth    post.Auth   // beside it; may be empty
	Encoder sink.Encoder
	TLS     post.TLS
}

// Sender is a connection to a server.
type Sender struct {
	cfg    Config
	client *post.Client
}

var _ sink.Sender = (*Sender)(nil)

// New returns a sender. It connects when it has something to send.
func New(c Config) (*Sender, error) {
	client, err := post.New(c.TLS)
	if err != nil {
		return nil, err
	}
	return &Sender{cfg: c, client: client}, nil
}

// Append appends the JSON of an event.
func (s *Sender) Append(dst []byte, e *portcullis.Event) ([]byte, error) {
	return s.cfg.Encoder.Append(dst, e)
}

// Send posts a batch. Any 2xx takes all of it.
func (s *Sender) Send(ctx context.Context, items []sink.Item) error {
	secret, err := s.cfg.Secret()
	if err == nil && len(secret) < minSecret {
		err = fmt.Errorf("want at least %d characters", minSecret)
	}
	if err != nil {
		return &sink.Error{Fault: sink.Misconfigured, Err: fmt.Errorf("reading the secret of the signature: %w", err)}
	}
	h := http.Header{"Content-Type": {"application/json"}}
	token, err := s.cfg.Auth.Apply(h)
	if err != nil {
		return err
	}
	body := jsonhttp.Array(items)
	ts := strconv.FormatInt(time.Now().Unix(), 10)
	h.Set(headerTimestamp, ts)
	h.Set(headerSignature, Sign(secret, ts, body))
	_, err = s.client.Do(ctx, post.Request{URL: s.cfg.URL, Header: h, Body: body, Secret: token})
	return err
}

// Close ends connections.
func (s *Sender) Close() error { return s.client.Close() }

// Sign returns the value of X-Portcullis-Signature.
func Sign(secret, timestamp string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(timestamp + "."))
	h.Write(body)
	return "sha256=" + hex.EncodeToString(h.Sum(nil))
}
