package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
)

const (
	targetWebhook = "webhook"
	targetSlack   = "slack"
	targetCommand = "command"

	headerTimestamp = "X-Portcullis-Timestamp"
	headerSignature = "X-Portcullis-Signature"
	headerID        = "X-Portcullis-Notice"

	maxAnswer = 4 << 10 // bytes of an answer that are read
)

// Sign returns the value of X-Portcullis-Signature.
func Sign(secret, timestamp string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(timestamp + "."))
	h.Write(body)
	return "sha256=" + hex.EncodeToString(h.Sum(nil))
}

func (q *Queue) send(ctx context.Context, m Message) error {
	switch m.Target {
	case targetWebhook:
		if q.cfg.Webhook == "" {
			return nil // no longer wanted
		}
		ts := strconv.FormatInt(q.clock().Unix(), 10)
		return q.post(ctx, q.cfg.Webhook, []byte(m.Body), http.Header{
			headerTimestamp: {ts}, headerSignature: {Sign(q.cfg.Secret, ts, []byte(m.Body))}, headerID: {m.ID},
		})
	case targetSlack:
		if q.cfg.Slack == "" {
			return nil
		}
		body, err := slackBody(m.Body)
		if err != nil {
			return err
		}
		return q.post(ctx, q.cfg.Slack, body, http.Header{})
	case targetCommand:
		if len(q.cfg.Command) == 0 {
			return nil
		}
		return q.run(ctx, m)
	}
	return fmt.Errorf("target %q is not known", m.Target)
}

// post expects a 2xx. Errors do not hold the URL, which may be a secret.
func (q *Queue) post(ctx context.Context, to string, body []byte, h http.Header) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return errors.New("making the request")
	}
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "portcullis")
	req.Header = h
	resp, err := q.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return fmt.Errorf("sending: %w", err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // the answer says nothing
	if err := resp.Body.Close(); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("answered %d", resp.StatusCode)
	}
	return nil
}

// slackBody words a notice for people. Owners are names that people chose:
// what Slack reads as markup is taken out.
func slackBody(notice string) ([]byte, error) {
	var n apikey.Notice
	if err := json.Unmarshal([]byte(notice), &n); err != nil {
		return nil, fmt.Errorf("decoding a notice: %w", err)
	}
	text := fmt.Sprintf("API key `%s` of %s ", n.KeyID, escape(n.Owner))
	switch n.Type {
	case portcullis.EventAPIKeyRotated:
		text += fmt.Sprintf("has a successor, `%s`.", n.Successor)
	case portcullis.EventAPIKeyDeprecated:
		text += fmt.Sprintf("is deprecated. Its successor is `%s`.", n.Successor)
	default:
		text += "is revoked."
	}
	if n.RevokeAt != nil && n.Type != portcullis.EventAPIKeyRevoked {
		text += " It stops working at " + n.RevokeAt.UTC().Format(time.RFC3339) + "."
	}
	return json.Marshal(map[string]string{"text": text})
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'", "*", "", "_", " ", "~", "").Replace(s)
}

// run starts the command with the notice on standard input and its ids in the
// environment, of which it gets nothing else but PATH. What it prints is
// dropped; it is killed when its time is over.
func (q *Queue) run(ctx context.Context, m Message) error {
	var n apikey.Notice
	if err := json.Unmarshal([]byte(m.Body), &n); err != nil {
		return fmt.Errorf("decoding a notice: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, q.cfg.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, q.cfg.Command[0], q.cfg.Command[1:]...) //nolint:gosec // the operator's own command
	cmd.WaitDelay = time.Second
	cmd.Stdin = strings.NewReader(m.Body + "\n")
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "PORTCULLIS_EVENT=" + string(n.Type), "PORTCULLIS_NOTICE=" + m.ID,
		"PORTCULLIS_KEY_ID=" + n.KeyID, "PORTCULLIS_SUCCESSOR=" + n.Successor,
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running the command: %w", err)
	}
	return nil
}
