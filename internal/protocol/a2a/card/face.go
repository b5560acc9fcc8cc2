package card

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Face is what the gateway really offers in front of an agent.
type Face struct {
	URL          string   // of the route, as callers know it
	Bindings     []string // that the route serves at its URL
	GRPC         string   // host and port where callers of gRPC find the route, who are served what it serves in JSON-RPC; "" = none are
	Versions     []string // of the protocol
	Schemes      map[string]Scheme
	Requirements []Requirement // any of them is enough; none = no credential is needed
	Streaming    bool
	Push         bool
	Extended     bool // to callers who say who they are
	// Asked says that the agent is asked in gRPC: what it offers in that is what
	// the route serves in JSON-RPC.
	Asked bool
	// Hidden is the host of the upstream: links to it are left out.
	Hidden string
	// Extension says which extensions are passed on; nil = all.
	Extension func(uri string) bool
	// Skill says which skills are shown; nil = all.
	Skill func(id string) bool
}

// ErrNothingServed says that an agent offers no interface that the route
// serves.
var ErrNothingServed = errors.New("agent card: the agent offers no binding and version that the route serves")

// Behind returns the card as callers of the gateway see it: the agent's own
// words about what it can do, and the gateway's about where it is and what it
// asks of callers. The card itself does not change.
func (c *Card) Behind(f Face) (*Card, error) {
	out := *c
	out.Signatures, out.Interfaces, out.Skills = nil, nil, nil
	hidden := map[string]bool{strings.ToLower(f.Hidden): true}
	for _, i := range c.Interfaces {
		hidden[hostOf(i.URL)] = true
		if f.Asked && i.Binding == GRPC {
			i.Binding = JSONRPC
		}
		if !slices.Contains(f.Bindings, i.Binding) || !slices.Contains(f.Versions, i.Version) {
			continue
		}
		i.URL = f.URL
		if !slices.Contains(out.Interfaces, i) {
			out.Interfaces = append(out.Interfaces, i)
		}
	}
	if len(out.Interfaces) == 0 {
		return nil, ErrNothingServed
	}
	if f.GRPC != "" {
		for _, i := range out.Interfaces {
			if i.Binding == JSONRPC && i.Version == V1.version() {
				i.URL, i.Binding = f.GRPC, GRPC
				out.Interfaces = append(out.Interfaces, i)
			}
		}
	}
	for _, link := range [...]*string{&out.DocumentationURL, &out.IconURL} {
		if *link != "" && hidden[hostOf(*link)] {
			*link = ""
		}
	}
	out.Schemes, out.Requirements = maps.Clone(f.Schemes), slices.Clone(f.Requirements)
	out.Capabilities.Streaming = c.Capabilities.Streaming && f.Streaming
	out.Capabilities.PushNotifications = c.Capabilities.PushNotifications && f.Push
	out.Capabilities.Extended = c.Capabilities.Extended && f.Extended
	out.Capabilities.Extensions = nil
	for _, e := range c.Capabilities.Extensions {
		if f.Extension == nil || f.Extension(e.URI) {
			out.Capabilities.Extensions = append(out.Capabilities.Extensions, e)
		}
	}
	for _, s := range c.Skills {
		if f.Skill == nil || f.Skill(s.ID) {
			s.Requirements = nil // they name schemes of the agent
			out.Skills = append(out.Skills, s)
		}
	}
	return &out, nil
}

func hostOf(link string) string {
	if !strings.Contains(link, "://") { // host and port, of gRPC
		link = "//" + link
	}
	u, err := url.Parse(link)
	if err != nil || u.Hostname() == "" {
		return "\x00" // no host is called that
	}
	return strings.ToLower(u.Hostname())
}
