package chronicle

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/portcullis-dev/portcullis/internal/chronicle/browser"
	"github.com/portcullis-dev/portcullis/internal/chronicle/history"
	"github.com/portcullis-dev/portcullis/internal/chronicle/sanitize"
)

// Server answers queries. It is safe for concurrent use. Close it.
type Server struct {
	cfg   Config
	log   *slog.Logger
	now   func() time.Time
	loc   *time.Location
	env   browser.Env
	clean *sanitize.Sanitizer
	read  *history.Reader
	cache *history.Cache
	mcp   *mcp.Server
}

// New returns a Server and removes the copies that killed processes left. An
// error names a field of the configuration.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	clean, err := sanitize.New(cfg.CustomSensitiveParams)
	if err != nil {
		return nil, fmt.Errorf("custom_sensitive_params: %w", err)
	}
	s := &Server{cfg: cfg, log: cfg.Logger, now: cfg.Now, loc: cfg.Location, env: cfg.Env, clean: clean}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.loc == nil {
		s.loc = time.Local
	}
	if s.env.OS == "" {
		s.env = browser.Local()
	}
	limits := history.DefaultLimits()
	limits.Bytes, limits.Pages = cfg.MaxDatabaseBytes, cfg.MaxPages
	s.read = &history.Reader{Clean: clean, Limits: limits, TempDir: cfg.TempDir}
	s.cache = history.NewCache(s.read, cfg.CacheTTL, cfg.CacheEntries)
	if n, err := history.Sweep(cfg.TempDir); err != nil {
		s.log.Warn("removing old copies of histories", "error", err)
	} else if n > 0 {
		s.log.Info("removed old copies of histories", "count", n)
	}
	s.mcp = s.newMCP()
	return s, nil
}

// Close forgets all rows. Queries after it still work, uncached.
func (s *Server) Close() { s.cache.Close() }

// profiles returns what can be read now, browsers in order of preference.
func (s *Server) profiles() []browser.Profile {
	var found []browser.Profile
	if s.cfg.Discover {
		found = browser.Discover(s.env)
	}
	var out []browser.Profile
	for _, name := range browser.Names() {
		path, fixed := s.cfg.Paths[name]
		if fixed {
			if p, ok := browser.At(name, path); ok {
				out = append(out, p)
			}
			continue
		}
		for _, p := range found {
			if p.Browser == name {
				out = append(out, p)
			}
		}
	}
	for i := range out {
		if path, ok := s.cfg.BookmarkPaths[out[i].Browser]; ok {
			out[i].Bookmarks = path
		}
	}
	return out
}

// resolve finds the profile that a browser argument means.
func (s *Server) resolve(arg string) (browser.Profile, error) {
	all := s.profiles()
	if arg == "" {
		arg = s.cfg.DefaultBrowser
	}
	if arg == "" {
		if len(all) == 0 {
			return browser.Profile{}, &Error{Status: 404, Message: "no browser with a history found on this machine"}
		}
		return all[0], nil
	}
	name, profile, err := parseBrowser(arg)
	if err != nil {
		return browser.Profile{}, err
	}
	var ids []string
	for _, p := range all {
		if p.Browser == name && (profile == "" || strings.EqualFold(p.Name, profile)) {
			return p, nil
		}
		if p.Browser == name {
			ids = append(ids, s.clean.Text(p.ID()))
		}
	}
	if len(ids) > 0 {
		return browser.Profile{}, &Error{Status: 404, Message: fmt.Sprintf("browser %q: no such profile; available: %s",
			clip(arg), strings.Join(ids, ", "))}
	}
	available := "no browser with a history found on this machine"
	if names := browserNames(all); len(names) > 0 {
		available = "available: " + strings.Join(names, ", ")
	}
	return browser.Profile{}, &Error{Status: 404, Message: fmt.Sprintf("browser %q: no history found; %s", name, available)}
}

// label is the shortest browser argument that means p.
func (s *Server) label(p browser.Profile) string {
	for _, other := range s.profiles() {
		if other.Browser == p.Browser {
			if other.History == p.History {
				return p.Browser
			}
			break
		}
	}
	return s.clean.Text(p.ID())
}

func browserNames(ps []browser.Profile) []string {
	names := []string{}
	for _, p := range ps {
		if !slices.Contains(names, p.Browser) {
			names = append(names, p.Browser)
		}
	}
	return names
}

func regular(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

// call is one query on its way.
type call struct {
	Args
	profile browser.Profile
	label   string           // "chrome", or "chrome:Profile 1" for one that is not the main profile
	hist    *history.History // nil for queries that need none
}

// run answers a query with checked arguments. A panic becomes an internal
// error; the private copy is removed either way.
func (s *Server) run(ctx context.Context, q *query, a Args) (res *Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("query panicked", "tool", q.tool, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			res, err = nil, &Error{Status: 500, Message: "internal error"}
		}
	}()
	if err := a.check(q.fields, s.loc); err != nil {
		return nil, err
	}
	c := &call{Args: a}
	what := q.tool
	if q.needs != needNothing {
		if c.profile, err = s.resolve(a.Browser); err != nil {
			return nil, err
		}
		c.label = s.label(c.profile)
		what = "history of " + c.label
	}
	if q.needs == needHistory {
		if c.hist, err = s.cache.Get(ctx, c.profile.History); err != nil {
			return nil, s.report(q, what, err)
		}
	}
	if res, err = q.run(ctx, s, c); err != nil {
		return nil, s.report(q, what, err)
	}
	return res, nil
}

// report logs a failure and returns what the caller may know of it.
func (s *Server) report(q *query, what string, err error) *Error {
	e := publicError(what, err)
	if e.Status >= 500 {
		s.log.Error("query failed", "tool", q.tool, "error", err)
	} else {
		s.log.Debug("query refused", "tool", q.tool, "status", e.Status, "error", err)
	}
	return e
}

// direct answers one of the Go functions: zero arguments get their defaults.
func (s *Server) direct(ctx context.Context, tool string, a Args) (*Result, error) {
	q := s.find(tool)
	for _, f := range q.fields {
		a.setDefault(f)
	}
	return s.run(ctx, q, a)
}

func (s *Server) find(tool string) *query {
	qs := queries()
	for i := range qs {
		if qs[i].tool == tool {
			return &qs[i]
		}
	}
	return nil
}

// Call answers a query by the name of its tool with arguments in JSON, as
// tools/call does. Unknown tools are an Error with status 404.
func (s *Server) Call(ctx context.Context, tool string, arguments []byte) (*Result, error) {
	q := s.find(tool)
	if q == nil {
		return nil, &Error{Status: 404, Message: fmt.Sprintf("unknown tool %q", clip(tool))}
	}
	a, err := decodeArgs(arguments, q.fields)
	if err != nil {
		return nil, err
	}
	return s.run(ctx, q, a)
}
