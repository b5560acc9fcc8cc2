// Package post is how sinks speak HTTP: TLS that is verified, no redirect to
// another server, times for everything, answers read up to a bound, and errors
// that hold neither address nor credential.
package post

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/audit/sink"
)

// MaxAnswer bounds how much of an answer is read. What the server says of each
// of some thousand events fits.
const MaxAnswer = 4 << 20

// maxExcerpt bounds what an error repeats of an answer.
const maxExcerpt = 200

// TLS says whom to trust and who to be.
type TLS struct {
	CA         string // PEM file of roots to trust instead of the system's
	Cert, Key  string // PEM files of the client certificate
	ServerName string // name in the server's certificate, if it is not that of the address

	InsecureSkipVerify bool
}

// Config returns the settings in the words of crypto/tls. The files are read
// now.
func (t TLS) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify} //nolint:gosec // only where the operator asks for it by that name
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca: %q holds no certificate", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("cert: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Client posts to one server.
type Client struct {
	http *http.Client
}

// New returns a client.
func New(t TLS) (*Client, error) {
	cfg, err := t.Config()
	if err != nil {
		return nil, err
	}
	return &Client{http: &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSClientConfig:     cfg,
			TLSHandshakeTimeout: 10 * time.Second,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 1, MaxConnsPerHost: 4, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: sameServer,
	}}, nil
}

// sameServer follows a redirect only to the server that was asked: a credential
// and what events hold are for nobody else. Others are answered as they came.
func sameServer(next *http.Request, before []*http.Request) error {
	first := before[0].URL
	if len(before) >= 3 || next.URL.Scheme != first.Scheme || next.URL.Host != first.Host || next.Method != before[0].Method {
		return http.ErrUseLastResponse
	}
	return nil
}

// Request is one question.
type Request struct {
	URL    string
	Header http.Header
	Body   []byte
	Secret string // is taken out of what errors repeat
}

// Answer is what the server said.
type Answer struct {
	Status int
	Body   []byte
}

// Do posts. Statuses that are no success are a [*sink.Error].
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, errors.New("making the request")
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", "portcullis")
	resp, err := c.http.Do(req)
	if err != nil {
		err = fmt.Errorf("sending: %w", cause(err))
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			return Answer{}, &sink.Error{Fault: sink.Misconfigured, Err: err}
		}
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	if err != nil {
		return Answer{}, fmt.Errorf("reading the answer: %w", cause(err))
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return Answer{resp.StatusCode, nil}, Judge(resp.StatusCode, resp.Header, Excerpt(body, r.Secret))
	}
	if len(body) > MaxAnswer {
		return Answer{}, errors.New("the answer is too large")
	}
	return Answer{resp.StatusCode, body}, nil
}

// Close ends idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Judge says what a status means. Statuses that are about what was sent are
// refusals, those about how it was sent a wrong setting, all others a server
// that may do better later.
func Judge(status int, h http.Header, excerpt string) *sink.Error {
	e := &sink.Error{Err: fmt.Errorf("answered %d", status), Said: excerpt, After: retryAfter(h)}
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		e.Fault = sink.Refused
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable,
		http.StatusProxyAuthRequired, http.StatusGone, http.StatusUnsupportedMediaType:
		e.Fault = sink.Misconfigured
	default:
		if status >= 300 && status < 400 {
			e.Fault = sink.Misconfigured
		}
	}
	return e
}

// retryAfter reads Retry-After: seconds, or a date.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n < 1<<31 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// Excerpt returns the beginning of an answer, in characters that any log can
// take, without the secret.
func Excerpt(body []byte, secret string) string {
	body = body[:min(len(body), 16*maxExcerpt)]
	text := strings.ToValidUTF8(string(body), "�")
	if secret != "" {
		text = strings.ReplaceAll(text, secret, "[secret]")
	}
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) || r == ' ' }), " ")
	if len(text) > maxExcerpt {
		cut := maxExcerpt
		for cut > 0 && text[cut]&0xC0 == 0x80 {
			cut--
		}
		text = text[:cut] + "…"
	}
	return text
}

// cause takes the URL off an error of net/http: a query can hold a secret.
func cause(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
