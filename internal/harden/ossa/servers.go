package ossa

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// server is an MCP server of the manifest: it becomes a route.
type server struct {
	name      string
	at        *yamltree.Node
	upstream  sourced
	command   []string
	commandAt *yamltree.Node
	env       []string // variables that it asks for by their own name
	listed    bool     // whether it says which tools it has
	tools     []thing
	resources []thing
	prompts   []thing
}

// thing is a name and the field that gives it.
type thing struct {
	name string
	at   *yamltree.Node
}

func has(things []thing, name string) bool {
	for _, t := range things {
		if t.name == name {
			return true
		}
	}
	return false
}

const maxServers = 100

// server returns the server of a name, which it makes if there is none yet.
func (m *maker) server(name string, at *yamltree.Node) *server {
	for _, s := range m.servers {
		if s.name == name {
			return s
		}
	}
	s := &server{name: name, at: at}
	m.servers = append(m.servers, s)
	if len(m.servers) == maxServers+1 {
		m.errs.Add(at, "there are more than %d servers", maxServers)
	}
	return s
}

// collectServers reads which servers there are and which tools they have.
func (m *maker) collectServers() {
	mcp := m.doc.Get("protocols", "mcp")
	m.serverList(mcp.Get("servers"))
	for _, name := range []string{"version", "role"} {
		mcp.Get(name).Ignore()
	}
	var functions []thing
	for _, tool := range m.list(m.spec.Get("tools")) {
		if t, ok := m.tool(tool); ok {
			functions = append(functions, t)
		}
	}
	for _, f := range m.list(m.spec.Get("functions")) {
		if name, ok := m.need(f, "name"); ok {
			functions = append(functions, thing{name, f.Get("name")})
			ignoreAll(f, "description", "parameters", "returns", "input_schema", "output_schema")
		}
	}
	for _, root := range []*yamltree.Node{m.doc, m.spec} {
		m.mcpExtension(root.Get("extensions", "mcp"))
	}
	m.place(functions)
	m.mcpCapabilities(mcp.Get("capabilities"))
}

// list returns the elements of a list that are tables.
func (m *maker) list(n *yamltree.Node) []*yamltree.Node {
	var out []*yamltree.Node
	for _, item := range n.Items(&m.errs) {
		if item.Table(&m.errs) {
			out = append(out, item)
		}
	}
	return out
}

// need returns a text that a table must have.
func (m *maker) need(n *yamltree.Node, name string) (string, bool) {
	v := n.Get(name)
	if v == nil {
		m.errs.Add(n, "%s: is missing", name)
		return "", false
	}
	s, ok := v.Text(&m.errs)
	if ok && s == "" {
		m.errs.Add(v, "is empty")
		return "", false
	}
	return s, ok
}

func ignoreAll(n *yamltree.Node, names ...string) {
	for _, name := range names {
		n.Get(name).Ignore()
	}
}

// serverList reads a list of servers, as protocols.mcp and the MCP extension
// write them.
func (m *maker) serverList(n *yamltree.Node) {
	for _, item := range m.list(n) {
		name, ok := m.need(item, "name")
		if !ok {
			continue
		}
		s := m.server(name, item)
		ignoreAll(item, "description", "version", "capabilities")
		where := item
		if t := item.Get("transport"); t.IsTable() {
			where = t
			t.Get("type").Ignore()
		} else if t != nil {
			t.Text(&m.errs)
		}
		m.address(s, where.Get("url"))
		if c := where.Get("command"); c != nil {
			if text, ok := c.Text(&m.errs); ok {
				m.run(s, c, append([]string{text}, where.Get("args").Texts(&m.errs)...))
			}
		}
		m.environment(s, where.Get("env"))
		m.names(s, item.Get("tools"))
		m.resources(s, item.Get("resources"))
	}
}

// address takes over the URL of a server.
func (m *maker) address(s *server, n *yamltree.Node) {
	text, ok := n.Text(&m.errs)
	if !ok {
		return
	}
	u, err := url.Parse(text)
	switch {
	case strings.Contains(text, "${"):
		m.missing(n, "the address names a variable of the agent's own environment", "write the address into the upstream of the route")
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.User != nil, u.Fragment != "":
		m.missing(n, "want a URL such as https://mcp.example.com/mcp, without a name or password in it", "write the address into the upstream of the route")
	case s.upstream.from == nil && s.command == nil:
		s.upstream = sourced{text, n}
	case s.upstream.text != text:
		m.missing(n, "the server has another address already", "decide which one is right")
	}
}

