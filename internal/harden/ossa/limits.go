package ossa

import (
	"fmt"
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
	"github.com/portcullis-dev/portcullis/internal/ratelimit"
)

// humanInLoop reads when a person is asked.
func (m *maker) humanInLoop(n *yamltree.Node) {
	if m.off(n) {
		return
	}
	if t := n.Get("triggers"); t != nil {
		m.approval(t)
		return
	}
	m.all = append(m.all, sourced{"human_in_loop", n})
	m.expressed(n, "approval.tools")
}

// rate adds a rate per key.
func (m *maker) rate(n *yamltree.Node, count int64, window string, burst int64) {
	if count > ratelimit.MaxLimit {
		count = ratelimit.MaxLimit
		m.stricter(n, "rate", fmt.Sprintf("more than %d are not counted", ratelimit.MaxLimit))
	} else {
		m.expressed(n, "rate")
	}
	text := strconv.FormatInt(count, 10) + "/" + window
	if burst > 0 {
		text += ";burst=" + strconv.FormatInt(burst, 10)
	}
	m.rates = append(m.rates, sourced{text + " per key", n})
}

func (m *maker) rateLimiting(n *yamltree.Node) {
	if m.off(n) {
		return
	}
	at, burst := n.Get("requests_per_minute"), n.Get("burst_limit")
	per, ok := at.Whole(&m.errs, 1)
	b, given := burst.Whole(&m.errs, 1)
	switch {
	case at == nil && burst == nil:
		m.missing(n, "no number is given", "give requests_per_minute")
	case at == nil && given:
		m.missing(burst, "a burst without requests_per_minute is no rate", "give requests_per_minute")
	case ok && given && b > per*100:
		m.errs.Add(burst, "%d: want at most 100 times requests_per_minute", b)
	case ok:
		m.rate(at, per, "1m", b)
		if given {
			m.expressed(burst, "rate")
		}
	}
}

func (m *maker) guardrails(n *yamltree.Node) {
	if n == nil {
		return
	}
	m.elsewhere(n.Get("policies"), "the format does not say what the rules of a policy mean", "write them as rules on content, or as policy files")
	m.seconds(n.Get("max_execution_time_seconds"), "one call is held to it, not a run of the agent as a whole")
	m.maxCalls(n.Get("max_tool_calls"))
}

// maxCalls reads how many calls one run may make. To the gateway 0 is no limit;
// in a manifest it is none.
func (m *maker) maxCalls(n *yamltree.Node) {
	count, ok := n.Whole(&m.errs, 0)
	switch {
	case !ok:
	case count == 0:
		m.allowed = &allowed{at: n}
	case count > maxCallCount:
		m.stricter(n, "use.calls_per_session", fmt.Sprintf("more than %d are not counted", maxCallCount))
		m.fewest(maxCallCount, n)
	default:
		m.expressed(n, "use.calls_per_session")
		m.fewest(count, n)
	}
}

const maxCallCount = 1_000_000_000

func (m *maker) fewest(count int64, n *yamltree.Node) {
	if m.calls.from == nil || count < m.callCount {
		m.callCount, m.calls = count, sourced{strconv.FormatInt(count, 10), n}
	}
}

const maxTimeout = 24 * time.Hour

// seconds reads a time that one call may not exceed.
func (m *maker) seconds(n *yamltree.Node, rest string) {
	v, ok := n.Number(&m.errs, 0.001)
	if !ok {
		return
	}
	d := min(max(time.Duration(min(v, maxTimeout.Seconds())*float64(time.Second)).Round(time.Millisecond), time.Millisecond), maxTimeout)
	if m.timeout.from == nil || d < shortest(m.timeout) {
		m.timeout = sourced{duration(d), n}
	}
	m.expressed(n, "timeout")
	if rest != "" {
		m.missing(n, rest, "limit the agent itself")
	}
}

func shortest(s sourced) time.Duration {
	d, _ := time.ParseDuration(s.text)
	return d
}

// duration writes a time in the largest unit that fits.
func duration(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	case d%time.Minute == 0:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	case d%time.Second == 0:
		return strconv.Itoa(int(d/time.Second)) + "s"
	}
	return strconv.Itoa(int(d/time.Millisecond)) + "ms"
}

const tokens = "the gateway does not see what the model is asked, and knows no prices"

// limits reads what an agent may use.
func (m *maker) limits() {
	c := m.spec.Get("constraints")
	if c != nil && !c.Table(&m.errs) {
		return
	}
	for _, name := range []string{"cost", "budget", "budgets"} {
		m.elsewhere(c.Get(name), tokens, "set the budget where the model is called")
	}
	p := c.Get("performance")
	m.seconds(p.Get("timeoutSeconds"), "")
	if l := p.Get("maxLatencySeconds"); l != nil {
		l.Ignore()
		m.minor(l, "is a goal, not a limit", "watch the duration of calls in the metrics")
	}
	for _, name := range []string{"maxConcurrentRequests", "maxConcurrency"} {
		m.elsewhere(p.Get(name), "calls are counted in a time, not at the same time", "limit the agent itself, or give it a rate")
	}
	s := c.Get("safety")
	m.maxCalls(s.Get("maxToolCalls"))
	m.approval(s.Get("requireHumanApproval"))
	m.elsewhere(c.Get("resources"), sandbox, inSandbox)
}

// audit reads what is recorded.
func (m *maker) audit() {
	for _, root := range []*yamltree.Node{m.doc, m.spec} {
		a := root.Get("security", "audit")
		for _, name := range []string{"log_inputs", "log_outputs"} {
			n := a.Get(name)
			if on, ok := n.Bool(&m.errs); ok && on {
				m.missing(n, "arguments and results are not recorded: they may hold what must not be kept", "record them where they are made, if you must")
			} else if ok {
				m.expressed(n, "") // they never are
			}
		}
		n := a.Get("log_tool_calls")
		if on, ok := n.Bool(&m.errs); ok && on {
			m.expressed(n, "audit")
		} else if ok {
			m.stricter(n, "audit", "calls are always recorded")
		}
		if r := a.Get("retention_days"); r != nil {
			if days, ok := r.Whole(&m.errs, 1); ok {
				m.missing(r, "how long records are kept is not set here", fmt.Sprintf("keep the journal for %d days", days))
			}
		}
	}
}

const (
	sandbox   = "the gateway does not run the agent"
	inSandbox = "set it where the agent runs"
)

// deployment reports what is for those who run the agent.
func (m *maker) deployment() {
	for _, root := range []*yamltree.Node{m.doc, m.spec} {
		s := root.Get("security")
		limits := s.Get("sandboxing", "resource_limits")
		m.seconds(limits.Get("max_execution_seconds"), "one call is held to it, not a run of the agent as a whole")
		if b := s.Get("sandboxing"); b != nil {
			if on, ok := b.Get("required").Bool(&m.errs); ok && !on {
				b.Ignore()
			} else {
				m.elsewhere(b, sandbox, inSandbox)
			}
		}
		m.elsewhere(s.Get("capabilities"), sandbox+": what its process may do is not decided here", inSandbox)
		m.elsewhere(root.Get("runtime"), sandbox, inSandbox)
	}
	m.elsewhere(m.doc.Get("protocols", "a2a"), "what other agents may ask of this one is not made of a manifest", "write a route for it")
	m.elsewhere(m.doc.Get("protocols", "anp"), "the protocol is not spoken", "keep it off the network")
	m.elsewhere(m.spec.Get("delegation"), "which agents stand behind a caller is not known", "give each agent its own key")
	m.checkServers()
}
