package topic

import (
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

func TestEveryTopicHasReferences(t *testing.T) {
	for i := Privilege; i <= Hygiene; i++ {
		m := i.Of(rule.Meta{})
		for _, ref := range append(m.OWASP, m.Threats...) {
			if _, ok := Name(ref); !ok {
				t.Errorf("topic %d: %s has no name", i, ref)
			}
		}
		if len(m.OWASP) == 0 || len(m.Threats) == 0 || m.CoSAI == 0 {
			t.Errorf("topic %d: %+v", i, m)
		}
	}
	own := Secret.Of(rule.Meta{OWASP: []string{"A01:2021"}, Threats: []string{"MCP-T4"}, CoSAI: rule.L4})
	if own.OWASP[0] != "A01:2021" || own.Threats[0] != "MCP-T4" || own.CoSAI != rule.L4 {
		t.Errorf("what a rule says itself is lost: %+v", own)
	}
}
