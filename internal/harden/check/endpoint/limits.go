package endpoint

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// active sends what a polite client would not: one body of megabytes, and a
// burst of calls that change nothing, until one is refused.
func (p *prober) active() {
	large, call := p.loads()
	p.do(large)
	for range burstCalls {
		if p.ctx.Err() != nil {
			return
		}
		a := p.send(call)
		p.seen.Burst = append(p.seen.Burst, a.Status)
		if a.Status == http.StatusTooManyRequests {
			p.seen.Answers[limited] = a
			return
		}
	}
}

// loads are the large request and the one of the burst, in what is spoken here.
func (p *prober) loads() (large, call ask) {
	padding := fmt.Sprintf(`{"x":%q,`, strings.Repeat("x", tooMuch))
	if !p.seen.MCP && !p.seen.A2A {
		call = ask{name: "burst", method: http.MethodGet, token: true}
		large = ask{name: oversize, method: http.MethodPost, header: map[string]string{"Content-Type": mcp.TypeJSON}, body: padding + `"y":1}`, token: true, limit: largeOne}
		return large, call
	}
	if p.seen.MCP {
		header := p.headers(harmless, p.seen.Modern)
		delete(header, mcp.HeaderSession)
		call = ask{name: "burst", method: http.MethodPost, body: p.body("ping", p.seen.Modern), header: header, token: true}
	} else {
		call = p.task("burst", true)
	}
	large = call
	large.name, large.limit, large.body = oversize, largeOne, strings.Replace(call.body, "{", padding, 1)
	return large, call
}

// limitRules are the rules about how much a caller may do. named is the answer to
// a call that is as it should be.
func limitRules(kind rule.Kind, named string) []rule.Rule[*Seen] {
	limit := from(rule.L3, list("S0-27", "S0-30", "S0-55", "S1-11", "S1-22"), list("API4:2023", "MCP07:2025"), list("MCP-T10"), list("CWE-770"))
	return []rule.Rule[*Seen]{
		one(kind, "limit-told", rule.Info, limit, text{
			"Callers are told their limits", "Who does not know the limit runs into it, again and again.", "The answer to a call has no RateLimit, RateLimit-Policy or X-RateLimit-Limit.", "Send X-RateLimit-Limit, -Remaining and -Reset, or RateLimit and RateLimit-Policy.",
		}, look(func(s *Seen, out *found) error {
			a, ok := s.got(named)
			if !ok {
				return errNoAnswer
			}
			for _, name := range []string{"RateLimit", "RateLimit-Policy", "RateLimit-Limit", "X-RateLimit-Limit"} {
				if a.Header.Get(name) != "" {
					return nil
				}
			}
			if a.Status == http.StatusUnauthorized {
				return errBehind
			}
			out.add("X-RateLimit-Limit", "No header tells a limit.")
			return nil
		})),
		active(one(kind, "limit", rule.High, limit, text{
			"Calls are limited", "One caller uses up the server, or tries keys until one fits.", "Send a hundred calls at once: want 429.", "Limit calls for each caller and address: rate of a route.",
		}, look(func(s *Seen, out *found) error {
			switch {
			case slices.Contains(s.Burst, http.StatusTooManyRequests):
			case len(s.Burst) < burstCalls:
				return errNoAnswer
			default:
				out.add("burst", "%d calls in a row were not limited.", len(s.Burst))
			}
			return nil
		}))),
		active(one(kind, "limit-retry", rule.Low, limit, text{
			"429 says when to come back", "Clients try again at once and make it worse.", "Send calls until 429: it has no Retry-After.", "Send Retry-After in seconds with 429.",
		}, look(func(s *Seen, out *found) error {
			a, ok := s.got(limited)
			if !ok {
				return rule.ErrNotApplicable
			}
			if a.Header.Get("Retry-After") == "" {
				out.add("Retry-After", "429 came without Retry-After.")
			}
			return nil
		}))),
	}
}

// largeRule is the rule about the size of bodies.
func largeRule(kind rule.Kind, r refs, t text) rule.Rule[*Seen] {
	return active(one(kind, "body-large", rule.Medium, r, t, look(func(s *Seen, out *found) error {
		a, asked := s.Answers[oversize]
		switch {
		case !asked || a.Status == http.StatusUnauthorized && !s.Behind:
			return errBehind
		case a.Late:
			return errNoAnswer // who hangs up has refused, who is slow has not
		case a.ok() || kind == rule.A2AEndpoint && a.served():
			out.add(oversize, "A body of %d megabytes was answered with %d.", tooMuch>>20, a.Status)
		}
		return nil
	})))
}

// loadRules are the rules of limits for an address that speaks neither MCP nor
// A2A. Those that do have such rules of their own.
func loadRules() []rule.Rule[*Seen] {
	size := from(rule.L2, list("S0-32", "S0-54"), list("API4:2023", "API8:2023"), list("MCP-T10"), list("CWE-400"))
	rules := limitRules(h, plainGet)
	rules = append(rules, largeRule(h, size, text{
		"Bodies that are too large are refused", "A few large bodies fill the memory.", "POST six megabytes with curl --data-binary: want 413.", "Bound bodies, to a megabyte for instance, and answer 413.",
	}))
	for i, r := range rules {
		rules[i].Check = func(ctx context.Context, s *Seen) ([]rule.Finding, error) {
			a := s.Answers[oversize]
			if s.MCP || s.A2A || strings.HasSuffix(r.ID, "-large") && slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}, a.Status) {
				return nil, rule.ErrNotApplicable
			}
			return r.Check(ctx, s)
		}
	}
	return rules
}
