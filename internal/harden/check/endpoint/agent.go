package endpoint

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint/reading"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// noTask is a task that no agent has.
const noTask = "00000000-0000-4000-8000-706f72746375"

// agent looks at an A2A agent. Calls go to the interface that the card names
// only if it is on the machine that was named.
func (p *prober) agent() {
	s := p.seen
	s.Texts = append(s.Texts, reading.Texts("card", s.Card)...)
	p.path, p.version = s.URL.Path, "1.0"
	if c, err := card.Parse(s.Card, card.Options{InsecurePlainHTTP: true}); err == nil {
		for _, i := range c.Interfaces {
			u, err := url.Parse(i.URL)
			if err == nil && strings.EqualFold(u.Host, s.URL.Host) && strings.EqualFold(i.Binding, "JSONRPC") {
				p.path, p.version = u.Path, i.Version
				break
			}
		}
	}
	extended := "GetExtendedAgentCard"
	if p.older() {
		extended = "agent/getAuthenticatedExtendedCard"
	}
	p.do(p.task(anonymousTask, false))
	p.do(p.rpc(anonymousExtended, extended, "{}", false))
	p.do(p.task(ownTask, true))
	other := p.task(cardVersion, true)
	other.header[a2a.HeaderVersion] = "99.9"
	p.do(other)
	page := p.task(foreignOrigin, true)
	page.header["Origin"] = foreign
	p.do(page)
	rebound := p.task(foreignHost, s.URL.Scheme == "https")
	rebound.host = foreignName
	p.do(rebound)
	half := p.task(brokenCall, true)
	half.body = strings.TrimSuffix(half.body, "}}")
	p.do(half)
	if p.o.Active {
		set, params := "CreateTaskPushNotificationConfig", fmt.Sprintf(`{"taskId":%q,"id":"check","url":"http://169.254.169.254/check"}`, noTask)
		if p.older() {
			set, params = "tasks/pushNotificationConfig/set", fmt.Sprintf(`{"taskId":%q,"pushNotificationConfig":{"url":"http://169.254.169.254/check"}}`, noTask)
		}
		p.do(p.rpc(webhook, set, params, true))
	}
}

// older reports whether the agent speaks A2A from before 1.0.
func (p *prober) older() bool { return strings.HasPrefix(p.version, "0.") }

// task is a request for a task that there is not: it changes nothing.
func (p *prober) task(name string, token bool) ask {
	method := a2a.GetTask
	if p.older() {
		method = "tasks/get"
	}
	return p.rpc(name, method, fmt.Sprintf(`{"id":%q}`, noTask), token)
}

func (p *prober) rpc(name, method, params string, token bool) ask {
	p.id++
	return ask{
		name: name, method: http.MethodPost, path: p.path, token: token,
		body:   fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, p.id, method, params),
		header: map[string]string{"Content-Type": mcp.TypeJSON, "Accept": mcp.TypeJSON, a2a.HeaderVersion: p.version},
	}
}
