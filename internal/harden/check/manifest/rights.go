package manifest

import (
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/ossa/naming"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

func rightRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: about{
				id: "rights-any", severity: rule.High, topic: topic.Privilege, title: "Tools, actions and permissions are named one by one",
				why:    "The agent may do whatever its tools learn to do next, also what nobody thought of.",
				verify: "allowed_actions, tools, permissions or scopes has *, all, or a name with * behind it.", fix: "Name the tools and permissions that the agent needs.",
				guides: list("S0-52", "R3-2"), cwe: list("CWE-732", "CWE-269"),
			}.meta(),
			Check: values(rightsAny),
		},
		{
			Meta: about{
				id: "rights-undeclared", severity: rule.Medium, topic: topic.Privilege, title: "The manifest says which tools of its servers are used",
				why:    "The agent may call every tool of a server, also those that it gets with its next version.",
				verify: "A server has no list of tools, and autonomy.allowed_actions is missing.", fix: "List the tools under the server, or in autonomy.allowed_actions.",
				guides: list("S0-52", "R3-1"), cwe: list("CWE-732"),
			}.meta(),
			Check: means(rightsUndeclared),
		},
		{
			Meta: about{
				id: "access-elevated", severity: rule.Medium, topic: topic.Privilege, title: "Elevated access needs the word of a person",
				why:    "The agent changes infrastructure, secrets or policies on its own.",
				verify: "access.tier is tier_3_write_elevated or tier_4_policy, or permissions has execute_commands or modify_…, without requires_approval.", fix: "Set access.requires_approval to true, or choose a lower tier.",
				guides: list("R3-2"), cwe: list("CWE-269"),
			}.meta(),
			Check: means(func(f *File, out *found) {
				for _, a := range f.sections("access") {
					if all, _ := f.approvals(); all {
						return
					}
					if tier := a.Get("tier"); strings.HasPrefix(tier.Value(), "tier_3") || strings.HasPrefix(tier.Value(), "tier_4") {
						out.add(tier, "Elevated access is used without the word of a person.", tier.Value())
					}
					for _, p := range a.Get("permissions").List() {
						switch p.Value() {
						case "execute_commands", "modify_secrets", "modify_infrastructure", "execute_deployments", "write_production_code", "define_policies", "publish_policies", "modify_pipelines", "delete_branches", "merge_mrs":
							out.add(p, "The permission is used without the word of a person.", p.Value())
						}
					}
				}
			}),
		},
		{
			Meta: about{
				id: "delegation-any", severity: rule.Medium, topic: topic.Access, title: "The agent hands work only to agents that are named",
				why:    "Whoever gets the agent to hand on its work gets its rights with it.",
				verify: "can_delegate_to or handoffs has *, delegation has no allowed_tiers and allowed_operations, or sub-agents are started without a number.", fix: "Name the agents, the tiers and the operations, and bound how many sub-agents there are.",
				guides: list("R3-1", "R3-2"), cwe: list("CWE-441", "CWE-863"),
			}.meta(),
			Check: sees(delegation),
		},
	}
}

func rightsAny(v value, out *found) {
	if v.schema || !v.node.IsText() {
		return
	}
	text := strings.ToLower(strings.TrimSpace(v.node.Value()))
	every := slices.Contains([]string{"*", "**", "**/*", "all", "any", ".*", "*:*", "*.*", "admin:*", "root"}, text)
	switch v.name {
	case "allowedactions", "allowedtools", "tools", "permissions", "scopes", "scope", "operations", "allowedoperations", "actions", "grants", "verbs", "capabilities", "required", "resources", "roles":
		if every || strings.HasSuffix(text, ":*") || strings.HasSuffix(text, ".*") && !strings.ContainsAny(text, "/^$[(") || strings.HasSuffix(text, "/*") && v.name != "scope" && v.name != "resources" && !strings.Contains(text, "://") {
			out.add(v.node, "The entry stands for more than one right.", v.node.Value())
		}
	case "name", "tool", "capability":
		if every && v.under("tools", "toolpermissions", "capabilities", "grants", "permissions") {
			out.add(v.node, "The entry stands for more than one right.", v.node.Value())
		}
	case "paths", "allowedpaths", "roots", "directories", "alloweddirectories":
		if every || text == "/" || text == "/**" || text == "/*" || text == "~" || text == "c:\\" {
			out.add(v.node, "The entry stands for every file.", v.node.Value())
		}
	}
}

func rightsUndeclared(f *File, out *found) {
	for _, n := range f.sections("autonomy", "allowed_actions") {
		if n.IsList() {
			return
		}
	}
	own := 0
	for _, n := range f.sections("tools") {
		for _, t := range n.List() {
			if t.Get("type").Value() != "mcp" && t.Get("name").Value() != "" {
				own++
			}
		}
	}
	for _, s := range f.mcpServers() {
		listed := !s.Get("tools").Empty() || !s.Get("config", "tools").Empty() || !s.Get("capabilities").Empty() && s.Get("capabilities").IsList()
		// Tools that stand beside the one server are taken for its own.
		if !listed && (own == 0 || len(f.mcpServers()) > 1 || s.Get("type").Value() == "mcp") {
			out.add(s, "Nothing says which tools of the server are used.", s.Get("name").Value())
		}
	}
}

