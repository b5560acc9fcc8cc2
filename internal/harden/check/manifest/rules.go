package manifest

import (
	"slices"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

// Rules returns the rules.
func Rules() []rule.Rule[*File] {
	return slices.Concat(formRules(), sayingRules(), wireRules(), networkRules(), rightRules(), personRules(), boundRules(), recordRules(), dataRules(), textRules(), serverRules())
}

// about is what a rule says of itself. The rest comes from its topic.
type about struct {
	id, title, why, verify, fix string
	severity                    rule.Severity
	topic                       topic.Topic
	guides, cwe                 []string
	mends                       bool
}

func (a about) meta() rule.Meta {
	return a.topic.Of(rule.Meta{
		ID: rule.OSSA.Prefix() + a.id, Kind: rule.OSSA, Severity: a.severity, Title: a.title, Why: a.why, Verify: a.verify, Fix: a.fix,
		Guides: a.guides, CWE: a.cwe, Fixable: a.mends,
	})
}

func list(s ...string) []string { return s }