// run notes a command of a server.
func (m *maker) run(s *server, n *yamltree.Node, argv []string) {
	if s.command == nil && s.upstream.from == nil && argv[0] != "" && !strings.Contains(strings.Join(argv, ""), "\x00") {
		s.command, s.commandAt = argv, n
		return
	}
	m.missing(n, "the server has an address or command already, or the command is empty", "decide which one is right")
}

var variable = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)

// environment notes the variables of a command that are asked for by their own
// name. Another value may be a secret.
func (m *maker) environment(s *server, n *yamltree.Node) {
	if n == nil || !n.Table(&m.errs) {
		return
	}
	for _, name := range n.Names() {
		v := n.Get(name)
		v.Ignore()
		if match := variable.FindStringSubmatch(v.Raw()); match != nil && match[1] == name && s.command != nil {
			s.env = append(s.env, name)
			continue
		}
		m.missing(v, "the value is not copied, it may be a secret", "set it in env of the route")
	}
}

// names reads tools of a server: texts, or tables with a name.
func (m *maker) names(s *server, n *yamltree.Node) {
	if n == nil {
		return
	}
	s.listed = true
	for _, item := range n.Items(&m.errs) {
		at, name, ok := item, "", false
		if item.IsTable() {
			name, ok = m.need(item, "name")
			at = item.Get("name")
			ignoreAll(item, "description", "parameters", "inputSchema", "input_schema", "outputSchema", "output_schema", "annotations")
		} else {
			name, ok = item.Text(&m.errs)
		}
		if ok {
			s.tools = append(s.tools, thing{name, at})
		}
	}
}

// resources reads URIs of a server: texts, or tables with a uri.
func (m *maker) resources(s *server, n *yamltree.Node) {
	for _, item := range n.Items(&m.errs) {
		at, uri, ok := item, "", false
		if item.IsTable() {
			uri, ok = m.need(item, "uri")
			at = item.Get("uri")
			ignoreAll(item, "name", "description", "mimeType", "annotations", "metadata")
		} else {
			uri, ok = item.Text(&m.errs)
		}
		if ok {
			s.resources = append(s.resources, thing{uri, at})
		}
	}
}

// tool reads an entry of spec.tools. One of type mcp is a server; others are
// tools, which it returns.
func (m *maker) tool(n *yamltree.Node) (thing, bool) {
	kind := ""
	if t := n.Get("type"); t != nil {
		kind, _ = t.Text(&m.errs)
	}
	ignoreAll(n, "description", "input_schema", "output_schema", "inputSchema", "outputSchema", "parameters")
	if kind != "mcp" {
		if n.Get("name") == nil {
			m.missing(n, "a tool without a name cannot be allowed", "give it one")
			n.Ignore()
			return thing{}, false
		}
		m.direct(n, kind)
		name, ok := m.need(n, "name")
		return thing{name, n.Get("name")}, ok
	}
	name := m.res.Agent
	if n.Get("name") != nil {
		name, _ = m.need(n, "name")
	}
	s := m.server(name, n)
	for _, where := range []*yamltree.Node{n, n.Get("config")} {
		m.toolServer(s, where)
	}
	return thing{}, false
}

// direct reports tools that an agent calls by itself, and takes as read how it
// does.
func (m *maker) direct(n *yamltree.Node, kind string) {
	if kind != "" && kind != "function" && kind != "library" {
		m.missing(n.Get("type"), "a tool of this type the agent calls by itself, past the gateway", "offer it by an MCP server, and let the agent reach nothing else")
	}
	ignoreAll(n, "config", "handler", "endpoint", "url", "auth")
}

