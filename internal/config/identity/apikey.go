package identity

import (
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/notify"
	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/ratelimit"
)

// APIKey is [identity.api_key].
type APIKey struct {
	Prefix    string        `toml:"prefix" doc:"Begin of every key, for secret scanners: mcp gives mcp_<id>.<secret>."`
	Schedule  string        `toml:"schedule" enum:"daily|weekly|monthly|quarterly|never" doc:"How often keys rotate that are created without a schedule of their own."`
	Overlap   time.Duration `toml:"overlap" doc:"How long a rotated key goes on working: so long as rotating, then as long again as deprecated. A key that rotates by itself does so early enough for both to end when the key does."`
	SelfClaim bool          `toml:"self_claim" doc:"Whether the holder of a rotating key may fetch its successor with it. If not, a claim token is needed."`
	Failures  string        `toml:"failures" doc:"Failed attempts with keys per address, and per key, before they are answered 429. A valid key is never held up."`
	Notify    Notify        `toml:"notify" doc:"Who is told when a key is rotated, deprecated or revoked. Messages hold ids, never secrets."`
}

// Notify is [identity.api_key.notify].
type Notify struct {
	Webhook string        `toml:"webhook" example:"\"https://hooks.example.com/keys\"" doc:"URL that gets signed JSON: X-Portcullis-Signature is the HMAC-SHA256 of X-Portcullis-Timestamp, a dot and the body."`
	Secret  field.Secret  `toml:"secret" example:"\"${ROTATION_WEBHOOK_SECRET}\"" doc:"Shared secret of the signature, at least 32 characters."`
	Slack   field.Secret  `toml:"slack" example:"\"${ROTATION_SLACK_URL}\"" doc:"URL of a Slack-compatible incoming webhook."`
	Command []string      `toml:"command" example:"[\"/usr/local/bin/key-changed\"]" doc:"Program that gets the notice as JSON on standard input and its ids in PORTCULLIS_EVENT, PORTCULLIS_KEY_ID and PORTCULLIS_SUCCESSOR; no shell is involved."`
	Timeout time.Duration `toml:"timeout" doc:"How long one delivery may take."`
}

// DefaultAPIKey returns the defaults of [identity.api_key].
func DefaultAPIKey() APIKey {
	d := apikey.Default()
	return APIKey{
		Prefix: "mcp", Schedule: string(d.Schedule), Overlap: d.Overlap, SelfClaim: d.SelfClaim, Failures: "30/1m",
		Notify: Notify{Timeout: notify.Default().Timeout},
	}
}

// Service returns the settings in the words of the key service.
func (k APIKey) Service() apikey.Config {
	return apikey.Config{Prefix: k.Prefix + "_", Schedule: apikey.Schedule(k.Schedule), Overlap: k.Overlap, SelfClaim: k.SelfClaim}
}

// Recognise reports whether a text is a real key, asking nobody, and its id.
func (k APIKey) Recognise(text string) (id string, ok bool) {
	grammar, err := apikey.NewGrammar(k.Service().Prefix)
	if err != nil {
		return "", false
	}
	key, err := grammar.Parse(text)
	return key.ID(), err == nil
}

// Validate checks [identity.api_key].
func (k APIKey) Validate() error {
	var errs []error
	if bad := badPrefix(k.Prefix); bad {
		errs = append(errs, fmt.Errorf("prefix: %q: want 1 to 16 lower-case letters or digits", k.Prefix))
	} else if k.Prefix == "claim" {
		errs = append(errs, fmt.Errorf("prefix: %q: is that of claim tokens", k.Prefix))
	}
	if _, err := ratelimit.Parse(k.Failures); err != nil {
		errs = append(errs, fmt.Errorf("failures: %w", err))
	}
	return errors.Join(append(errs, field.Between("overlap", k.Overlap, time.Minute, 30*24*time.Hour))...)
}

func badPrefix(p string) bool {
	for _, c := range []byte(p) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return true
		}
	}
	return p == "" || len(p) > 16
}

// Queue returns the settings in the words of the queue of notices.
func (n Notify) Queue() notify.Config {
	return notify.Config{Webhook: n.Webhook, Secret: n.Secret.Reveal(), Slack: n.Slack.Reveal(), Command: n.Command, Timeout: n.Timeout}
}

// Validate checks [identity.api_key.notify].
func (n Notify) Validate() error { return n.Queue().Validate() }
