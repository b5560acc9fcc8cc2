// Package ocsp asks whether a client certificate has been revoked (RFC 6960):
// the response that came stapled to the handshake if there is one, else the
// responder. Answers are kept until they end.
//
// A response counts if it is signed by the certificate's issuer, or by a
// responder whose own certificate the issuer has signed for that purpose; if it
// is in force; and if it is about this certificate. "Unknown" is no "good".
package ocsp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
)

// What is done when nobody can say whether a certificate is revoked.
const (
	Off  = "off"  // OCSP is not used
	Soft = "soft" // the certificate counts
	Hard = "hard" // it does not
)

const (
	maxResponse = 64 << 10
	maxKept     = 4096
	leeway      = 5 * time.Minute // of clocks
	longest     = 12 * time.Hour  // that an answer is kept
	undated     = 5 * time.Minute // that one is kept which does not say how long
	forgetAfter = time.Minute     // that a failure to ask is kept
)

// The two ways to be refused.
var (
	ErrRevoked = errors.New("revoked (OCSP)")
	ErrUnknown = errors.New("no OCSP response that counts")
)

// Config says whom to ask.
type Config struct {
	Mode      string        // Off, Soft or Hard
	Responder string        // URL; "" = see AIA
	AIA       bool          // ask the responder that the certificate names
	Timeout   time.Duration // of one question
}

// Default returns a Config that asks nobody.
func Default() Config { return Config{Mode: Off, Timeout: 3 * time.Second} }

// Validate reports the first mistake, naming the field.
func (c Config) Validate() error {
	switch {
	case c.Mode != Off && c.Mode != Soft && c.Mode != Hard:
		return fmt.Errorf("mode: %q: want %q, %q or %q", c.Mode, Off, Soft, Hard)
	case c.Mode == Off && (c.Responder != "" || c.AIA):
		return errors.New(`mode: "off": want "soft" or "hard" with a responder`)
	case c.Responder != "" && c.AIA:
		return errors.New("aia: has no effect with responder")
	case c.Responder != "" && !isURL(c.Responder):
		return errors.New(`responder: want a URL such as "http://ocsp.example.com"`)
	case c.Timeout < 100*time.Millisecond || c.Timeout > 30*time.Second:
		return errors.New(`timeout: want between "100ms" and "30s"`)
	}
	return nil
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.Fragment == ""
}

// Doer sends requests; an [http.Client] that follows no redirect.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Checker asks and remembers. It is safe for concurrent use.
type Checker struct {
	cfg   Config
	named Doer // reaches the responder of the configuration
	aia   Doer // reaches responders that certificates name
	clock func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	answers map[[sha256.Size]byte]answer
	asking  map[[sha256.Size]byte]chan struct{}
}

type answer struct {
	err   error
	until time.Time
}

// New returns a Checker. named is used for Config.Responder, aia for what
// certificates name.
func New(c Config, named, aia Doer, log *slog.Logger, clock func() time.Time) *Checker {
	return &Checker{
		cfg: c, named: named, aia: aia, log: log, clock: clock,
		answers: map[[sha256.Size]byte]answer{}, asking: map[[sha256.Size]byte]chan struct{}{},
	}
}

// Check returns nil if cert is not revoked, ErrRevoked if it is, and ErrUnknown
// if that cannot be said and Config.Mode is Hard. key is the digest of cert.
func (c *Checker) Check(ctx context.Context, key [sha256.Size]byte, cert, issuer *x509.Certificate, staple []byte) error {
	if c.cfg.Mode == Off {
		return nil
	}
	for {
		c.mu.Lock()
		if a, ok := c.answers[key]; ok && c.clock().Before(a.until) {
			c.mu.Unlock()
			return c.verdict(a.err)
		}
		busy := c.asking[key]
		if busy == nil {
			c.asking[key] = make(chan struct{})
		}
		c.mu.Unlock()
		if busy == nil {
			break
		}
		select {
		case <-busy: // somebody has asked for us
		case <-ctx.Done():
			return c.verdict(fmt.Errorf("%w: %w", ErrUnknown, ctx.Err()))
		}
	}
	// The question is not the caller's alone: others wait for its answer.
	a := c.find(context.WithoutCancel(ctx), cert, issuer, staple)
	c.mu.Lock()
	if len(c.answers) >= maxKept {
		clear(c.answers)
	}
	c.answers[key] = a
	close(c.asking[key])
	delete(c.asking, key)
	c.mu.Unlock()
	if a.err != nil {
		c.log.Warn("client certificate not cleared by OCSP", "serial", cert.SerialNumber.Text(16), "error", a.err)
	}
	return c.verdict(a.err)
}

