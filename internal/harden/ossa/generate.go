package ossa

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// ErrRevoked is returned for the manifest of an agent that was revoked.
var ErrRevoked = errors.New("the agent is revoked")

// Options are what is not in a manifest.
type Options struct {
	Name     string // of the manifest in messages
	Upstream string // URL of the server for tools whose server the manifest does not tell
	Commands bool   // whether commands of the manifest are taken over
	Force    bool   // whether a revoked agent is taken
}

// maker makes one configuration.
type maker struct {
	doc     *yamltree.Node
	spec    *yamltree.Node
	opts    Options
	errs    yamltree.Errors
	res     Result
	servers []*server
	policy
	callCount int64 // what calls says
}

// policy is what the manifest asks of all its routes.
type policy struct {
	allowed *allowed    // nil: what is declared
	blocked []action    // actions
	approve []action    // actions that need the word of another person
	all     []sourced   // reasons why all do
	rates   []sourced   // beside the default
	timeout sourced     // the shortest
	calls   sourced     // of a session, the fewest
	secret  sourced     // data that must not be carried elsewhere
	preset  sourced     // of content rules
	content []content   // rules
	links   *linkPolicy // nil: no word about the network
	tier    sourced     // permission that callers need
	grants  []string    // what else the agent's role gives
}

// sourced is text of the configuration and the field it comes from.
type sourced struct {
	text string
	from *yamltree.Node
}

// Generate makes configuration of a manifest. Errors of the manifest begin
// with its name and a line.
func Generate(data []byte, o Options) (*Result, error) {
	doc, err := yamltree.Parse(o.Name, data)
	if err != nil {
		return nil, err
	}
	m := &maker{doc: doc, opts: o, res: Result{
		Routes: []string{}, Warnings: []string{}, Expressed: []Item{}, Stricter: []Item{}, NotExpressed: []Item{},
	}}
	if err := m.header(); err != nil {
		return nil, err
	}
	m.metadata()
	m.collectServers()
	m.collectActions()
	m.network()
	m.classify()
	m.safety()
	m.limits()
	m.audit()
	m.deployment()
	m.ignore()
	tools := m.decideTools()
	if err := m.errs.Err(); err != nil {
		return nil, err
	}
	m.unread()
	m.write(tools)
	m.res.sorted()
	if _, _, err := config.Parse("generated", []byte(m.res.Config), func(string) (string, bool) { return "", false }); err != nil {
		return nil, fmt.Errorf("%s:1: the manifest cannot become a configuration: %w", o.Name, err)
	}
	return &m.res, nil
}

var versions = regexp.MustCompile(`^(?:ossa/)?v(0\.[45](?:\.[0-9]{1,4})?)(?:-[0-9A-Za-z.]{1,40})?$`)

const knownVersions = `want "ossa/v0.4", "ossa/v0.4.N", "ossa/v0.5" or "ossa/v0.5.N"`

// header reads what decides whether the rest is read at all.
func (m *maker) header() error {
	v := m.doc.Get("apiVersion")
	if v == nil {
		if old := m.doc.Get("ossaVersion"); old != nil {
			return fmt.Errorf("%s:%d: ossaVersion: is a format from before apiVersion: %s as apiVersion", m.opts.Name, old.Line, knownVersions)
		}
		return fmt.Errorf("%s:1: apiVersion: is missing: %s", m.opts.Name, knownVersions)
	}
	text, ok := v.Text(&m.errs)
	match := versions.FindStringSubmatch(text)
	if ok && match == nil {
		m.errs.Add(v, "%.60q is not known: %s", text, knownVersions)
	}
	k := m.doc.Get("kind")
	if k == nil {
		m.errs.Add(m.doc, "kind: is missing: want Agent")
	} else if kind, ok := k.Text(&m.errs); ok && kind != "Agent" {
		m.errs.Add(k, "%.60q: only an Agent says what may be called", kind)
	}
	for _, name := range []string{"metadata", "spec"} {
		if n := m.doc.Get(name); n == nil {
			m.errs.Add(m.doc, "%s: is missing", name)
		} else {
			n.Table(&m.errs)
		}
	}
	if err := m.errs.Err(); err != nil {
		return err
	}
	m.spec = m.doc.Get("spec")
	m.res.Version = match[1]
	return m.status()
}

// status refuses agents that are revoked.
func (m *maker) status() error {
	meta := m.doc.Get("metadata")
	s := meta.Get("status")
	if s == nil {
		return nil
	}
	word, ok := s.Word(&m.errs, "active", "deprecated", "revoked")
	switch {
	case !ok:
		return m.errs.Err()
	case word == "revoked" && !m.opts.Force:
		return fmt.Errorf("%s:%d: %s: %w: nothing is generated for it", m.opts.Name, s.Line, s.Path, ErrRevoked)
	case word == "revoked":
		m.warn("the agent is revoked")
	case word == "deprecated":
		why, _ := meta.Get("deprecated_message").Text(&m.errs)
		m.warn("the agent is deprecated" + strings.TrimRight(": "+why, ": "))
	}
	return nil
}

func (m *maker) warn(text string) { m.res.Warnings = append(m.res.Warnings, text) }

var (
	agentName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,251}[a-z0-9])?$`)
	semver    = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)([-+][0-9A-Za-z.+-]+)?$`)
)

// metadata reads who the agent is.
func (m *maker) metadata() {
	meta := m.doc.Get("metadata")
	n := meta.Get("name")
	if n == nil {
		m.errs.Add(meta, "name: is missing")
	} else if name, ok := n.Text(&m.errs); ok {
		if !agentName.MatchString(name) {
			m.errs.Add(n, "%.60q: want lower-case letters, digits and dashes, such as code-reviewer", name)
		}
		m.res.Agent = name
	}
	if v := meta.Get("version"); v != nil && !semver.MatchString(v.Raw()) {
		m.warn(fmt.Sprintf("metadata.version: %.40q is no semantic version such as 1.2.0", v.Raw()))
	}
	if s := meta.Get("signature"); s != nil {
		s.Ignore()
		m.missing(s, "the signature was not verified", "verify it with the tools of its publisher before you use the configuration")
	}
	for _, id := range []*yamltree.Node{meta, meta.Get("identity"), m.spec.Get("identity")} {
		if c := id.Get("checksum"); c != nil {
			c.Ignore()
			m.missing(c, "the checksum was not verified", "compare it with what you deploy")
		}
	}
	meta.Ignore()
	m.spec.Get("identity").Ignore()
}

// ignore counts as read what says nothing about what an agent may do.
func (m *maker) ignore() {
	for _, name := range []string{
		"role", "prompts", "llm", "model", "instructions", "description", "type", "subtype", "taxonomy", "observability", "monitoring",
	} {
		m.spec.Get(name).Ignore()
	}
	for _, name := range []string{"$schema", "token_efficiency"} {
		m.doc.Get(name).Ignore()
	}
}
