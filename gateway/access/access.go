// Package access makes what decides on a route whether a caller may do
// something: allow and deny lists, roles and rules, scopes, policy files and
// the tools inside tools. The gateway asks the same guards about calls and
// about the entries of lists; the command line asks them to explain.
package access

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/cedar"
	"github.com/portcullis-dev/portcullis/internal/authz/metatool"
	"github.com/portcullis-dev/portcullis/internal/authz/pattern"
	"github.com/portcullis-dev/portcullis/internal/authz/rbac"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/authz/tool"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// Access is what all routes of one configuration share.
type Access struct {
	roles    *rbac.Roles
	rules    []rbac.Rule
	policies *cedar.Set // nil = no policy files
	routes   pattern.List
	log      *slog.Logger
	clock    func() time.Time

	// Risk tells policies how risky a caller is, 0 to 100; nil = nobody is. Set
	// before Route is called.
	Risk func(principal string, client netip.Addr) int
}

// New compiles roles and rules and reads the policy files. clock tells policies
// the time and whether a principal has expired; nil means time.Now.
func New(cfg *config.Config, log *slog.Logger, clock func() time.Time) (*Access, error) {
	roles, err := rbac.NewRoles(cfg.Access.Roles)
	if err != nil {
		return nil, fmt.Errorf("access.roles: %w", err)
	}
	if clock == nil {
		clock = time.Now
	}
	a := &Access{roles: roles, log: log, clock: clock, routes: pattern.Compile(cfg.Access.PolicyRoutes)}
	for _, r := range cfg.Access.Rules {
		a.rules = append(a.rules, r.Rule())
	}
	if len(cfg.Access.PolicyFiles) == 0 || len(cfg.Routes) == 0 { // without routes nothing is decided: keys can be revoked whatever the files hold
		return a, nil
	}
	files, err := read(cfg.Access.PolicyFiles)
	if err != nil {
		return nil, err
	}
	a.policies, err = cedar.Load(files)
	return a, err
}

// Roles returns the table of roles.
func (a *Access) Roles() *rbac.Roles { return a.roles }

// Route returns the guards of a route in the order they are asked. All must
// allow; the first that does not has decided. Lists come first: they are the
// cheapest and say no most often. inner are asked beside them about the tools
// inside tools.
func (a *Access) Route(rc *config.Route, inner ...portcullis.Authorizer) ([]portcullis.Authorizer, error) {
	var out []portcullis.Authorizer
	if lists := rc.Lists(); !lists.Empty() {
		g, err := tool.New(lists)
		if err != nil {
			return nil, fmt.Errorf("tools: %w", err)
		}
		out = append(out, g)
	}
	rules, err := rbac.New(rc.Name, a.roles, a.rules)
	if err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	scopes, err := scope.New(scope.Config{Tools: rc.Tools.Scopes, Skills: rc.Skills.Scopes}, a.clock)
	if err != nil {
		return nil, fmt.Errorf("scopes: %w", err)
	}
	if rules.Empty() {
		scopes = scopes.With(a.roles)
	} else {
		out, scopes = append(out, rules), scopes.With(rules)
	}
	out = append(out, scopes)
	if _, decided := a.routes.Match(rc.Name); decided && a.policies != nil {
		out = append(out, cedar.New(a.policies, cedar.Options{Scopes: a.roles.Of, Clock: a.clock, Log: a.log, Risk: a.Risk}))
	}
	if len(rc.Tools.Meta) == 0 {
		return out, nil
	}
	g, err := metatool.New(rc.Tools.MetaTools(), slices.Concat(out, inner))
	if err != nil {
		return nil, fmt.Errorf("tools: %w", err)
	}
	return append(out, g), nil
}

// Bounds on policy files.
const (
	maxFiles = 1000
	maxBytes = 256 << 10 // of one; one byte more is read, so that its parser sees that there is more
)

// read returns the files that the patterns name, each once, in the order of
// their names. A pattern without a file is an error: what it was to say is
// missing.
func read(patterns []string) ([]cedar.File, error) {
	names, err := find(patterns)
	if err != nil {
		return nil, err
	}
	var files []cedar.File
	var errs []error
	for _, name := range names {
		text, err := readFile(name)
		if err != nil {
			errs = append(errs, err)
		}
		files = append(files, cedar.File{Name: name, Text: text})
	}
	return files, errors.Join(errs...)
}

func find(patterns []string) ([]string, error) {
	var names []string
	for i, p := range patterns {
		found, err := filepath.Glob(p)
		if err != nil {
			return nil, fmt.Errorf("access.policy_files[%d]: %q: %w", i, p, err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("access.policy_files[%d]: there is no file %q", i, p)
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > maxFiles {
		return nil, fmt.Errorf("access.policy_files: %d files: want at most %d", len(names), maxFiles)
	}
	return names, nil
}

func readFile(name string) (text []byte, err error) {
	info, err := os.Stat(name) // a named pipe would block the open itself
	if err != nil {
		return nil, fmt.Errorf("reading a policy file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading a policy file: %q is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading a policy file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if text, err = io.ReadAll(io.LimitReader(f, maxBytes+1)); err != nil {
		return nil, fmt.Errorf("reading a policy file: %w", err)
	}
	return text, nil
}

// Digest tells whether policy files changed: it is another one when a file came,
// went or has other content. It is "" where no files are configured.
func Digest(cfg *config.Config) string {
	if len(cfg.Access.PolicyFiles) == 0 {
		return ""
	}
	names, err := find(cfg.Access.PolicyFiles)
	if err != nil {
		return "unreadable"
	}
	h := sha256.New()
	for _, name := range names {
		text, err := readFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			text = []byte("unreadable")
		}
		fmt.Fprintf(h, "%d %s %d ", len(name), name, len(text))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