func (c *Checker) verdict(err error) error {
	if err == nil || c.cfg.Mode == Soft && !errors.Is(err, ErrRevoked) {
		return nil
	}
	return err
}

// find looks at the staple, and asks if that says nothing.
func (c *Checker) find(ctx context.Context, cert, issuer *x509.Certificate, staple []byte) answer {
	if len(staple) > 0 && len(staple) <= maxResponse {
		if a := c.read(staple, cert, issuer); a.err == nil || errors.Is(a.err, ErrRevoked) {
			return a
		}
	}
	client, target := c.named, c.cfg.Responder
	if target == "" && c.cfg.AIA && len(cert.OCSPServer) > 0 {
		client, target = c.aia, cert.OCSPServer[0]
	}
	if target == "" {
		return c.unknown(errors.New("nothing stapled and nobody to ask"))
	}
	if !isURL(target) {
		return c.unknown(errors.New("the certificate names no usable responder"))
	}
	body, err := c.ask(ctx, client, target, cert, issuer)
	if err != nil {
		return c.unknown(err)
	}
	return c.read(body, cert, issuer)
}

func (c *Checker) unknown(err error) answer {
	return answer{fmt.Errorf("%w: %w", ErrUnknown, err), c.clock().Add(forgetAfter)}
}

func (c *Checker) ask(ctx context.Context, client Doer, target string, cert, issuer *x509.Certificate) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	question, err := ocsp.CreateRequest(cert, issuer, &ocsp.RequestOptions{Hash: crypto.SHA1}) // the one hash every responder knows; it names, it does not sign
	if err != nil {
		return nil, fmt.Errorf("making the question: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(question))
	if err != nil {
		return nil, fmt.Errorf("making the question: %w", err)
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	req.Header.Set("Accept", "application/ocsp-response")
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the responder: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or given up
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking the responder: status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	if err != nil {
		return nil, fmt.Errorf("reading the response: %w", err)
	}
	if len(body) > maxResponse {
		return nil, errors.New("reading the response: over 64 KiB")
	}
	return body, nil
}

// read judges a response.
func (c *Checker) read(body []byte, cert, issuer *x509.Certificate) answer {
	r, err := ocsp.ParseResponseForCert(body, cert, issuer)
	if err != nil {
		return c.unknown(fmt.Errorf("reading the response: %w", err))
	}
	now := c.clock()
	if err := mayAnswer(r.Certificate, issuer, now); err != nil {
		return c.unknown(err)
	}
	until := r.NextUpdate
	if until.IsZero() {
		until = r.ThisUpdate.Add(undated)
	}
	switch {
	case r.ThisUpdate.After(now.Add(leeway)):
		return c.unknown(errors.New("response is from the future"))
	case now.After(until):
		return c.unknown(errors.New("response has ended"))
	}
	if last := now.Add(longest); until.After(last) {
		until = last
	}
	switch r.Status {
	case ocsp.Good:
		return answer{nil, until}
	case ocsp.Revoked:
		return answer{ErrRevoked, until}
	}
	return c.unknown(errors.New("the responder does not know the certificate"))
}

// mayAnswer checks the certificate of a responder that is not the issuer
// itself. That the issuer signed it is checked already; but the issuer signs
// client certificates too, and those must not speak for it.
func mayAnswer(responder, issuer *x509.Certificate, now time.Time) error {
	switch {
	case responder == nil || responder.Equal(issuer):
		return nil
	case !slices.Contains(responder.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("signed by a certificate that is not for OCSP")
	case now.Before(responder.NotBefore) || now.After(responder.NotAfter):
		return errors.New("signed by a certificate that is not in force")
	}
	return nil
}
