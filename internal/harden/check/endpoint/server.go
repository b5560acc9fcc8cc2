package endpoint

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint/reading"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// detect finds out what the address speaks.
func (p *prober) detect() {
	s := p.seen
	first := p.call(anonymousFirst, "server/discover", true, false)
	s.Modern = reading.HasMember(first.Message, "result") || first.Header.Get(mcp.HeaderVersion) == mcp.Version20260728
	if !s.Modern && p.o.Token != "" {
		own := p.call(ownFirst, "server/discover", true, true)
		s.Modern = reading.HasMember(own.Message, "result")
	}
	if s.Modern {
		s.MCP, s.Version = true, mcp.Version20260728
	} else {
		delete(s.Answers, anonymousFirst)
		delete(s.Answers, ownFirst)
		second := p.call(anonymousFirst, "initialize", false, false)
		p.session(second)
		s.MCP = reading.HasMember(reading.Member(second.Message, "result"), "protocolVersion") ||
			second.Status == http.StatusUnauthorized && (strings.Contains(second.Header.Get("WWW-Authenticate"), "resource_metadata") || len(second.Message) > 0)
		if p.o.Token != "" {
			own := p.call(ownFirst, "initialize", false, true)
			p.session(own)
			s.MCP = s.MCP || reading.HasMember(reading.Member(own.Message, "result"), "protocolVersion")
			second = own
		}
		s.Version = strings.Trim(string(reading.Member(reading.Member(second.Message, "result"), "protocolVersion")), `"`)
	}
	card := p.do(ask{name: cardPlain, method: http.MethodGet, path: "/.well-known/agent-card.json"})
	if !isCard(card) {
		if older := p.do(ask{name: cardPlain + "-older", method: http.MethodGet, path: "/.well-known/agent.json"}); isCard(older) {
			card = older
		}
	}
	if isCard(card) {
		s.A2A, s.Card = true, card.Body
		s.MCP = s.MCP && s.Version != "" // an agent asks for credentials too
	}
	s.MCP = s.MCP || p.o.Want == "mcp"
	s.A2A = s.A2A || p.o.Want == "a2a"
}

func isCard(a Answer) bool {
	return a.Status == http.StatusOK && reading.HasMember(a.Body, "name") && (reading.HasMember(a.Body, "skills") || reading.HasMember(a.Body, "supportedInterfaces") || reading.HasMember(a.Body, "url"))
}

func (p *prober) session(a Answer) {
	if id := a.Header.Get(mcp.HeaderSession); id != "" {
		p.seen.Sessions = append(p.seen.Sessions, id)
	}
}

// headers are those of a POST to an MCP server.
func (p *prober) headers(method string, modern bool) map[string]string {
	h := map[string]string{"Content-Type": mcp.TypeJSON, "Accept": mcp.TypeJSON + ", " + mcp.TypeEventStream}
	if modern {
		h[mcp.HeaderVersion], h[mcp.HeaderMethod] = mcp.Version20260728, method
		return h
	}
	if method != "initialize" {
		if h[mcp.HeaderVersion] = p.seen.Version; p.seen.Version == "" {
			h[mcp.HeaderVersion] = mcp.Version20251125
		}
		if n := len(p.seen.Sessions); n > 0 {
			h[mcp.HeaderSession] = p.seen.Sessions[n-1]
		}
	}
	return h
}

// body writes a request.
func (p *prober) body(method string, modern bool) string {
	p.id++
	params := "{}"
	switch {
	case modern:
		params = fmt.Sprintf(`{"_meta":{%q:%q,%q:{"name":%q,"version":"1"},%q:{}}}`, mcp.MetaProtocolVersion, mcp.Version20260728, mcp.MetaClientInfo, userAgent, mcp.MetaClientCapabilities)
	case method == "initialize":
		params = fmt.Sprintf(`{"protocolVersion":%q,"capabilities":{},"clientInfo":{"name":%q,"version":"1"}}`, mcp.Version20251125, userAgent)
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, p.id, method, params)
}

func (p *prober) call(name, method string, modern, token bool) Answer {
	return p.do(ask{name: name, method: http.MethodPost, body: p.body(method, modern), header: p.headers(method, modern), token: token})
}

// harmless is the request that variants are made of: it changes nothing.
const harmless = "tools/list"

// server looks at an MCP server.
func (p *prober) server() {
	s := p.seen
	p.anonymous()
	listed := p.call(harmless, harmless, s.Modern, true)
	s.Behind = p.o.Token != "" && reading.HasMember(listed.Message, "result")
	s.Tools = reading.Tools(listed.Message)
	for _, method := range []string{"prompts/list", "resources/list"} {
		s.Texts = append(s.Texts, reading.Texts(method, reading.Member(p.call(method, method, s.Modern, true).Message, "result"))...)
	}
	first := s.Answers[anonymousFirst]
	if own, ok := s.Answers[ownFirst]; ok {
		first = own
	}
	s.Texts = append(s.Texts, reading.Texts("instructions", reading.Member(reading.Member(first.Message, "result"), "instructions"))...)
	p.variants()
	p.callers()
	p.metadata()
	if !s.Modern && len(s.Sessions) > 0 {
		p.sessions()
	}
}

