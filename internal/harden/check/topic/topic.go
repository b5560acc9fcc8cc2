// Package topic gives rules about the same thing the same references.
//
// Most rules about files belong to one of a few topics of the OWASP MCP Top 10,
// the OWASP lists for web and APIs, and the threats and levels that CoSAI names
// for MCP. A rule names its topic and only what is its own.
package topic

import "github.com/portcullis-dev/portcullis/internal/harden/check/rule"

// Topic is what a rule is about.
type Topic uint8

// The topics.
const (
	Privilege Topic = iota // more rights than needed
	Isolation              // the walls between a workload and its host or neighbours
	Access                 // who may call what
	Secret                 // credentials in the wrong place
	Transport              // encryption of connections
	Exposure               // addresses and ports that are open
	Supply                 // where code and images come from
	Integrity              // that things are what they were checked to be
	Injection              // text of strangers that becomes a command
	Resources              // limits and availability
	Telemetry              // logs, health, and being told
	Data                   // data at rest
	Hygiene                // files that do not do what they say
)

// refs are the references of a topic.
type refs struct {
	owasp, threats []string
	level          rule.Level
}

func (t Topic) refs() refs {
	switch t {
	case Privilege:
		return refs{[]string{"MCP02:2025", "A05:2021"}, []string{"MCP-T9"}, rule.L1}
	case Isolation:
		return refs{[]string{"MCP02:2025", "API8:2023"}, []string{"MCP-T8", "MCP-T9"}, rule.L2}
	case Access:
		return refs{[]string{"MCP07:2025", "API5:2023"}, []string{"MCP-T2"}, rule.L2}
	case Secret:
		return refs{[]string{"MCP01:2025", "A07:2021"}, []string{"MCP-T1", "MCP-T5"}, rule.L2}
	case Transport:
		return refs{[]string{"MCP07:2025", "A02:2021"}, []string{"MCP-T7"}, rule.L2}
	case Exposure:
		return refs{[]string{"MCP09:2025", "API8:2023"}, []string{"MCP-T8"}, rule.L1}
	case Supply:
		return refs{[]string{"MCP04:2025", "A06:2021"}, []string{"MCP-T11"}, rule.L2}
	case Integrity:
		return refs{[]string{"MCP04:2025", "A08:2021"}, []string{"MCP-T6", "MCP-T11"}, rule.L2}
	case Injection:
		return refs{[]string{"MCP05:2025", "A03:2021"}, []string{"MCP-T3"}, rule.L1}
	case Resources:
		return refs{[]string{"API4:2023"}, []string{"MCP-T10"}, rule.L2}
	case Telemetry:
		return refs{[]string{"MCP08:2025", "A09:2021"}, []string{"MCP-T12"}, rule.L2}
	case Data:
		return refs{[]string{"MCP10:2025", "A02:2021"}, []string{"MCP-T5"}, rule.L3}
	}
	return refs{[]string{"A05:2021"}, []string{"MCP-T11"}, rule.L2}
}

// Of fills the references that m leaves open.
func (t Topic) Of(m rule.Meta) rule.Meta {
	r := t.refs()
	if m.OWASP == nil {
		m.OWASP = r.owasp
	}
	if m.Threats == nil {
		m.Threats = r.threats
	}
	if m.CoSAI == 0 {
		m.CoSAI = r.level
	}
	return m
}
