// Package httpapi asks the HTTP interfaces of secret stores: bounded, without
// redirects, and with errors that repeat nothing of an answer.
package httpapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// Client asks one server. It is safe for concurrent use.
type Client struct {
	base *url.URL
	http *http.Client
}

// CheckURL says what is wrong with the address of a server: secrets travel in
// clear text only to this machine.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return errors.New(`want a URL such as "https://vault.example.com:8200"`)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("holds a name, a password, a query or a fragment")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return errors.New("secrets would travel in clear text: want https")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// New returns a client of the server at base. ca is a PEM file of the roots to
// trust instead of the system's; it is read now.
func New(base, ca string) (*Client, error) {
	if err := CheckURL(base); err != nil {
		return nil, err
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	t, err := Transport(ca)
	if err != nil {
		return nil, err
	}
	return &Client{base: u, http: &http.Client{Transport: t, CheckRedirect: refuseRedirect}}, nil
}

// Transport returns what carries questions: TLS 1.2 or newer, verified, with
// times. ca is as for [New].
func Transport(ca string) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: 10 * time.Second,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if ca != "" {
		var err error
		if t.TLSClientConfig.RootCAs, err = Roots(ca); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// refuseRedirect keeps credentials from following a redirect to another host.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Roots reads a PEM file of certificates.
func Roots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading the CA: %q holds no certificate", file)
	}
	return pool, nil
}

// Request is one question.
type Request struct {
	Method string
	Path   string // below the base
	Query  url.Values
	Header http.Header
	Body   any // sent as JSON; nil = none
}

// StatusError is an answer that is no success.
type StatusError struct{ Status int }

// Error names the status and nothing that the server said.
func (e *StatusError) Error() string {
	return fmt.Sprintf("the server answered %d %s", e.Status, http.StatusText(e.Status))
}

// Is tells the statuses that have a meaning for every source.
func (e *StatusError) Is(target error) bool {
	switch target {
	case source.ErrNotFound:
		return e.Status == http.StatusNotFound
	case source.ErrDenied:
		return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
	}
	return false
}

// Do asks and decodes the JSON of the answer into out, if that is not nil.
func (c *Client) Do(ctx context.Context, r Request, out any) error {
	u := *c.base
	u.Path = c.base.JoinPath(r.Path).Path
	u.RawQuery = r.Query.Encode()
	var body io.Reader
	if r.Body != nil {
		data, err := json.Marshal(r.Body)
		if err != nil {
			return errors.New("encoding the question")
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return errors.New("making the question")
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "portcullis")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("asking the server: %w", Cause(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return &StatusError{resp.StatusCode}
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 2*source.MaxBytes+1))
	switch {
	case err != nil:
		return fmt.Errorf("reading the answer: %w", Cause(err))
	case len(data) > 2*source.MaxBytes:
		return errors.New("the answer is too large")
	case out == nil:
		return nil
	case json.Unmarshal(data, out) != nil:
		return errors.New("the answer is not what was asked for") // the cause could quote it
	}
	return nil
}

// Cause takes the URL off an error of net/http: a query can hold a secret.
func Cause(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
