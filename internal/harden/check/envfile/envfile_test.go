package envfile

import (
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
)

func TestRules(t *testing.T) {
	ruletest.Prepare(t)
	ruletest.Run(t, ruletest.Family[*File]{Kind: rule.Env, Rules: Rules(), Load: Load, Find: Find})
}

func TestParse(t *testing.T) {
	f, err := parse("d/.env.example", []byte("# c\nexport A='b # c' # d\nB = e #f\nC=\nnoise\nD=\"x\"\n"))
	if err != nil || !f.example || len(f.vars) != 4 {
		t.Fatalf("%+v, %v", f, err)
	}
	for i, want := range []variable{{"A", "b # c", 2}, {"B", "e", 3}, {"C", "", 4}, {"D", "x", 6}} {
		if f.vars[i] != want {
			t.Errorf("%+v", f.vars[i])
		}
	}
}

func FuzzRules(f *testing.F) {
	f.Add([]byte("A=b\n"), ".env")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		file, err := parse(name, data)
		if err != nil {
			return
		}
		for _, r := range Rules() {
			found, err := r.Check(t.Context(), file)
			if err != nil {
				t.Errorf("%s: %v", r.ID, err)
			}
			for _, finding := range found {
				if finding.Line < 1 || finding.Message == "" {
					t.Errorf("%s: %+v", r.ID, finding)
				}
			}
		}
	})
}
