package systemd

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
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

func TestMendKeepsLineEnds(t *testing.T) {
	f, err := parse("x", []byte("[Service]\r\nUser=a\r\nProtectSystem=no\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ProtectSystem", "PrivateTmp"} {
		if e := f.set(name, "x"); len(e) != 1 || e[0].Text != name+"=x\r\n" {
			t.Errorf("%+v", e)
		}
	}
}

// What stands in a drop-in counts, and is told with its place.
func TestDropIn(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "a.service.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a.service": "[Service]\nExecStart=/a\nUser=a\nNoNewPrivileges=yes\n", "a.service.d/10.conf": "# c\n[Service]\nUser=root\nNoNewPrivileges=no\n", "a.service.d/20.conf": "[Unit]\nAfter=b.service\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tr, err := tree.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	f, err := Load(t.Context(), tr, "a.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules() {
		if r.ID != "systemd-root" && r.ID != "systemd-new-privileges" {
			continue
		}
		found, err := r.Check(t.Context(), f)
		if err != nil || len(found) != 1 || found[0].File != "a.service.d/10.conf" || found[0].Line < 3 || found[0].Line > 4 {
			t.Errorf("%s: %+v, %v", r.ID, found, err)
		}
		if r.Mend != nil {
			if edits, err := r.Mend(f); len(edits) > 0 || err != nil {
				t.Errorf("%s: mends %+v, %v", r.ID, edits, err)
			}
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
