package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// SpeaksA2A reports whether an agent is behind the route.
func (r *Route) SpeaksA2A() bool { return r.Protocol == "a2a" }

// SignsDocuments reports whether there are agent cards or notifications that the
// gateway signs.
func (c *Config) SignsDocuments() bool {
	return slices.ContainsFunc(c.Routes, func(r Route) bool { return r.SpeaksA2A() && (r.A2A.Card.Sign || r.A2A.Push.ThroughGateway()) })
}

// checkProtocol refuses settings that have no effect on the route's protocol:
// somebody relies on them.
func (r *Route) checkProtocol() []error {
	var errs []error
	if !r.SpeaksA2A() {
		if !r.A2A.IsDefault() {
			errs = append(errs, errors.New(`a2a: has no effect without protocol = "a2a"`))
		}
		if len(r.Skills.Allow)+len(r.Skills.Deny)+len(r.Skills.Scopes) > 0 {
			errs = append(errs, errors.New(`skills: have no effect without protocol = "a2a"`))
		}
		return errs
	}
	if len(r.Command) > 0 {
		errs = append(errs, errors.New("command: an agent is a URL: give upstream"))
	}
	if r.Transport != "auto" {
		errs = append(errs, errors.New("transport: has no effect on an agent"))
	}
	if strings.Contains(r.Upstream, "?") {
		errs = append(errs, errors.New("upstream: an agent's URL has no query"))
	}
	for name, given := range map[string]bool{
		"tools":   len(r.Tools.Allow)+len(r.Tools.Deny)+len(r.Tools.Scopes)+len(r.Tools.Meta)+len(r.Tools.PHI)+len(r.Tools.Consent) > 0,
		"prompts": len(r.Prompts.Allow)+len(r.Prompts.Deny) > 0, "resources": len(r.Resources.Allow)+len(r.Resources.Deny) > 0,
		"credentials": len(r.Credentials) > 0,
	} {
		if given {
			errs = append(errs, errors.New(name+": has no effect on an agent"))
		}
	}
	return errs
}

// checkGRPC refuses a call over gRPC that could be for two routes.
func (c *Config) checkGRPC(i int) error {
	for j := range i {
		for _, host := range c.Routes[i].A2A.Calls() {
			if !slices.Contains(c.Routes[j].A2A.Calls(), host) {
				continue
			}
			if host == "" {
				return fmt.Errorf("a2a.grpc.hosts: empty: calls over gRPC would be for route[%d] too: name the hosts of one of them", j)
			}
			return fmt.Errorf("a2a.grpc.hosts: %q: is taken by route[%d]", host, j)
		}
	}
	return nil
}
