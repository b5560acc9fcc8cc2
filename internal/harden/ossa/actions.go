package ossa

import (
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// allowed is what autonomy.allowed_actions says.
type allowed struct {
	at      *yamltree.Node
	actions []action
}

// action is a name of a manifest that may be that of a tool.
type action struct {
	text string
	at   *yamltree.Node
}

func (m *maker) actions(n *yamltree.Node) []action {
	var out []action
	for _, item := range n.Items(&m.errs) {
		if s, ok := item.Text(&m.errs); ok && strings.TrimSpace(s) != "" {
			out = append(out, action{s, item})
		} else if ok {
			m.errs.Add(item, "is empty: take it out")
		}
	}
	return out
}

// collectActions reads what may be done, what may not, and what needs another
// person.
func (m *maker) collectActions() {
	auto := m.spec.Get("autonomy")
	if auto != nil {
		auto.Table(&m.errs)
	}
	if n := auto.Get("allowed_actions"); n != nil && m.allowed == nil {
		m.allowed = &allowed{at: n, actions: m.actions(n)}
	}
	m.blocked = append(m.blocked, m.actions(auto.Get("blocked_actions"))...)
	m.blocked = append(m.blocked, m.actions(m.spec.Get("separation", "prohibited_actions"))...)
	m.autonomyLevel(auto.Get("level"))
	for _, name := range []string{"approval_required", "requires_approval", "requiresApproval"} {
		m.approval(auto.Get(name))
	}
	if n := auto.Get("constraints", "maxActionsPerDay"); n != nil {
		if v, ok := n.Whole(&m.errs, 1); ok {
			m.rate(n, v, "1d", 0)
		}
	}
	m.access(m.spec.Get("access"))
	m.separation(m.spec.Get("separation"))
	for _, root := range []*yamltree.Node{m.doc, m.spec, m.doc.Get("extensions"), m.spec.Get("extensions")} {
		m.governance(root.Get("governance"))
	}
}

func (m *maker) autonomyLevel(n *yamltree.Node) {
	level, ok := n.Word(&m.errs, "supervised", "assisted", "semi_autonomous", "autonomous", "fully_autonomous")
	if !ok {
		return
	}
	switch level {
	case "supervised":
		m.all = append(m.all, sourced{level, n})
		m.expressed(n, "approval.tools")
	case "assisted":
		m.all = append(m.all, sourced{level, n})
		m.stricter(n, "approval.tools", "what help a person gives is not said: every call needs the word of one")
	default:
		m.expressed(n, "") // no approval by itself
	}
}

// approval reads true, or a list of actions that need the word of a person.
func (m *maker) approval(n *yamltree.Node) {
	switch {
	case n == nil:
	case n.IsBool():
		if yes, _ := n.Bool(&m.errs); yes {
			m.all = append(m.all, sourced{"true", n})
			m.expressed(n, "approval.tools")
			return
		}
		if len(m.all) > 0 {
			m.stricter(n, "approval.tools", "another field asks for approval: it holds")
			return
		}
		m.expressed(n, "")
	default:
		m.approve = append(m.approve, m.actions(n)...)
	}
}

var tiers = []string{"tier_1_read", "tier_2_write_limited", "tier_3_write_elevated", "tier_4_policy"}

// permissions are the words that the format knows. Another may be one that
// opens something on this gateway, which is not for a manifest to give.
var permissions = [...]string{
	"read_code", "read_configs", "read_metrics", "read_logs", "read_issues", "read_mrs", "execute_queries",
	"write_docs", "write_tests", "write_scaffolds", "write_configs_draft", "create_issues", "create_mrs_draft", "execute_sandboxed",
	"write_production_code", "merge_mrs", "delete_branches", "modify_infrastructure", "modify_secrets", "execute_deployments",
	"modify_pipelines", "modify_configs", "execute_commands",
	"define_policies", "publish_policies", "audit_compliance", "report_violations",
}

// access reads the tier of access.
func (m *maker) access(n *yamltree.Node) {
	if n == nil || !n.Table(&m.errs) {
		return
	}
	at := n.Get("tier")
	if at == nil {
		m.errs.Add(n, "tier: is missing")
	} else if tier, ok := at.Word(&m.errs, tiers...); ok {
		m.tier = sourced{tier, at}
		m.expressed(at, "access.rules")
		m.missing(at, "which of the tools only read is not asked of their server, and not guessed", "hold the tools of the route against the tier")
	}
	for _, p := range n.Get("permissions").Items(&m.errs) {
		switch word, ok := p.Text(&m.errs); {
		case !ok:
		case slices.Contains(permissions[:], word):
			m.grants = append(m.grants, word)
			m.expressed(p, "access.roles")
		default:
			m.stricter(p, "access.roles", "is no permission of the format: the role is without it")
		}
	}
	m.blocked = append(m.blocked, m.actions(n.Get("prohibited"))...)
	m.approval(n.Get("requires_approval"))
	if c := n.Get("approval_chain"); c != nil {
		if chain, ok := c.Word(&m.errs, "standard", "elevated", "critical"); ok && chain != "standard" {
			m.missing(c, "an approval is the word of one other person", "agree on who approves, and on how many")
		}
	}
	if i := n.Get("isolation"); i != nil {
		if how, ok := i.Word(&m.errs, "none", "standard", "strict"); ok && how != "none" {
			m.missing(i, "isolation of the agent's process is not the gateway's", "run it in a sandbox")
		}
	}
	if a := n.Get("audit_level"); a != nil {
		if level, ok := a.Word(&m.errs, "standard", "detailed", "comprehensive"); ok {
			days := map[string]string{"standard": "30", "detailed": "90", "comprehensive": "365"}[level]
			m.missing(a, "every call is recorded, whatever the level; how long records are kept is not set here", "keep the journal for "+days+" days")
		}
	}
}

func (m *maker) separation(n *yamltree.Node) {
	if n == nil || !n.Table(&m.errs) {
		return
	}
	n.Get("role").Ignore()
	for _, name := range []string{"conflicts_with", "can_delegate_to"} {
		m.elsewhere(n.Get(name), "the gateway does not know which agents stand for whom", "give each agent its own key, and one role at most")
	}
}

// governance reads permissions per tool.
func (m *maker) governance(n *yamltree.Node) {
	a := n.Get("authorization")
	for _, p := range m.list(a.Get("tool_permissions")) {
		name, ok := m.need(p, "tool")
		if !ok {
			continue
		}
		if risk := p.Get("risk_level"); risk != nil {
			risk.Word(&m.errs, "low", "medium", "high", "critical")
		}
		needs, _ := p.Get("requires_approval").Bool(&m.errs)
		if needs || p.Get("risk_level").Raw() == "critical" {
			m.approve = append(m.approve, action{name, p.Get("tool")})
		}
	}
	m.elsewhere(a.Get("clearance_level"), "a number says nothing about tools", "give the agent's key a role with the permissions that the level stands for")
	m.elsewhere(a.Get("policy_references"), "the policies are not in the manifest", "name their files in access.policy_files")
}