// toolServer reads where the server of a tool is: "server" is an address, or a
// command line, or the name that its entry has already.
func (m *maker) toolServer(s *server, n *yamltree.Node) {
	for _, name := range []string{"url", "endpoint"} {
		m.address(s, n.Get(name))
	}
	for _, name := range []string{"server", "command"} {
		at := n.Get(name)
		text, ok := at.Text(&m.errs)
		switch {
		case !ok:
		case strings.Contains(text, "://"):
			m.address(s, at)
		case text != s.name:
			// Words without quotes only: whatever a shell would make of the
			// others is not guessed.
			if words := strings.Fields(text); len(words) > 0 && !strings.ContainsAny(text, "\"'\\`$|&;<>(){}") {
				m.run(s, at, append(words, n.Get("args").Texts(&m.errs)...))
			} else {
				m.missing(at, "the command line needs a shell, which the gateway does not use", "write command = [...] into the route")
			}
		}
	}
	m.environment(s, n.Get("env"))
	if t := n.Get("tools"); t.IsList() {
		m.names(s, t)
	}
	if !n.Get("capabilities").IsList() {
		return
	}
	for _, c := range n.Get("capabilities").Items(&m.errs) { // those of other types are left unread
		if c.IsTable() && c.Get("type").Raw() == "tool" {
			if name, ok := m.need(c, "name"); ok {
				s.tools, s.listed = append(s.tools, thing{name, c.Get("name")}), true
			}
			c.Ignore()
		}
	}
}

// mcpExtension reads what an agent says of itself as an MCP server, and of
// those it uses.
func (m *maker) mcpExtension(n *yamltree.Node) {
	if n == nil || !n.Table(&m.errs) {
		return
	}
	m.serverList(n.Get("servers"))
	ignoreAll(n, "capabilities", "server_type")
	if on := n.Get("enabled"); on != nil {
		if value, ok := on.Bool(&m.errs); ok && !value {
			n.Ignore()
			return
		}
	}
	if n.Get("tools") == nil && n.Get("resources") == nil && n.Get("prompts") == nil && n.Get("server_name") == nil {
		return
	}
	name := m.res.Agent
	switch given := n.Get("server_name"); {
	case given != nil:
		name, _ = given.Text(&m.errs)
	case len(m.servers) == 1:
		name = m.servers[0].name
	}
	s := m.server(name, n)
	m.names(s, n.Get("tools"))
	m.resources(s, n.Get("resources"))
	for _, p := range m.list(n.Get("prompts")) {
		if name, ok := m.need(p, "name"); ok {
			s.prompts = append(s.prompts, thing{name, p.Get("name")})
			ignoreAll(p, "description", "arguments")
		}
	}
}

// place gives tools that stand alone to the server they can only be of.
func (m *maker) place(functions []thing) {
	if len(m.servers) == 0 {
		s := m.server(m.res.Agent, m.spec)
		s.listed = len(functions) > 0
		s.tools = functions
		return
	}
	only := len(m.servers) == 1 && !m.servers[0].listed
	for _, f := range functions {
		known := false
		for _, s := range m.servers {
			known = known || has(s.tools, f.name)
		}
		switch {
		case known:
		case only:
			m.servers[0].tools = append(m.servers[0].tools, f)
		default:
			m.stricter(f.at, "", "no server of the manifest says that it has this tool: it is allowed nowhere")
		}
	}
	if only && len(functions) > 0 {
		m.servers[0].listed = true
	}
}

// mcpCapabilities reads which kinds of things there are.
func (m *maker) mcpCapabilities(n *yamltree.Node) {
	if n == nil || !n.Table(&m.errs) {
		return
	}
	for _, name := range []string{"tools", "resources", "prompts", "sampling"} {
		at := n.Get(name)
		on, ok := at.Bool(&m.errs)
		if !ok {
			continue
		}
		switch name {
		case "tools":
			if !on {
				for _, s := range m.servers {
					s.tools, s.listed = nil, true
				}
				m.allowed = &allowed{at: at}
			}
			m.expressed(at, "tools")
		case "resources", "prompts":
			m.kind(at, name, on)
		case "sampling":
			if !on {
				m.missing(at, "requests of the server to the model are not refused by name", "use a client that does not offer sampling")
			}
		}
	}
}

// kind decides on resources or prompts as a whole.
func (m *maker) kind(at *yamltree.Node, name string, on bool) {
	named := false
	for _, s := range m.servers {
		things := &s.resources
		if name == "prompts" {
			things = &s.prompts
		}
		if !on {
			*things = nil
		}
		named = named || len(*things) > 0
	}
	if on && !named {
		m.stricter(at, name+".deny", "the manifest does not name them: all are denied until they stand in "+name+".allow")
		return
	}
	m.expressed(at, name)
}
