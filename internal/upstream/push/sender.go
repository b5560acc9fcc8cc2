package push

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
)

// Headers of a delivery.
const (
	// HeaderDelivery names a delivery; it is the same however often it is sent.
	HeaderDelivery = "X-Portcullis-Delivery"
	// HeaderSignature is a JSON Web Token that says who sends what to whom.
	HeaderSignature = "X-Portcullis-Signature"
	// HeaderToken gives a receiver back the token that it registered.
	HeaderToken = "X-A2A-Notification-Token"
	// HeaderTokenShort is the same, as the Go SDK names it.
	HeaderTokenShort = "A2A-Notification-Token"
)

const (
	attemptTime    = 15 * time.Second
	connectTime    = 5 * time.Second
	mostAnswer     = 64 << 10
	mostHeader     = 16 << 10
	signatureLife  = 5 * time.Minute
	challengeParam = "validationToken"
)

// Settings are what a route says of deliveries.
type Settings struct {
	Issuer    string // who signs: where the key set is published
	Challenge bool   // targets have to echo a challenge before the first delivery
	Insecure  bool   // loopback and private addresses, and http
	Attempts  int
	MaxAge    time.Duration
	// Refuses says why a target may not be sent to, "" if it may.
	Refuses func(target string) string
}

// sender speaks HTTP with targets.
type sender struct {
	strict, insecure *http.Client
	sign             func(payload []byte) (string, error)
	now              func() time.Time
}

// newSender returns a sender. TLS may be nil for the system's roots.
func newSender(sign func([]byte) (string, error), now func() time.Time, cfg *tls.Config, names *net.Resolver) *sender {
	client := func(p dial.Policy) *http.Client {
		d := &dial.Dialer{Policy: p, Timeout: connectTime, TLS: cfg, Resolver: names}
		return &http.Client{
			Timeout: attemptTime,
			Transport: &http.Transport{ // no proxy: the address that is checked has to be the one that is dialed
				DialContext: d.DialContext,
				DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
					conn, err := d.DialTLSContext(ctx, network, addr)
					if err != nil {
						return nil, err
					}
					return conn, nil
				},
				MaxIdleConnsPerHost: 2, MaxConnsPerHost: mostOfOrigin, MaxIdleConns: 64, IdleConnTimeout: 30 * time.Second,
				MaxResponseHeaderBytes: mostHeader, DisableCompression: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &sender{strict: client(dial.Policy{DenyPrivate: true}), insecure: client(dial.Policy{}), sign: sign, now: now}
}

func (s *sender) close() {
	s.strict.CloseIdleConnections()
	s.insecure.CloseIdleConnections()
}

// do asks a target and returns what it answered, up to a bound.
func (s *sender) do(req *http.Request, set *Settings) (answer []byte, f *failure) {
	client := s.strict
	if set.Insecure {
		client = s.insecure
	}
	if req.URL.Scheme != "https" && !set.Insecure {
		return nil, &failure{reason: ReasonTarget, final: true, refuse: true}
	}
	req.Header.Set("User-Agent", "portcullis")
	resp, err := client.Do(req)
	if err != nil {
		return nil, unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if f := judge(resp, s.now()); f != nil {
		return nil, f
	}
	answer, err = io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return nil, unreachable(err)
	}
	return answer, nil
}

// unreachable says what an error of the network means. The error that is kept
// has no URL: it can hold a secret.
func unreachable(err error) *failure {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	var refused *dial.AddressError
	if errors.As(err, &refused) {
		return &failure{reason: ReasonAddress, final: true, refuse: true, err: err}
	}
	var ne net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne) && ne.Timeout() {
		return &failure{reason: ReasonTimeout, err: err}
	}
	return &failure{reason: ReasonNetwork, err: err}
}

// challenge asks a target whether it wants to be sent to: it has to answer a
// GET with the text of the query parameter validationToken. A server that knows
// nothing of notifications does not.
func (s *sender) challenge(ctx context.Context, target string, set *Settings) *failure {
	u, err := url.Parse(target)
	if err != nil {
		return &failure{reason: ReasonTarget, final: true, refuse: true}
	}
	token := random()
	q := u.Query()
	q.Set(challengeParam, token)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return &failure{reason: ReasonTarget, final: true, refuse: true}
	}
	answer, f := s.do(req, set)
	if f != nil {
		if strings.HasPrefix(f.reason, ReasonStatus+"4") && f.reason != ReasonStatus+"408" && f.reason != ReasonStatus+"429" {
			return &failure{reason: ReasonChallenge, final: true, refuse: true}
		}
		return f
	}
	if subtle.ConstantTimeCompare(bytes.TrimSpace(answer), []byte(token)) != 1 {
		return &failure{reason: ReasonChallenge, final: true, refuse: true}
	}
	return nil
}

// claims are what a signature says.
type claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	ID       string `json:"jti"`
	Body     string `json:"request_body_sha256"`
}

// signature is the token that goes with a delivery.
func (s *sender) signature(r *Registration, d *Delivery, body []byte, set *Settings) (string, error) {
	sum, now := sha256.Sum256(body), s.now()
	text, err := json.Marshal(claims{
		Issuer: set.Issuer, Audience: r.Origin, IssuedAt: now.Unix(), Expires: now.Add(signatureLife).Unix(), ID: d.ID, Body: hex.EncodeToString(sum[:]),
	})
	if err != nil {
		return "", err
	}
	return s.sign(text)
}

// deliver posts a notification.
func (s *sender) deliver(ctx context.Context, r *Registration, t Target, d *Delivery, body []byte, set *Settings) *failure {
	signed, err := s.signature(r, d, body, set)
	if err != nil {
		return &failure{reason: ReasonInternal, err: fmt.Errorf("signing a notification: %w", err)}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return &failure{reason: ReasonTarget, final: true, refuse: true}
	}
	h := req.Header
	h.Set("Content-Type", "application/json")
	if r.Version != "0.3" {
		h.Set("Content-Type", "application/a2a+json")
	}
	h.Set(HeaderDelivery, d.ID)
	h.Set(HeaderSignature, signed)
	if t.Token != "" {
		h.Set(HeaderToken, t.Token)
		h.Set(HeaderTokenShort, t.Token)
	}
	h.Set("Authorization", authorization(t, signed))
	_, f := s.do(req, set)
	return f
}

// authorization is what a receiver asked to be shown. Without credentials of
// its own it is the signature.
func authorization(t Target, signed string) string {
	if t.Credentials == "" {
		return "Bearer " + signed
	}
	scheme := "Bearer"
	if len(t.Schemes) > 0 {
		scheme = t.Schemes[0]
	}
	return scheme + " " + t.Credentials
}
