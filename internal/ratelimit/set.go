package ratelimit

import (
	"fmt"
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// limit is a compiled rule.
type limit struct {
	bucket bucket
	scope  Scope
	salt   uint64 // keeps the counts of two rules on one caller apart
	label  string // `"key"`, how the IETF header fields name the rule
	public []string
}

// plan is the limits that apply to one kind of call, in the order in which
// they are counted.
type plan struct {
	limits []limit
	policy string // value of RateLimit-Policy
}

// Set counts the rules of one route. It is safe for concurrent use and starts
// no goroutine. Two Sets share nothing: a caller of two routes has two counts.
type Set struct {
	counter
	rules []Rule
	edge  plan
	calls plan             // calls that act on no tool
	tool  plan             // calls of a tool that no rule names
	named map[string]*plan // calls of a tool that a rule names
}

// NewSet compiles the rules of c. A nil clock is [time.Now].
func NewSet(c Config, clock func() time.Time) (*Set, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Set{counter: newCounter(c.MaxKeys, clock), rules: append([]Rule(nil), c.Rules...)}
	compiled := make([]limit, len(c.Rules))
	for i, r := range c.Rules {
		compiled[i] = s.compile(i, r)
	}
	pick := func(scopes []Scope, tool string) plan {
		var p plan
		for _, scope := range scopes {
			for i, r := range c.Rules {
				if r.Scope == scope && (scope != ScopeTool || r.Tool == tool) {
					p.add(compiled[i], r.Rate)
				}
			}
		}
		return p
	}
	s.edge = pick([]Scope{ScopeAddress}, "")
	s.calls = pick([]Scope{ScopeKey, ScopeRoute}, "")
	withTool := []Scope{ScopeKey, ScopeTool, ScopeRoute}
	s.tool = pick(withTool, "")
	for _, r := range c.Rules {
		if r.Tool != "" {
			if s.named == nil {
				s.named = make(map[string]*plan)
			}
			p := pick(withTool, r.Tool)
			s.named[r.Tool] = &p
		}
	}
	return s, nil
}

func (s *Set) compile(i int, r Rule) limit {
	b := newBucket(r.Rate)
	b.index = i
	name := r.Scope.String()
	if r.Tool != "" {
		name += ":" + r.Tool
	}
	for j, other := range s.rules {
		if j != i && other.Scope == r.Scope && other.Tool == r.Tool {
			name += "/" + windowString(r.Rate.Window) // policies must differ by name
			break
		}
	}
	return limit{
		bucket: b,
		scope:  r.Scope,
		salt:   s.hashString("rule" + strconv.Itoa(i)),
		label:  quote(name),
		public: []string{strconv.Itoa(r.Rate.Limit)},
	}
}

// add appends a limit and its policy.
func (p *plan) add(l limit, r Rate) {
	if p.policy != "" {
		p.policy += ", "
	}
	p.policy += fmt.Sprintf("%s;q=%d;w=%d", l.label, r.Limit, int64(r.Window/time.Second))
	p.limits = append(p.limits, l)
}

// Rules returns the rules as configured, for display.
func (s *Set) Rules() []Rule { return append([]Rule(nil), s.rules...) }

// Reset forgets every count.
func (s *Set) Reset() { s.table.reset() }

// Stats tells how full the Set is.
func (s *Set) Stats() Stats { return s.table.stats(s.now()) }

// plan returns the limits for an action. A rule that names a tool replaces the
// rule for any tool. An A2A skill is counted as a tool.
func (s *Set) plan(t portcullis.Target) *plan {
	if t.Kind != portcullis.TargetTool && t.Kind != portcullis.TargetSkill {
		return &s.calls
	}
	if p, ok := s.named[t.Name]; ok {
		return p
	}
	return &s.tool
}

// caller hashes whose call it is: the principal, so that more credentials are
// not more calls. Callers nobody authenticated are told apart by address.
func (s *Set) caller(c *portcullis.Conn, p portcullis.Principal) uint64 {
	if p.IsZero() || p.Method == "none" {
		return s.hashAddr(c.Client)
	}
	return s.hashString(p.ID)
}

// subject is the key of a limit's bucket.
func (s *Set) subject(l *limit, who, tool uint64) uint64 {
	switch l.scope {
	case ScopeTool:
		return s.mix(s.mix(l.salt, who), tool)
	case ScopeRoute:
		return s.mix(l.salt, 0)
	default:
		return s.mix(l.salt, who)
	}
}

// count takes one call from every limit of p until one refuses, writes the
// headers, and returns the refusal.
func (s *Set) count(p *plan, who, tool uint64, c *portcullis.Conn) error {
	if len(p.limits) == 0 {
		return nil
	}
	now := s.now()
	var room [8]Result
	results := room[:0]
	for i := range p.limits {
		l := &p.limits[i]
		r := s.table.take(l.bucket, s.subject(l, who, tool), now)
		results = append(results, r)
		if !r.Allowed {
			break
		}
	}
	writeHeaders(c.Reply, p, results)
	last := len(results) - 1
	if results[last].Allowed {
		return nil
	}
	return refusal(&p.limits[last], results[last])
}

func refusal(l *limit, r Result) error {
	return &portcullis.Error{
		Kind:       portcullis.KindRateLimited,
		Reason:     "rate_limited",
		Public:     "Rate limit exceeded",
		RetryAfter: r.RetryAfter,
		Data:       map[string]any{"retryAfter": seconds(r.RetryAfter)},
		Event:      portcullis.EventRateLimitExceeded,
		Detail:     "rate limit per " + l.scope.String(),
	}
}

// countAddress counts a connection by its client address.
func (s *Set) countAddress(c *portcullis.Conn) error {
	return s.count(&s.edge, s.hashAddr(c.Client), 0, c)
}