// anonymous asks everything without a credential.
func (p *prober) anonymous() {
	modern := p.seen.Modern
	if !modern && len(p.seen.Sessions) > 0 {
		h := p.headers("notifications/initialized", false)
		p.do(ask{name: "initialized", method: http.MethodPost, body: `{"jsonrpc":"2.0","method":"notifications/initialized"}`, header: h, token: true})
	}
	p.call(anonymousTools, harmless, modern, false)
	p.call(anonymousPrompts, "prompts/list", modern, false)
	p.call(anonymousResources, "resources/list", modern, false)
	p.call(anonymousPing, "ping", modern, false)
	h := p.headers("", modern)
	delete(h, "Content-Type")
	delete(h, mcp.HeaderMethod)
	h["Accept"] = mcp.TypeEventStream
	p.do(ask{name: anonymousStream, method: http.MethodGet, header: h})
}

// variants sends the harmless request in forms that have to be refused.
func (p *prober) variants() {
	modern := p.seen.Modern
	good := p.body(harmless, modern)
	with := func(name, body string, change map[string]string) {
		h := p.headers(harmless, modern)
		for k, v := range change {
			h[k] = v
		}
		p.do(ask{name: name, method: http.MethodPost, body: body, header: h, token: true})
	}
	with(foreignOrigin, good, map[string]string{"Origin": foreign})
	with(doubledName, strings.Replace(good, `"method":`, `"method":"ping","method":`, 1), nil)
	with(batch, "["+good+","+p.body(harmless, modern)+"]", nil)
	with(trailing, good+` {"x":1}`, nil)
	with(deep, strings.Replace(good, `"params":{`, `"params":{"x":`+strings.Repeat("[", 2000)+strings.Repeat("]", 2000)+",", 1), nil)
	with(broken, `{"jsonrpc":"2.0","id":1,"method"`, nil)
	with(wrongType, good, map[string]string{"Content-Type": "text/plain"})
	with(wrongVersion, strings.ReplaceAll(good, mcp.Version20260728, "1999-01-01"), map[string]string{mcp.HeaderVersion: "1999-01-01"})
	if modern {
		with(mismatch, good, map[string]string{mcp.HeaderMethod: "tools/call"})
	}
	h := p.headers(harmless, modern)
	p.do(ask{name: foreignHost, method: http.MethodPost, body: good, header: h, host: foreignName, token: p.seen.URL.Scheme == "https"})
	p.call(unknownMethod, "portcullis/not-there", modern, true)
}

// callers sends credentials that are none.
func (p *prober) callers() {
	modern := p.seen.Modern
	h := p.headers(harmless, modern)
	h["Authorization"] = "Bearer portcullis-check-no-token"
	p.do(ask{name: badToken, method: http.MethodPost, body: p.body(harmless, modern), header: h})
	p.do(ask{name: queryToken, method: http.MethodPost, body: p.body(harmless, modern), header: p.headers(harmless, modern), query: "access_token=portcullis-check-no-token"})
}

// metadata reads the document that a challenge names, on the same machine only.
func (p *prober) metadata() {
	challenge := p.seen.Answers[anonymousTools].Header.Get("WWW-Authenticate")
	path := "/.well-known/oauth-protected-resource"
	if named := reading.Parameter(challenge, "resource_metadata"); named != "" {
		u, err := url.Parse(named)
		if err != nil || !strings.EqualFold(u.Host, p.seen.URL.Host) {
			return // another machine is not what was to be looked at
		}
		path = u.Path
	} else if p.seen.URL.Path != "/" {
		path += p.seen.URL.Path
	}
	p.do(ask{name: resourceMetadata, method: http.MethodGet, path: path})
}

// sessions collects two more ids, tries one without the credential, and ends
// them all.
func (p *prober) sessions() {
	if p.seen.Behind {
		h := p.headers(harmless, false)
		p.do(ask{name: sessionAlone, method: http.MethodPost, body: p.body(harmless, false), header: h})
	}
	for _, name := range []string{"session-2", "session-3"} {
		p.session(p.call(name, "initialize", false, true))
	}
	for i, id := range slices.Clone(p.seen.Sessions) {
		p.do(ask{name: fmt.Sprintf("end-%d", i), method: http.MethodDelete, header: map[string]string{mcp.HeaderSession: id}, token: true})
	}
}
