package firewall

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
)

func TestRules(t *testing.T) {
	ruletest.Run(t, ruletest.Family[*File]{Kind: rule.Firewall, Rules: Rules(), Load: Load, Find: Find})
}

// What passes one rule passes all.
func TestGoodFiles(t *testing.T) {
	names, err := filepath.Glob("testdata/firewall-*/pass*")
	if err != nil || len(names) == 0 {
		t.Fatal(len(names), err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parse(name, data)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range Rules() {
			if found, err := r.Check(t.Context(), f); rule.VerdictOf(found, err) != rule.Pass {
				t.Errorf("%s: %s: %+v, %v", name, r.ID, found, err)
			}
		}
	}
}

func TestUnreadable(t *testing.T) {
	for name, text := range map[string]string{"a.nft": "table inet f { chain i {", "b.nft": "}", "c.sh": "echo", "d.nft": ""} {
		if _, err := parse(name, []byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("testdata/firewall-*/*")
	if err != nil || len(names) == 0 {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, true)
		f.Add(data, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, nft bool) {
		name := "x.sh"
		if nft {
			name = "x.nft"
		}
		file, err := parse(name, data)
		if err != nil {
			return
		}
		for _, r := range Rules() {
			found, _ := r.Check(t.Context(), file)
			for _, finding := range found {
				if finding.Line < 1 || finding.Message == "" {
					t.Errorf("%s: %+v", r.ID, finding)
				}
			}
		}
	})
}
