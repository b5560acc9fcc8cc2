package agentcard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

// Where cards are: that of today, and that of versions before 0.3.
const (
	Path       = "/.well-known/agent-card.json"
	LegacyPath = "/.well-known/agent.json"
)

// Bounds of one fetch.
const (
	maxRedirects = 3
	maxTag       = 256
)

// errGone says that there is no card at a path.
var errGone = errors.New("the agent has no card there")

// source is where the card of an agent comes from.
type source struct {
	base    *url.URL
	paths   []string
	client  *http.Client
	timeout time.Duration
	limit   int
}

// fetched is an answer of a source.
type fetched struct {
	raw    []byte // nil = what is known is still so
	tag    string
	path   string
	maxAge time.Duration // 0 = the agent does not say
}

// newSource checks where the card is. Without TLS it is only taken from this
// machine, unless insecure.
func newSource(upstream, path string, insecure bool, rt http.RoundTripper, timeout time.Duration) (*source, error) {
	u, err := url.Parse(upstream)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return nil, errors.New("the card's upstream is no URL with a host and without a password")
	case u.Scheme == "https":
	case u.Scheme == "http" && (insecure || card.Loopback(u.Hostname())):
	default:
		return nil, errors.New("upstream: the card would come without TLS: want https, or insecure_http = true")
	}
	s := &source{base: &url.URL{Scheme: u.Scheme, Host: u.Host}, paths: []string{Path, LegacyPath}, timeout: timeout, limit: card.DefaultLimits().MaxBytes}
	if path != "" {
		s.paths = []string{path}
	}
	s.client = &http.Client{Transport: sameHost{rt, s.base}, Timeout: timeout, CheckRedirect: s.redirect}
	return s, nil
}

// sameHost keeps requests on the host of the upstream, whoever made them.
type sameHost struct {
	http.RoundTripper
	base *url.URL
}

func (h sameHost) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != h.base.Scheme || req.URL.Host != h.base.Host || req.Host != "" && req.Host != h.base.Host {
		return nil, errElsewhere
	}
	return h.RoundTripper.RoundTrip(req)
}

var errElsewhere = errors.New("not the scheme and host of the agent")

// redirect stays on the host.
func (s *source) redirect(req *http.Request, via []*http.Request) error {
	if req.URL.Scheme != s.base.Scheme || req.URL.Host != s.base.Host || req.URL.User != nil {
		return errors.New("the card redirects to another host")
	}
	if len(via) > maxRedirects {
		return errors.New("the card redirects too often")
	}
	return nil
}

// fetch asks for the card, or whether it is still the one that was fetched
// last.
func (s *source) fetch(ctx context.Context, last fetched) (fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var err error
	for _, path := range s.paths {
		var f fetched
		tag := ""
		if path == last.path {
			tag = last.tag
		}
		if f, err = s.get(ctx, path, tag); !errors.Is(err, errGone) {
			return f, err
		}
	}
	return fetched{}, err
}

func (s *source) get(ctx context.Context, path, tag string) (fetched, error) {
	u := *s.base
	u.Path = path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fetched{}, fmt.Errorf("asking for the card: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	if tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return fetched{}, fmt.Errorf("asking for the card: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read, or is not wanted
	f := fetched{path: path, tag: resp.Header.Get("Etag"), maxAge: maxAge(resp.Header.Get("Cache-Control"))}
	if len(f.tag) > maxTag {
		f.tag = ""
	}
	switch {
	case resp.StatusCode == http.StatusNotModified && tag != "":
		f.tag = tag
		return f, nil
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone || resp.StatusCode == http.StatusMethodNotAllowed:
		return fetched{}, errGone
	case resp.StatusCode != http.StatusOK:
		return fetched{}, fmt.Errorf("asking for the card: the agent answered %d", resp.StatusCode)
	case resp.Header.Get("Content-Encoding") != "":
		return fetched{}, errors.New("asking for the card: the agent compressed it unasked")
	}
	f.raw, err = io.ReadAll(io.LimitReader(resp.Body, int64(s.limit)+1))
	if err != nil {
		return fetched{}, fmt.Errorf("reading the card: %w", err)
	}
	if len(f.raw) > s.limit {
		return fetched{}, fmt.Errorf("reading the card: more than %d bytes", s.limit)
	}
	return f, nil
}

// maxAge reads how long an answer may be kept; 0 if that is not said.
func maxAge(field string) time.Duration {
	for d := range strings.SplitSeq(field, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(d), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				return time.Duration(n) * time.Second
			}
		}
	}
	return 0
}
