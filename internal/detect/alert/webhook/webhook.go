// Package webhook posts alerts as a JSON array of one, signed so that the
// receiver knows whom they are from.
//
// X-Portcullis-Timestamp holds the seconds since 1970 at which a message was
// sent, X-Portcullis-Signature "sha256=" and the hexadecimal HMAC-SHA256 of
// timestamp, ".", and body under the shared secret: the scheme of the audit
// sinks. A receiver compares in constant time and refuses timestamps more than
// five minutes away. A message can arrive twice: its id and kind are the same.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/alert"
)

const (
	headerTimestamp = "X-Portcullis-Timestamp"
	headerSignature = "X-Portcullis-Signature"

	minSecret = 32
)

// Config says where alerts go.
type Config struct {
	URL    string
	Secret alert.Secret // of the signature, at least 32 characters
	Token  alert.Secret // for the header Authorization: Bearer; nil = none
	Post   alert.Post
}

// Channel posts.
type Channel struct{ cfg Config }

var _ alert.Channel = (*Channel)(nil)

// New returns a channel.
func New(c Config) *Channel { return &Channel{c} }

// Takes implements alert.Channel.
func (c *Channel) Takes(alert.Kind) bool { return true }

// Close implements alert.Channel.
func (c *Channel) Close() error { return nil }

// Send implements alert.Channel.
func (c *Channel) Send(ctx context.Context, m *alert.Message) (alert.Receipt, error) {
	secret, err := alert.Reveal("secret of the signature", c.cfg.Secret)
	if err != nil {
		return alert.Receipt{}, err
	}
	if len(secret) < minSecret {
		return alert.Receipt{}, &alert.Failure{Fault: alert.Misconfigured, Err: fmt.Errorf("the secret of the signature: want at least %d characters", minSecret)}
	}
	body, err := json.Marshal([]*alert.Message{m})
	if err != nil {
		return alert.Receipt{}, err
	}
	ts := strconv.FormatInt(time.Now().Unix(), 10)
	h := http.Header{"Content-Type": {"application/json"}, headerTimestamp: {ts}, headerSignature: {Sign(secret, ts, body)}}
	token := ""
	if c.cfg.Token != nil {
		if token, err = alert.Reveal("token", c.cfg.Token); err != nil {
			return alert.Receipt{}, err
		}
		h.Set("Authorization", "Bearer "+token)
	}
	status, _, err := c.cfg.Post(ctx, alert.Request{URL: c.cfg.URL, Header: h, Body: body, Secret: token})
	return alert.Receipt{Code: status}, err
}

// Sign returns the value of X-Portcullis-Signature.
func Sign(secret, timestamp string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(timestamp + "."))
	h.Write(body)
	return "sha256=" + hex.EncodeToString(h.Sum(nil))
}
