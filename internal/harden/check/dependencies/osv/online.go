package osv

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
)

// PublicServer is the server of OSV itself.
const PublicServer = "https://api.osv.dev"

// Bounds of a conversation with a server.
const (
	batch      = 1000 // queries of one request, as the API allows
	maxPages   = 50
	maxAnswer  = 64 << 20 // bytes of one answer
	maxIDs     = 20_000
	atOnce     = 4
	tries      = 4
	perRequest = 30 * time.Second
	maxWait    = 10 * time.Second // that a server may ask for
)

// Server asks a server that speaks the API of OSV. It learns names and versions
// of packages, and nothing else.
type Server struct {
	base   string
	client *http.Client
	agent  string
	wait   func(ctx context.Context, d time.Duration) error
}

// NewServer returns a source that asks a server, such as [PublicServer] or a
// mirror. agent is how the program names itself.
func NewServer(base, agent string) (*Server, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the address of the server is no URL, or one with a credential or a query")
	case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		return nil, fmt.Errorf("%s://%s: want https; http only to this machine", u.Scheme, u.Host)
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: perRequest, ResponseHeaderTimeout: perRequest,
		MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: atOnce, IdleConnTimeout: perRequest,
	}
	client := &http.Client{Transport: transport, Timeout: perRequest, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Server{base: u.JoinPath("/").String(), client: client, agent: agent, wait: sleep}, nil
}

// Close lets go of idle connections.
func (s *Server) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// The API, as documented at google.github.io/osv.dev.
type (
	askPackage struct {
		Name      string `json:"name"`
		Ecosystem string `json:"ecosystem"`
	}
	ask struct {
		Package askPackage `json:"package"`
		Version string     `json:"version"`
		Page    string     `json:"page_token,omitempty"`
	}
	asks struct {
		Queries []ask `json:"queries"`
	}
	answers struct {
		Results []struct {
			Vulns []struct {
				ID string `json:"id"`
			} `json:"vulns"`
			Next string `json:"next_page_token"`
		} `json:"results"`
	}
)

// Entries asks for the ids of what affects some packages, and then for each of
// them.
func (s *Server) Entries(ctx context.Context, of []Query) (map[lockfile.Ecosystem][]*Entry, error) {
	ecosystems := map[string]map[lockfile.Ecosystem]bool{} // of ids
	open := make([]ask, 0, len(of))
	for _, q := range of {
		open = append(open, ask{Package: askPackage{q.Name, string(q.Ecosystem)}, Version: q.Version})
	}
	for page := 0; len(open) > 0; page++ {
		if page == maxPages {
			return nil, fmt.Errorf("the server of vulnerabilities answers in more than %d pages", maxPages)
		}
		var next []ask
		for part := range slices.Chunk(open, batch) {
			var a answers
			if err := s.call(ctx, http.MethodPost, "v1/querybatch", asks{part}, &a); err != nil {
				return nil, err
			}
			if len(a.Results) != len(part) {
				return nil, fmt.Errorf("the server of vulnerabilities gave %d answers to %d questions", len(a.Results), len(part))
			}
			for i, r := range a.Results {
				for _, v := range r.Vulns {
					if !idForm.MatchString(v.ID) {
						return nil, fmt.Errorf("the server of vulnerabilities names one %.40q, which is no id", v.ID)
					}
					if ecosystems[v.ID] == nil {
						ecosystems[v.ID] = map[lockfile.Ecosystem]bool{}
					}
					ecosystems[v.ID][lockfile.Ecosystem(part[i].Package.Ecosystem)] = true
				}
				if r.Next != "" {
					again := part[i]
					again.Page = r.Next
					next = append(next, again)
				}
			}
			if len(ecosystems) > maxIDs {
				return nil, fmt.Errorf("the server of vulnerabilities names more than %d", maxIDs)
			}
		}
		open = next
	}
	return s.fetch(ctx, ecosystems)
}

// fetch asks for entries, a few at a time.
func (s *Server) fetch(ctx context.Context, ecosystems map[string]map[lockfile.Ecosystem]bool) (map[lockfile.Ecosystem][]*Entry, error) {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		out  = map[lockfile.Ecosystem][]*Entry{}
		errs []error
		room = make(chan struct{}, atOnce)
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for id, of := range ecosystems {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			e, err := s.entry(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				cancel()
				return
			}
			for eco := range of {
				out[eco] = append(out[eco], e)
			}
		})
	}
	wg.Wait()
	for _, list := range out {
		slices.SortFunc(list, func(a, b *Entry) int { return cmp.Compare(a.ID, b.ID) })
	}
	if len(errs) > 0 {
		return out, errs[0] // the others are of the same kind, or that it was cancelled
	}
	return out, nil
}

func (s *Server) entry(ctx context.Context, id string) (*Entry, error) {
	var raw json.RawMessage
	if err := s.call(ctx, http.MethodGet, "v1/vulns/"+url.PathEscape(id), nil, &raw); err != nil {
		return nil, err
	}
	e, err := decode(raw)
	if err != nil {
		return nil, err
	}
	if e.ID != id {
		return nil, fmt.Errorf("the server of vulnerabilities gave %.40q for %.40q", e.ID, id)
	}
	return e, nil
}

// idForm is what may stand in a path.
var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)

var errServer = errors.New("asking the server of vulnerabilities")

// call sends a request and reads the answer. What may pass is tried again, with
// longer and longer pauses.
func (s *Server) call(ctx context.Context, method, path string, in, into any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("%w: %w", errServer, err)
		}
	}
	for n := 1; ; n++ {
		wait, err := s.try(ctx, method, path, body, into)
		if err == nil {
			return nil
		}
		if wait < 0 || n == tries || ctx.Err() != nil {
			return fmt.Errorf("%w: %w", errServer, err)
		}
		pause := max(wait, time.Duration(1<<n)*250*time.Millisecond)
		pause += time.Duration(rand.Int64N(int64(pause)/2 + 1))
		if err := s.wait(ctx, pause); err != nil {
			return fmt.Errorf("%w: %w", errServer, err)
		}
	}
}

// try sends a request once. wait is how long the server wants it to be left
// alone, negative where trying again is no use.
func (s *Server) try(ctx context.Context, method, path string, body []byte, into any) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(body))
	if err != nil {
		return -1, err
	}
	req.Header.Set("User-Agent", s.agent)
	req.Header.Set("Accept", "application/json")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // a date is rare, and then the usual pause does
		return min(time.Duration(max(0, min(seconds, 3600)))*time.Second, maxWait), fmt.Errorf("it answers %d", resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return -1, fmt.Errorf("it answers %d", resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return 0, err
	}
	if len(data) > maxAnswer {
		return -1, fmt.Errorf("an answer is larger than %d bytes", maxAnswer)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return -1, errors.New("an answer is not what the API of OSV gives")
	}
	return 0, nil
}
