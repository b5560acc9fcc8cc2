// Package probe asks a provider whether a key is good, by the cheapest question
// that its interface has: one that changes nothing and costs nothing.
//
// An answer has three kinds. [Accepted]: the provider answered as it answers to
// a good key. [Refused]: the provider itself says that the key is none.
// [Unknown]: everything else, such as no connection, an overloaded server, a
// rate limit, a redirect, a page of a proxy, or a key that is known and may not
// ask this question. What is unknown is no reason to use a key, nor to throw it
// away.
//
// A key travels by https, or to this machine, follows no redirect, and stands in
// no error.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
)

// Verdict says what an answer means.
type Verdict string

// Verdicts.
const (
	Accepted Verdict = "accepted"
	Refused  Verdict = "refused"
	Unknown  Verdict = "unknown"
)

// Result is what came of a question. Why says it in one word, for events:
// "reply" and "status" are about the answer, "refused" is the provider's no,
// "form" a value that cannot be a key, "limited" a key that may not ask,
// "overloaded" a provider that asks to wait, "network" no answer.
type Result struct {
	Verdict Verdict
	Why     string
	Status  int // of the answer; 0 = none
}

const (
	// MaxReply bounds what is read of an answer, in bytes.
	MaxReply = 1 << 20
	timeout  = 20 * time.Second
)

// HTTP is the kind whose question stands in the configuration.
const HTTP = "http"

// None is the kind that asks nothing.
const None = "none"

// Config says what to ask.
type Config struct {
	Kind string // one of [Kinds]
	URL  string // "" = the provider's own; of kind http the whole address
	CA   string // PEM file of the roots to trust instead of the system's

	// Of kind http only.
	Method    string // GET, HEAD or POST
	Header    string // that carries the key
	Prefix    string // before the key in the header, such as "Bearer "
	Parameter string // of the query that carries the key, instead of a header
	Accept    []int  // statuses that mean yes; none = 200
	Refuse    []int  // statuses that mean no; none = 401
	Member    string // of the JSON object that a yes must have, "" = any body
	Equals    string // what the member must be, as text; "" = anything
}

// Probe asks one provider. It is safe for concurrent use.
type Probe struct {
	kind   kind
	base   string
	client *http.Client
}

// Validate checks what is to be asked, and whom. It reads no file.
func (c Config) Validate() error {
	_, _, err := c.question()
	return err
}

func (c Config) question() (kind, string, error) {
	k, err := c.kind()
	if err != nil {
		return k, "", err
	}
	base := c.URL
	if base == "" {
		base = k.base
	}
	if base == "" {
		return k, "", fmt.Errorf("url: needed for %q", c.Kind)
	}
	if err := httpapi.CheckURL(base); err != nil {
		return k, "", fmt.Errorf("url: %w", err)
	}
	return k, strings.TrimSuffix(base, "/"), nil
}

// New makes ready to ask.
func New(c Config) (*Probe, error) {
	k, base, err := c.question()
	if err != nil {
		return nil, err
	}
	t, err := httpapi.Transport(c.CA)
	if err != nil {
		return nil, err
	}
	t.DisableKeepAlives = true // a question in weeks
	return &Probe{kind: k, base: base, client: &http.Client{
		Transport: t, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Kinds lists what [Config.Kind] can be.
func Kinds() []string {
	out := []string{None, HTTP}
	for _, k := range known() {
		out = append(out, k.name)
	}
	return out
}

// For returns the kind that fits keys of a provider, as entries name it.
func For(provider string) (string, bool) {
	p := strings.ToLower(provider)
	for _, k := range known() {
		if k.name == p || slices.Contains(k.aliases, p) {
			return k.name, true
		}
	}
	return "", false
}

// NeedsURL reports whether a kind has no address of its own.
func NeedsURL(name string) bool {
	for _, k := range known() {
		if k.name == name {
			return k.base == ""
		}
	}
	return name == HTTP
}

// Ask asks the provider whether a key is good.
func (p *Probe) Ask(ctx context.Context, key []byte) Result {
	if !sendable(key) {
		return Result{Verdict: Refused, Why: "form"}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := p.request(ctx, string(key))
	if err != nil {
		return Result{Verdict: Unknown, Why: "request"}
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return Result{Verdict: Unknown, Why: "network"}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxReply+1))
	switch {
	case err != nil:
		return Result{Verdict: Unknown, Why: "network", Status: resp.StatusCode}
	case len(body) > MaxReply:
		return Result{Verdict: Unknown, Why: "reply", Status: resp.StatusCode}
	}
	return p.kind.judge(resp.StatusCode, body)
}

func (p *Probe) request(ctx context.Context, key string) (*http.Request, error) {
	k := p.kind
	u, err := url.Parse(p.base + k.path)
	if err != nil {
		return nil, errors.New("making the question")
	}
	if k.parameter != "" {
		q := u.Query()
		q.Set(k.parameter, key)
		u.RawQuery = q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, k.method, u.String(), nil)
	if err != nil {
		return nil, errors.New("making the question")
	}
	for name, value := range k.more {
		req.Header.Set(name, value)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "portcullis")
	if k.header != "" {
		req.Header.Set(k.header, k.prefix+key)
	}
	return req, nil
}

// sendable reports whether a value can stand in a header: keys are of visible
// ASCII.
func sendable(key []byte) bool {
	for _, c := range key {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(key) > 0
}
