package endpoint

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

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
	s.Texts = append(s.Texts, texts("card", s.Card)...)
	path, version := s.URL.Path, "1.0"
	if c, err := card.Parse(s.Card, card.Options{InsecurePlainHTTP: true}); err == nil {
		for _, i := range c.Interfaces {
			u, err := url.Parse(i.URL)
			if err == nil && strings.EqualFold(u.Host, s.URL.Host) && strings.EqualFold(i.Binding, "JSONRPC") {
				path, version = u.Path, i.Version
				break
			}
		}
	}
	get, extended := a2a.GetTask, "GetExtendedAgentCard"
	if strings.HasPrefix(version, "0.") {
		get, extended = "tasks/get", "agent/getAuthenticatedExtendedCard"
	}
	call := func(name, method, params, version string, token bool) {
		p.id++
		p.do(ask{
			name: name, method: http.MethodPost, path: path, token: token,
			body:   fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, p.id, method, params),
			header: map[string]string{"Content-Type": mcp.TypeJSON, "Accept": mcp.TypeJSON, a2a.HeaderVersion: version},
		})
	}
	task := fmt.Sprintf(`{"id":%q}`, noTask)
	call(anonymousTask, get, task, version, false)
	call(anonymousExtended, extended, "{}", version, false)
	call(cardVersion, get, task, "99.9", true)
	call(brokenCall, get, `{"id":`, version, true)
	if p.o.Active {
		set, params := "CreateTaskPushNotificationConfig", fmt.Sprintf(`{"taskId":%q,"id":"check","url":"http://169.254.169.254/check"}`, noTask)
		if strings.HasPrefix(version, "0.") {
			set, params = "tasks/pushNotificationConfig/set", fmt.Sprintf(`{"taskId":%q,"pushNotificationConfig":{"url":"http://169.254.169.254/check"}}`, noTask)
		}
		call(webhook, set, params, version, true)
	}
}
