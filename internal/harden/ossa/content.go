package ossa

import (
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// content is a rule on what messages hold.
type content struct {
	detect []string
	action string // alert, redact, block
	at     *yamltree.Node
}

// severity orders actions.
var severity = [...]string{"alert", "redact", "block"}

func sterner(a, b string) bool {
	return slices.Index(severity[:], a) > slices.Index(severity[:], b)
}

// strict asks for the strict preset.
func (m *maker) strict(n *yamltree.Node) {
	if m.preset.text != "strict" {
		m.preset = sourced{"strict", n}
	}
}

// classify turns the class of the data, and the threats that are feared, into
// a preset of content rules.
func (m *maker) classify() {
	for _, root := range []*yamltree.Node{m.doc, m.spec} {
		for _, n := range []*yamltree.Node{root.Get("security", "data_classification"), root.Get("governance", "compliance", "data_classification")} {
			switch class, _ := n.Word(&m.errs, "public", "internal", "confidential", "restricted"); class {
			case "confidential", "restricted":
				m.strict(n)
				m.secret = sourced{class, n}
				m.expressed(n, "inspect.preset, taint.confidential")
			case "public", "internal":
				m.expressed(n, "inspect.preset")
			}
		}
		for _, threat := range m.list(root.Get("security", "threat_model")) {
			category, severity := threat.Get("category").Raw(), threat.Get("severity").Raw()
			if (category == "prompt-injection" || category == "data-exfiltration") && (severity == "high" || severity == "critical") {
				m.strict(threat)
				m.stricter(threat, "inspect.preset", "a threat is no rule: content is held to the strict preset")
			}
			threat.Ignore() // the others are prose
		}
	}
}

// piiTypes are the names that rules of the gateway know as well.
var piiTypes = [...]string{"email", "phone", "ssn", "credit_card", "ip_address", "api_key", "password"}

// categories are names of what is filtered, and the detectors for them.
func category(name string) []string {
	switch strings.ToLower(name) {
	case "pii", "personal_data":
		return []string{"pii"}
	case "pci":
		return []string{"pii.card"}
	case "secrets", "credentials":
		return []string{"secret"}
	case "prompt_injection", "prompt-injection":
		return []string{"injection"}
	}
	if slices.Contains(piiTypes[:], name) {
		return []string{name}
	}
	return nil
}

// safety reads the rules on content and on use.
func (m *maker) safety() {
	n := m.spec.Get("safety")
	if n == nil || !n.Table(&m.errs) {
		return
	}
	m.detection(n.Get("content_filtering"), "categories", nil)
	m.detection(n.Get("pii_detection"), "types", []string{"pii"})
	guardrails := n.Get("guardrails")
	if m.off(guardrails) {
		guardrails = nil
	}
	m.detection(guardrails.Get("pii_detection"), "categories", []string{"pii"})
	m.detection(guardrails.Get("secrets_detection"), "", []string{"secret"})
	m.detection(guardrails.Get("prompt_injection"), "", []string{"injection"})
	m.humanInLoop(n.Get("human_in_loop"))
	m.rateLimiting(n.Get("rate_limiting"))
	m.guardrails(guardrails)
}

// off reports whether a section says enabled: false, and takes it as read.
func (m *maker) off(n *yamltree.Node) bool {
	if n == nil || !n.Table(&m.errs) {
		return true
	}
	e := n.Get("enabled")
	if on, ok := e.Bool(&m.errs); ok && !on {
		n.Ignore()
		m.expressed(e, "")
		return true
	}
	return false
}

// detection reads a section that names what is looked for and what happens.
// list is the member with the names, all what is meant without one.
func (m *maker) detection(n *yamltree.Node, list string, all []string) {
	if m.off(n) {
		return
	}
	action := "block"
	at := n.Get("action")
	if word, ok := at.Word(&m.errs, "warn", "block", "redact"); ok {
		action = map[string]string{"warn": "alert", "block": "block", "redact": "redact"}[word]
	}
	detect := all
	if names := n.Get(list); list != "" && names != nil {
		detect = m.detectors(names)
	} else if all == nil {
		m.missing(n, "the section does not say what is filtered", "name categories")
	}
	if at == nil && len(detect) > 0 {
		m.stricter(n, "inspect", "no action is given: what is found is refused")
	}
	if t := n.Get("threshold"); t != nil {
		t.Ignore()
		m.minor(t, "how sure a finding must be is measured in another way", "set min_score of the rules")
	}
	if len(detect) > 0 {
		where := n
		if at != nil {
			where = at
		}
		m.content = append(m.content, content{detect, action, where})
	}
}

func (m *maker) detectors(n *yamltree.Node) []string {
	var out []string
	for _, item := range n.Items(&m.errs) {
		name, ok := item.Text(&m.errs)
		found := category(name)
		switch {
		case !ok:
		case found == nil:
			m.missing(item, "there is no detector for it", "describe it as a pattern in inspect.patterns if it has a form")
		default:
			m.expressed(item, "inspect")
			out = append(out, found...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// isSecret reports whether a name of a detector is about credentials.
func isSecret(name string) bool {
	return name == "api_key" || name == "password" || strings.HasPrefix(name, "secret")
}

// rulesFor returns the rules of one direction, the sternest first. None of them
// may ask for less than the preset behind it does: what would is left to the
// preset.
func (m *maker) rulesFor(results bool) []content {
	strict := m.preset.text == "strict"
	var out []content
	for _, c := range m.content {
		detect := slices.DeleteFunc(slices.Clone(c.detect), func(name string) bool {
			if c.action == "block" {
				return false
			}
			covered := strict || results && isSecret(name) // the preset redacts those
			return c.action == "alert" && covered
		})
		if len(detect) == 0 {
			continue
		}
		action := c.action
		if action == "redact" && strict && (!results && slices.ContainsFunc(detect, isSecret) || results && slices.Contains(detect, "injection")) {
			action = "block"
		}
		out = append(out, content{detect, action, c.at})
	}
	slices.SortStableFunc(out, func(a, b content) int {
		switch {
		case sterner(a.action, b.action):
			return -1
		case sterner(b.action, a.action):
			return 1
		}
		return 0
	})
	return out
}

// reportContent says what became of the actions.
func (m *maker) reportContent() {
	for _, c := range m.content {
		kept := map[bool]string{}
		for _, results := range []bool{false, true} {
			for _, r := range m.rulesFor(results) {
				if r.at == c.at && len(r.detect) == len(c.detect) {
					kept[results] = r.action
				}
			}
		}
		if kept[false] == c.action && kept[true] == c.action {
			m.expressed(c.at, "inspect")
		} else {
			m.stricter(c.at, "inspect", "the preset of the route asks for more")
		}
	}
}
