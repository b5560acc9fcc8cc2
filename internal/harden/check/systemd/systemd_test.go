package systemd

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
)

func TestRules(t *testing.T) {
	ruletest.Run(t, ruletest.Family[*File]{Kind: rule.Systemd, Rules: Rules(), Load: Load, Find: Find})
}

// What passes one rule passes all.
func TestGoodFiles(t *testing.T) {
	names, err := filepath.Glob("testdata/systemd-*/pass*.service")
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

func TestParse(t *testing.T) {
	f, err := parse("x", []byte("# c\n[Unit]\nUser=a\n[Service]\nUser=b\nUser = c\nEnvironment=A=1 \\\n  B=2\n"))
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := f.last("User"); !ok || s.value != "c" || s.line != 6 {
		t.Errorf("%+v", s)
	}
	if s, _ := f.last("Environment"); s.value != "A=1  B=2" || s.line != 7 {
		t.Errorf("%+v", s)
	}
	for _, text := range []string{"", "[Service", "User=a", "[Service]\nx", "[Unit]\nA=b", "[Service]\nA=b \\"} {
		if _, err := parse("x", []byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

func FuzzRules(f *testing.F) {
	names, err := filepath.Glob("testdata/systemd-*/*.service")
	if err != nil || len(names) == 0 {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parse("x", data)
		if err != nil {
			return
		}
		for _, r := range Rules() {
			found, _ := r.Check(t.Context(), file)
			if r.Mend == nil || len(found) == 0 {
				continue
			}
			edits, err := r.Mend(file)
			if err != nil {
				t.Fatal(err)
			}
			mended, err := rule.Apply(data, edits)
			if err != nil {
				t.Fatalf("%s: %v", r.ID, err)
			}
			if _, err := parse("x", mended); err != nil {
				t.Errorf("%s: mending %q breaks it: %v", r.ID, data, err)
			}
		}
	})
}
