package endpoint

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint/handshake"
	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint/reading"
	"github.com/portcullis-dev/portcullis/internal/harden/check/wording"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// Bounds of a probe.
const (
	maxBody     = 512 << 10 // of one answer
	oneRequest  = 3 * time.Second
	largeOne    = 15 * time.Second // six megabytes, to a server that is busy
	safeTime    = 14 * time.Second
	activeTime  = 40 * time.Second
	burstCalls  = 120
	tooMuch     = 6 << 20
	foreign     = "https://portcullis-check.invalid"
	foreignName = "portcullis-check.invalid"
	userAgent   = "portcullis-check"
)

// Options of [Probe].
type Options struct {
	Active bool
	Token  string         // sent as a bearer token, never over a connection that can be listened to
	Roots  *x509.CertPool // nil = those of the machine
	Want   string         // "mcp" or "a2a" where the caller knows, else found out
	Now    func() time.Time
}

// ErrUnreachable says that nothing answered.
var ErrUnreachable = errors.New("does not answer")

// prober makes the requests.
type prober struct {
	ctx    context.Context
	o      Options
	seen   *Seen
	client *http.Client
	id     int

	path, version string // of an agent: where it is called, and the version that it speaks
}

// Probe asks an address.
func Probe(ctx context.Context, address string, o Options) (*Seen, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the address is no http or https URL")
	}
	if u.User != nil {
		return nil, errors.New("the address holds a credential, which ends up in logs: give it apart")
	}
	u.Fragment = ""
	if u.Path == "" {
		u.Path = "/"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	limit := safeTime
	if o.Active {
		limit = activeTime
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	judge, err := wording.New()
	if err != nil {
		return nil, err
	}
	p := &prober{ctx: ctx, o: o, seen: &Seen{judge: judge, URL: u, Now: o.Now(), Active: o.Active, Answers: map[string]Answer{}}}
	if u.Scheme == "https" {
		if p.seen.TLS, err = handshake.Look(ctx, u, o.Roots, o.Now()); err != nil {
			return nil, fmt.Errorf("%s %w over TLS", u.Host, ErrUnreachable)
		}
	}
	p.connect()
	p.credential()
	if !p.front() {
		return nil, fmt.Errorf("%s %w", u.Host, ErrUnreachable)
	}
	p.detect()
	if p.seen.MCP {
		p.server()
	}
	if p.seen.A2A {
		p.agent()
	}
	if o.Active {
		p.active()
	}
	return p.seen, nil
}

// connect makes the client. It looks also at servers whose certificate nobody
// trusts, which is a finding of its own; no credential is sent to them.
func (p *prober) connect() {
	t := &http.Transport{
		MaxIdleConnsPerHost: 4, TLSHandshakeTimeout: oneRequest, MaxResponseHeaderBytes: 64 << 10,
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS10, RootCAs: p.o.Roots, //nolint:gosec // what it offers is what is looked at
			InsecureSkipVerify: p.seen.TLS != nil && p.seen.TLS.Untrusted != "", //nolint:gosec // without a credential, see credential
		},
	}
	p.client = &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// credential withholds the credential where somebody could listen.
func (p *prober) credential() {
	switch t := p.seen.TLS; {
	case p.o.Token == "":
	case t == nil && !p.seen.loopback():
		p.seen.Withheld, p.o.Token = "the address is not encrypted", ""
	case t != nil && t.Untrusted != "":
		p.seen.Withheld, p.o.Token = "the certificate is not trusted", ""
	}
}

// ask is one request.
type ask struct {
	name, method, path string // path is that of the address where empty
	body               string
	header             map[string]string // "" removes one
	host, query, base  string
	token              bool // with the credential
	limit              time.Duration
}

// do makes a request once and keeps the answer.
func (p *prober) do(a ask) Answer {
	if known, ok := p.seen.Answers[a.name]; ok {
		return known
	}
	out := p.send(a)
	p.seen.Answers[a.name] = out
	return out
}

func (p *prober) send(a ask) Answer {
	target := *p.seen.URL
	if a.path != "" {
		target.Path, target.RawPath, target.RawQuery = a.path, "", ""
	}
	if a.query != "" {
		target.RawQuery = a.query
	}
	if a.base != "" {
		target.Scheme, target.Host, _ = strings.Cut(a.base, "://")
	}
	out := Answer{Asked: a.method + " " + target.Path + " (" + a.name + ")"}
	ctx, cancel := context.WithTimeout(p.ctx, cmp.Or(a.limit, oneRequest))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, a.method, target.String(), strings.NewReader(a.body))
	if err != nil {
		out.Failed = "the request could not be made"
		return out
	}
	req.Header.Set("User-Agent", userAgent)
	for name, value := range a.header {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if a.token && p.o.Token != "" {
		req.Header.Set("Authorization", "Bearer "+p.o.Token)
	}
	if a.host != "" {
		req.Host = a.host
	}
	resp, err := p.client.Do(req)
	if err != nil {
		out.Failed, out.Late = "no answer came", ctx.Err() != nil
		return out
	}
	defer resp.Body.Close()
	out.Status, out.Header = resp.StatusCode, resp.Header
	out.Body = p.read(resp)
	out.Message = reading.Message(resp.Header.Get("Content-Type"), out.Body)
	return out
}

// read reads a body to its end, its bound, or the first message of a stream.
func (p *prober) read(resp *http.Response) []byte {
	if resp.Request.Method == http.MethodGet && isStream(resp) {
		return nil // it was opened, which is what is looked at
	}
	var b bytes.Buffer
	chunk := make([]byte, 16<<10)
	for b.Len() < maxBody {
		n, err := resp.Body.Read(chunk)
		b.Write(chunk[:n])
		if err != nil || isStream(resp) && reading.Message("text/event-stream", b.Bytes()) != nil && bytes.HasSuffix(b.Bytes(), []byte("\n\n")) {
			break
		}
	}
	return b.Bytes()
}

func isStream(resp *http.Response) bool {
	return strings.HasPrefix(strings.ToLower(resp.Header.Get("Content-Type")), mcp.TypeEventStream)
}

// front looks at what stands before any protocol. It reports whether anything
// answered.
func (p *prober) front() bool {
	first := p.do(ask{name: plainGet, method: http.MethodGet, header: map[string]string{"Accept": "text/html,application/json", "Origin": foreign}})
	p.do(ask{name: notThere, method: http.MethodGet, path: "/portcullis-check-not-there"})
	p.do(ask{name: preflight, method: http.MethodOptions, header: map[string]string{
		"Origin": foreign, "Access-Control-Request-Method": http.MethodPost, "Access-Control-Request-Headers": "authorization,content-type",
	}})
	p.do(ask{name: nullOrigin, method: http.MethodOptions, header: map[string]string{"Origin": "null", "Access-Control-Request-Method": http.MethodPost}})
	p.do(ask{name: trace, method: http.MethodTrace, header: map[string]string{"X-Check": "portcullis-check-echo"}})
	for _, path := range []string{pathMetrics, pathPprof, pathEnv, pathGit, pathActuator, pathAdmin} {
		p.do(ask{name: path, method: http.MethodGet, path: path})
	}
	if u := p.seen.URL; u.Scheme == "https" && (u.Port() == "" || u.Port() == "443") {
		p.do(ask{name: overHTTP, method: http.MethodGet, base: "http://" + u.Hostname()})
	}
	if first.Status != 0 {
		return true
	}
	a, b := p.seen.Answers[notThere], p.seen.Answers[preflight]
	return a.Status != 0 || b.Status != 0
}
