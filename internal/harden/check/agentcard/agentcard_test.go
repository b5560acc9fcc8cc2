package agentcard

import (
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/wording"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

func TestRules(t *testing.T) {
	ruletest.Run(t, ruletest.Family[*File]{Kind: rule.A2ACard, Rules: Rules(), Load: Load, Find: Find})
}

// Of a card that cannot be read nothing passes but what does not need it.
func FuzzCards(f *testing.F) {
	f.Add([]byte(`{"name":"a","url":"http://127.0.0.1/","skills":[]}`))
	f.Add([]byte(`[`))
	judge, err := wording.New()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := &File{path: "x", data: data, judge: judge}
		file.card, file.failed = card.Parse(data, card.Options{InsecurePlainHTTP: true})
		for _, r := range Rules() {
			list, err := r.Check(t.Context(), file)
			if v := rule.VerdictOf(list, err); file.failed != nil && v == rule.Pass && r.ID == "a2a-card-form" {
				t.Fatalf("%s passes", r.ID)
			}
		}
	})
}
