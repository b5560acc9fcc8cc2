// Package agentcard has the rules for files that are A2A agent cards, before
// anybody serves them.
package agentcard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/credential"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
	"github.com/portcullis-dev/portcullis/internal/harden/check/wording"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

// errNoJSON does not quote what it read.
var errNoJSON = errors.New("the card is no JSON")

// File is a card. A card that is not by the rules has no parsed form, and
// rules that need one cannot tell.
type File struct {
	path   string
	data   []byte
	card   *card.Card
	failed error
	judge  *wording.Judge
}

// Find returns the files of a tree that are agent cards.
func Find(t *tree.Tree) []string {
	return t.Named(func(f tree.File) bool {
		base := strings.ToLower(f.Base())
		if base == "agent-card.json" || strings.HasSuffix(base, ".agent-card.json") || f.Path == ".well-known/agent.json" || strings.HasSuffix(f.Path, "/.well-known/agent.json") {
			return true
		}
		if !t.Single() || f.Ext() != ".json" {
			return false
		}
		data, err := t.Read(f.Path)
		return err == nil && bytes.Contains(data, []byte(`"skills"`)) && (bytes.Contains(data, []byte(`"supportedInterfaces"`)) || bytes.Contains(data, []byte(`"defaultInputModes"`)))
	})
}

// Load reads a card.
func Load(_ context.Context, t *tree.Tree, name string) (*File, error) {
	data, err := t.Read(name)
	if err != nil {
		return nil, err
	}
	f := &File{path: name, data: data}
	if f.judge, err = wording.New(); err != nil {
		return nil, err
	}
	f.card, f.failed = card.Parse(data, card.Options{InsecurePlainHTTP: true})
	return f, nil
}

// found collects what is wrong.
type found struct {
	file string
	list []rule.Finding
}

func (f *found) add(pointer, message, evidence string) {
	f.list = append(f.list, rule.Finding{Message: message, File: f.file, Pointer: pointer, Evidence: evidence})
}

// parsed makes a check of a card that is by the rules.
func parsed(look func(c *card.Card, out *found)) func(context.Context, *File) ([]rule.Finding, error) {
	return func(_ context.Context, f *File) ([]rule.Finding, error) {
		if f.failed != nil {
			return nil, f.failed
		}
		out := found{file: f.path}
		look(f.card, &out)
		return out.list, nil
	}
}

// texts makes a check of every text of a card, also of one that is not by the
// rules.
func texts(look func(f *File, where, text string, out *found)) func(context.Context, *File) ([]rule.Finding, error) {
	return func(_ context.Context, f *File) ([]rule.Finding, error) {
		var v any
		if err := json.Unmarshal(f.data, &v); err != nil {
			return nil, errNoJSON
		}
		out := found{file: f.path}
		walk("", v, func(where, text string) { look(f, where, text, &out) })
		return out.list, nil
	}
}

func walk(where string, v any, f func(where, text string)) {
	switch v := v.(type) {
	case string:
		f(where, v)
	case []any:
		for _, e := range v {
			walk(where+"[]", e, f)
		}
	case map[string]any:
		for name, e := range v {
			walk(strings.TrimPrefix(where+"."+name, "."), e, f)
		}
	}
}

func meta(id string, severity rule.Severity, title, why, verify, fix string, cwe ...string) rule.Meta {
	return rule.Meta{
		ID: rule.A2ACard.Prefix() + id, Kind: rule.A2ACard, Severity: severity, Title: title, Why: why, Verify: verify, Fix: fix,
		Guides: []string{"S0-7", "S0-9"}, OWASP: []string{"MCP07:2025", "API2:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T1", "MCP-T8"}, CWE: cwe,
	}
}

// Rules returns the rules.
func Rules() []rule.Rule[*File] { return slices.Concat(formRules(), schemeRules(), textRules()) }

func formRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: meta("form", rule.Medium, "The card is well formed", "Clients read a card that is not by the rules each in their own way.", "Hold the file against the specification of A2A 0.3 or 1.0.", "Write the members of the card as the specification says: name, description, version and url are text.", "CWE-20"),
			Check: func(_ context.Context, f *File) ([]rule.Finding, error) {
				if f.failed != nil {
					return []rule.Finding{{Message: "The card is not well formed: " + f.failed.Error() + ".", File: f.path}}, nil
				}
				return nil, nil
			},
		},
		{
			Meta: meta("https", rule.High, "The card names https addresses only", "Clients send their credentials to the address that the card names.", "An interface has a url that begins with http://.", "Name https addresses.", "CWE-319"),
			Check: parsed(func(c *card.Card, out *found) {
				for _, i := range c.Interfaces {
					if u, err := url.Parse(i.URL); err != nil || u.Scheme != "https" {
						out.add("url", "An interface is not https.", i.URL)
					}
				}
			}),
		},
		{
			Meta: meta("address-inner", rule.Medium, "The card names no inner address", "A card that was meant for one machine is published, or sends clients into their own network.", "An interface is on localhost, a private address or the metadata address of a cloud.", "Name the public address as url.", "CWE-918"),
			Check: parsed(func(c *card.Card, out *found) {
				for _, i := range c.Interfaces {
					u, err := url.Parse(i.URL)
					if err != nil {
						continue
					}
					ip, err := netip.ParseAddr(u.Hostname())
					if u.Hostname() == "localhost" || err == nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified()) {
						out.add("url", "An interface has an inner address.", u.Host)
					}
				}
			}),
		},
		{
			Meta: meta("one-host", rule.Medium, "All interfaces are on one host", "A client that trusts the first host sends its credential to the other.", "Interfaces have URLs on different hosts.", "Serve all interfaces under one name: the same host in every url.", "CWE-346"),
			Check: parsed(func(c *card.Card, out *found) {
				first := ""
				for _, i := range c.Interfaces {
					u, err := url.Parse(i.URL)
					if err != nil {
						continue
					}
					if first == "" {
						first = u.Host
					}
					if !strings.EqualFold(u.Host, first) {
						out.add("url", "An interface is on another host.", u.Host)
					}
				}
			}),
		},
		{
			Meta: meta("signed", rule.Low, "The card is signed", "Nobody can tell whether the card is the agent's own, or was changed.", "The card has no signatures.", "Sign the card with a JWS, and publish the key.", "CWE-345"),
			Check: parsed(func(c *card.Card, out *found) {
				if len(c.Signatures) == 0 {
					out.add("signatures", "The card is not signed.", "")
				}
			}),
		},
	}
}

func schemeRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: meta("schemes", rule.High, "The card declares and requires a scheme", "An agent that asks for nothing works for everyone; clients send nothing.", "securitySchemes or the requirement is missing or empty.", "Declare a scheme in securitySchemes and require it in securityRequirements.", "CWE-306"),
			Check: parsed(func(c *card.Card, out *found) {
				switch {
				case len(c.Schemes) == 0:
					out.add("securitySchemes", "No scheme is declared.", "")
				case len(c.Requirements) == 0 || slices.ContainsFunc(c.Requirements, func(r card.Requirement) bool { return len(r) == 0 }):
					out.add("security", "No scheme is required.", "")
				}
			}),
		},
		{
			Meta: meta("scheme-weak", rule.Medium, "No scheme puts keys into addresses or passwords into clients", "Addresses stand in logs; a client that has the password can do everything its user can.", "A scheme is an API key in the query, or has an implicit or password flow.", "Take keys in a header; use authorization code with PKCE or client credentials.", "CWE-522", "CWE-598"),
			Check: parsed(func(c *card.Card, out *found) {
				for name, s := range c.Schemes {
					_, implicit := s.Flows[card.Implicit]
					_, password := s.Flows[card.Password]
					if s.Type == card.APIKey && s.In == "query" || implicit || password {
						out.add("securitySchemes."+name, "The scheme is weak.", s.Type)
					}
				}
			}),
		},
		{
			Meta: meta("scheme-basic", rule.Low, "The card does not ask for a password", "Basic sends the password with every call; it is for old systems (S0-9).", "A scheme is http with basic.", "Use bearer tokens or client certificates.", "CWE-522"),
			Check: parsed(func(c *card.Card, out *found) {
				for name, s := range c.Schemes {
					if s.Type == card.HTTPAuth && strings.EqualFold(s.HTTPScheme, "basic") {
						out.add("securitySchemes."+name, "The scheme is Basic.", "")
					}
				}
			}),
		},
	}
}

// link is an address in plain HTTP, without those that only name a schema.
var link = regexp.MustCompile(`^http://[^/]`)

func textRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: meta("orders", rule.High, "The card gives no orders to a model", "A model that chooses among agents reads descriptions as if its user had written them.", "Read the descriptions, skills and examples.", "Describe what the agent does, and nothing else.", "CWE-74", "CWE-1427"),
			Check: texts(func(f *File, where, text string, out *found) {
				if l := f.judge.Look(text); l.Orders != "" {
					out.add(where, "A text gives orders to a model.", l.Orders)
				}
			}),
		},
		{
			Meta: meta("hidden", rule.High, "The card hides no characters", "The model reads what the person who looked at the card did not see.", "Look for tag, zero-width and direction characters.", "Remove these characters from the description, or wherever they are.", "CWE-451", "CWE-1427"),
			Check: texts(func(f *File, where, text string, out *found) {
				if l := f.judge.Look(text); l.Hidden != "" {
					out.add(where, "A text has characters that a reader does not see.", l.Hidden)
				}
			}),
		},
		{
			Meta: meta("secret", rule.Critical, "The card holds no credential", "Cards are public: everyone reads the key.", "A text of the card has the form of a key or token.", "Remove it from the description, or wherever it is, and revoke the key.", "CWE-200", "CWE-798"),
			Check: texts(func(_ *File, where, text string, out *found) {
				for _, p := range credential.In([]byte(text)) {
					out.add(where, "The card holds a credential.", p.Kind)
				}
			}),
		},
		{
			Meta: meta("links-https", rule.Low, "Links of the card are https", "Who is on the way writes the page that the card sends people to, or the tokens that clients fetch.", "documentationUrl, iconUrl, provider or a URL of a scheme begins with http://.", "Write https addresses that answer.", "CWE-319"),
			Check: texts(func(_ *File, where, text string, out *found) {
				if link.MatchString(text) && strings.HasSuffix(strings.ToLower(where), "url") && !strings.Contains(where, "nterface") && where != "url" {
					out.add(where, "A link is not https.", text)
				}
			}),
		},
	}
}