// mcpServers returns the tables of MCP servers.
func (f *File) mcpServers() []*yamltree.Node {
	var out []*yamltree.Node
	for _, n := range slices.Concat(f.sections("protocols", "mcp", "servers"), f.sections("mcp", "servers"), f.sections("extensions", "mcp", "servers")) {
		for _, s := range n.List() {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	for _, n := range f.sections("tools") {
		for _, t := range n.List() {
			if t.Get("type").Value() == "mcp" && !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	return out
}

func delegation(f *File, out *found) {
	for _, v := range f.values {
		if v.schema {
			continue
		}
		n := v.node
		switch v.name {
		case "candelegateto", "delegateto", "delegates", "allowedagents", "handoffs", "target", "targets", "trustedagents", "acceptfrom", "allowedcallers", "peers", "agents":
			inside := v.name != "target" && v.name != "targets" || v.under("handoffs", "delegation")
			if n.IsText() && inside && slices.Contains([]string{"*", "any", "all", "**", ".*"}, strings.ToLower(n.Value())) {
				out.add(n, "Every agent is meant.", n.Value())
			}
		case "delegation":
			if !n.IsTable() || off(n) {
				if yes(n) {
					out.add(n, "Work is handed on, and nothing says to whom.", n.Value())
				}
				continue
			}
			bounded := false
			for _, name := range n.Names() {
				switch fold(name) {
				case "allowedtiers", "allowedoperations", "allowedagents", "candelegateto", "maxsubagents", "maxdepth", "maxagents":
					bounded = bounded || !n.Get(name).Empty()
				case "canspawnsubagents", "enabled":
					bounded = bounded || no(n.Get(name))
				}
			}
			if !bounded {
				out.add(n, "Work is handed on, and nothing says to whom and how far.", "")
			}
		case "canspawnsubagents", "spawnsubagents", "allowdelegation":
			if yes(n) && !v.under("delegation") && !within(v.parent(), "maxsubagents", "maxagents", "maxdepth", "allowedagents") {
				out.add(n, "Sub-agents are started without a bound.", v.raw+": "+n.Value())
			}
		}
	}
}

// within reports whether a table has one of some names.
func within(n *yamltree.Node, folded ...string) bool {
	return slices.ContainsFunc(n.Names(), func(name string) bool { return slices.Contains(folded, fold(name)) })
}

// destructive are words in the name of a tool that does what nothing brings
// back, or runs what it is given.
var destructive = [...]string{
	"delete", "remove", "drop", "destroy", "purge", "wipe", "truncate", "erase", "write", "overwrite", "execute", "exec", "shell", "bash", "eval",
	"evaluate", "run_command", "run_code", "run_script", "run_sql", "run_query", "deploy", "rollback", "merge", "push", "send", "publish", "pay", "payment",
	"transfer", "refund", "charge", "purchase", "buy", "kill", "terminate", "shutdown", "reboot",
}

// tools returns the tools that the manifest names, with where it does.
func (f *File) tools() []*yamltree.Node {
	var out []*yamltree.Node
	add := func(n *yamltree.Node) {
		for _, t := range n.List() {
			at := t
			if t.IsTable() {
				if t.Get("type").Value() == "mcp" {
					continue
				}
				at = t.Get("name")
			}
			if at.Value() != "" {
				out = append(out, at)
			}
		}
	}
	for _, name := range []string{"tools", "functions"} {
		for _, n := range f.sections(name) {
			add(n)
		}
	}
	for _, s := range f.mcpServers() {
		add(s.Get("tools"))
		add(s.Get("config", "tools"))
		add(s.Get("capabilities"))
	}
	for _, n := range slices.Concat(f.sections("mcp", "tools"), f.sections("extensions", "mcp", "tools"), f.sections("capabilities")) {
		add(n)
	}
	for _, n := range f.sections("autonomy", "allowed_actions") {
		add(n)
	}
	return out
}

// approvals returns whether every call waits for a person, or the names of the
// tools whose calls do. Like the gateway, it takes what is no tool's name for
// all of them.
func (f *File) approvals() (all bool, names []string) {
	known := f.tools()
	read := func(n *yamltree.Node) {
		switch {
		case n.IsBool():
			all = all || n.True()
		case n.IsList():
			for _, item := range n.List() {
				text := item.Value()
				switch {
				case text == "", no(item):
				case slices.ContainsFunc(known, func(t *yamltree.Node) bool { return covers(text, t.Value()) }):
					names = append(names, text)
				default:
					all = true
				}
			}
		}
	}
	for _, a := range f.sections("autonomy") {
		level := a.Get("level").Value()
		all = all || level == "supervised" || level == "assisted"
		for _, name := range a.Names() {
			switch fold(name) {
			case "approvalrequired", "requiresapproval", "requireapproval":
				read(a.Get(name))
			}
		}
	}
	for _, n := range f.sections("access", "requires_approval") {
		read(n)
	}
	for _, n := range f.sections("constraints", "safety", "requireHumanApproval") {
		read(n)
	}
	for _, n := range f.sections("safety", "human_in_loop") {
		switch {
		case !n.IsTable() || off(n):
		case n.Get("triggers") != nil:
			read(n.Get("triggers"))
		default:
			all = true
		}
	}
	for _, n := range f.sections("governance", "authorization", "tool_permissions") {
		for _, p := range n.List() {
			if p.Get("requires_approval").True() || p.Get("risk_level").Value() == "critical" {
				names = append(names, p.Get("tool").Value())
			}
		}
	}
	return all, names
}

func covers(action, tool string) bool {
	return naming.Is(action, "", tool) || naming.SameWords(action, tool)
}

func personRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: about{
				id: "approval-missing", severity: rule.High, topic: topic.Access, title: "Calls that delete, send or run something wait for a person",
				why:    "What a page or a mail says is done, without anybody seeing it first, and cannot be taken back.",
				verify: "A tool with a name such as delete_file or send_mail is in no approval_required, human_in_loop or blocked_actions.", fix: "Name the tool in autonomy.approval_required, or block it.",
				guides: list("R3-2", "S0-52"), cwe: list("CWE-862"),
			}.meta(),
			Check: means(approvalMissing),
		},
		{
			Meta: about{
				id: "autonomy-unbounded", severity: rule.High, topic: topic.Privilege, title: "An agent on its own asks for something",
				why:    "One prompt that was planted decides what the agent does, and nobody is asked at any point.",
				verify: "autonomy.level is autonomous, fully_autonomous, full or high, and no approval is required for anything.", fix: "Name the actions in autonomy.approval_required, or choose a lower level.",
				guides: list("R3-2", "R3-3"), cwe: list("CWE-269", "CWE-862"),
			}.meta(),
			Check: sees(func(f *File, out *found) {
				all, names := f.approvals()
				if all || len(names) > 0 {
					return
				}
				for _, n := range f.sections("autonomy", "level") {
					switch fold(n.Value()) {
					case "autonomous", "fullyautonomous", "full", "high", "unrestricted":
						out.add(n, "The agent acts on its own, and asks for nothing.", n.Value())
					}
				}
			}),
		},
		{
			Meta: about{
				id: "guardrails-missing", severity: rule.Medium, topic: topic.Injection, title: "What the agent reads and writes is filtered",
				why:    "Orders in a page, a mail or a result reach the model as they are.",
				verify: "spec.safety has neither guardrails nor content_filtering, or one of them has enabled: false.", fix: "Write spec.safety.content_filtering with action block, or route the agent through a gateway that inspects.",
				guides: list("R3-2"), cwe: list("CWE-1427"), mends: false,
			}.meta(),
			Check: means(func(f *File, out *found) {
				for _, v := range f.values {
					switch v.name {
					case "guardrails", "contentfiltering", "promptinjection", "secretsdetection", "inputvalidation", "outputfiltering", "moderation":
						if !v.node.Empty() && !off(v.node) && !v.schema && (v.node.IsTable() || v.node.IsList() || yes(v.node)) {
							return
						}
					}
				}
				out.add(f.top(), "Nothing says that what the agent reads and writes is filtered.", "")
			}),
		},
		{
			Meta: about{
				id: "guardrails-off", severity: rule.Medium, topic: topic.Injection, title: "No guardrail is switched off",
				why:    "The manifest looks as if there were one.",
				verify: "A section of spec.safety has enabled: false.", fix: "Set enabled to true.",
				guides: list("R3-2"), cwe: list("CWE-1427"), mends: true,
			}.meta(),
			Check: sees(guardrailsOff),
			Mend:  flips(guardrailsOff),
		},
	}
}

func approvalMissing(f *File, out *found) {
	all, names := f.approvals()
	if all {
		return
	}
	var blocked []string
	for _, n := range slices.Concat(f.sections("autonomy", "blocked_actions"), f.sections("access", "prohibited"), f.sections("separation", "prohibited_actions")) {
		for _, item := range n.List() {
			blocked = append(blocked, item.Value())
		}
	}
	seen := map[string]bool{}
	for _, t := range f.tools() {
		name := t.Value()
		if seen[name] || !slices.ContainsFunc(destructive[:], func(w string) bool { return naming.Within(w, name) }) ||
			slices.ContainsFunc(names, func(a string) bool { return covers(a, name) }) ||
			slices.ContainsFunc(blocked, func(b string) bool { return naming.Covers(b, "", name) || naming.Within(b, name) }) {
			continue
		}
		seen[name] = true
		out.add(t, "The tool is called without asking anybody.", name)
	}
}

func guardrailsOff(f *File, out *found) {
	for _, v := range f.values {
		switch v.name {
		case "guardrails", "contentfiltering", "promptinjection", "secretsdetection", "inputvalidation", "outputfiltering", "moderation", "humaninloop", "ratelimiting", "piidetection":
			n := v.node
			if v.schema || !off(n) {
				continue
			}
			if e := n.Get("enabled"); n.IsTable() && e != nil {
				n = e
			}
			out.add(n, "The guardrail is switched off.", v.raw)
		}
	}
}
