package a2aclient

import (
	"errors"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/a2aclient/internal/guard"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

// Card is what an agent says of itself, checked. Its texts are the agent's own
// words.
type Card struct {
	URL          string // where it was found
	Form         string // "1.0", "0.3" or "1.0 and 0.3"
	Name         string
	Description  string
	Version      string // the agent's own
	Provider     string
	Interfaces   []Interface
	Streaming    bool
	Push         bool
	Extended     bool
	Skills       []Skill
	Requirements []string // what callers have to prove, in words; any of them is enough
	Signatures   int
	SignedBy     string // the id of the trusted key; "" if nobody looked

	raw []byte
	doc *card.Card
	at  guard.Origin
}

// Interface is one way to an agent.
type Interface struct {
	URL, Binding, Version string
	Usable                bool // that this client speaks it, and may call its origin

	tenant string
	at     guard.Origin
}

// Skill is one thing that an agent can do.
type Skill struct {
	ID, Name, Description string
	Tags                  []string
}

// Raw is the card as it came.
func (c *Card) Raw() []byte { return slices.Clone(c.raw) }

// readCard parses a card, verifies it and looks where it leads.
func readCard(raw []byte, place string, at guard.Origin, set *settings) (*Card, error) {
	lim := card.DefaultLimits()
	lim.MaxBytes = set.Limits.Card
	doc, err := card.Parse(raw, card.Options{Limits: lim})
	if err != nil {
		return nil, guard.Faultf(ErrCard, "%s", why(err))
	}
	c := &Card{
		URL: place, Form: doc.Form.String(), Name: doc.Name, Description: doc.Description, Version: doc.Version,
		Streaming: doc.Capabilities.Streaming, Push: doc.Capabilities.PushNotifications, Extended: doc.Capabilities.Extended,
		Signatures: len(doc.Signatures), raw: raw, doc: doc, at: at,
	}
	if doc.Provider != nil {
		c.Provider = doc.Provider.Organization
	}
	for _, s := range doc.Skills {
		c.Skills = append(c.Skills, Skill{s.ID, s.Name, s.Description, s.Tags})
	}
	c.Requirements = guard.Wants(doc)
	if set.Verifier != nil {
		if c.SignedBy, err = set.Verifier.Verify(raw); err != nil {
			return nil, guard.Faultf(ErrSignature, "%s", why(err))
		}
	}
	return c, c.lead(set)
}

// why says what is wrong with a card, in the words of who found it.
func why(err error) string {
	var at *card.Error
	switch {
	case errors.As(err, &at) && at.Path != "":
		return guard.Words(at.Path + ": " + at.Rule)
	case errors.As(err, &at):
		return at.Rule
	case errors.Is(err, card.ErrUnsigned):
		return "it has no signature"
	case errors.Is(err, card.ErrNotTrusted):
		return "no signature is by one of the keys, or the card was changed"
	}
	return guard.Words(strings.TrimPrefix(err.Error(), "agent card: "))
}

// lead checks where a card leads. Interfaces of other origins are never called;
// a card without any other is an error.
func (c *Card) lead(set *settings) error {
	elsewhere := ""
	usable := false
	for _, i := range c.doc.Interfaces {
		out := Interface{URL: i.URL, Binding: i.Binding, Version: i.Version, tenant: i.Tenant}
		_, at, err := guard.ReadURL(i.URL)
		if err == nil && spoken(i.Binding, i.Version) && (i.Tenant == "" || guard.CheckID("tenant", i.Tenant) == nil) {
			out.at = at
			if out.Usable = at == c.at || slices.Contains(set.allowed, at); !out.Usable {
				elsewhere = at.String()
			}
		}
		usable = usable || out.Usable
		c.Interfaces = append(c.Interfaces, out)
	}
	switch {
	case usable:
		return nil
	case elsewhere != "":
		return guard.Faultf(ErrOrigin, "its card leads from %s to %s: allow that origin, if you trust it with the credential", c.at, elsewhere)
	}
	return guard.Faultf(ErrCard, "it has no interface of JSON-RPC or HTTP+JSON in version 1.0 or 0.3")
}

// spoken reports whether the client speaks a binding and version.
func spoken(binding, version string) bool {
	return (binding == JSONRPC || binding == HTTPJSON) && major(version) != ""
}

// major returns the version whose wire format a version has: "1.0", "0.3", or
// "" for one that nobody here speaks.
func major(version string) string {
	switch {
	case version == "1" || strings.HasPrefix(version, "1."):
		return "1.0"
	case version == "0.3" || strings.HasPrefix(version, "0.3."):
		return "0.3"
	}
	return ""
}

// choose returns the interface to use: the newest version, then the binding
// that the caller prefers, then the order of the card.
func (c *Card) choose(bindings []string) (Interface, bool) {
	best, rank := Interface{}, -1
	for _, i := range c.Interfaces {
		if !i.Usable {
			continue
		}
		r := 100
		if len(bindings) > 0 {
			at := slices.Index(bindings, i.Binding)
			if at < 0 {
				continue
			}
			r -= at
		}
		if major(i.Version) == "1.0" {
			r += 1000
		}
		if r > rank {
			best, rank = i, r
		}
	}
	return best, rank >= 0
}

// hasSkill reports whether the card lists a skill.
func (c *Card) hasSkill(id string) bool {
	return slices.ContainsFunc(c.Skills, func(s Skill) bool { return s.ID == id })
}
