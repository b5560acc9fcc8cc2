package notify

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Config says whom to tell. Any number of targets may be set; none is fine.
type Config struct {
	Webhook string        // URL that gets signed JSON
	Secret  string        // shared secret of the signature, at least 32 characters
	Slack   string        // URL of a Slack-compatible incoming webhook; it is a secret itself
	Command []string      // program and arguments; no shell is involved
	Timeout time.Duration // of one delivery
}

const (
	minSecret  = 32
	maxTimeout = 5 * time.Minute
)

// Default returns the configuration that tells nobody.
func Default() Config { return Config{Timeout: 10 * time.Second} }

// Validate checks the fields.
func (c Config) Validate() error {
	if c.Timeout < time.Second || c.Timeout > maxTimeout {
		return fmt.Errorf("timeout: %s: want 1s to %s", c.Timeout, maxTimeout)
	}
	if c.Webhook != "" {
		if err := checkURL(c.Webhook); err != nil {
			return fmt.Errorf("webhook: %w", err)
		}
		if len(c.Secret) < minSecret {
			return fmt.Errorf("secret: want at least %d characters, with which webhooks are signed", minSecret)
		}
	}
	if c.Slack != "" {
		if err := checkURL(c.Slack); err != nil {
			return fmt.Errorf("slack: %w", err)
		}
	}
	if len(c.Command) > 0 && strings.TrimSpace(c.Command[0]) == "" {
		return errors.New("command[0]: want the path of a program")
	}
	return nil
}

// checkURL wants https, or http to this machine alone. The errors do not hold
// the URL: that of a Slack webhook is a secret.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("want a URL such as https://hooks.example.com/keys, without user and fragment")
	}
	if u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()) {
		return nil
	}
	return errors.New("want https; http only to this machine")
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// targets lists what is configured.
func (c Config) targets() []string {
	var out []string
	if c.Webhook != "" {
		out = append(out, targetWebhook)
	}
	if c.Slack != "" {
		out = append(out, targetSlack)
	}
	if len(c.Command) > 0 {
		out = append(out, targetCommand)
	}
	return out
}
