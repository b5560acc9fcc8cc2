package repository

import (
	"os"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

func TestRules(t *testing.T) {
	ruletest.Prepare(t)
	ruletest.Run(t, ruletest.Family[*Repo]{Kind: rule.Repository, Rules: Rules(), Load: Load})
}

func open(t *testing.T, files map[string]string) *tree.Tree {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tr, err := tree.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// A file that is too large to be looked at is not one without credentials.
func TestUnreadIsUnknown(t *testing.T) {
	tr := open(t, map[string]string{"go.mod": "module x\n", "dump.txt": string(make([]byte, tree.MaxFile+1))})
	r, err := Load(t.Context(), tr, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range Rules() {
		if x.ID == "repository-secret" || x.ID == "repository-private-key" {
			if v := rule.VerdictOf(x.Check(t.Context(), r)); v != rule.Unknown {
				t.Errorf("%s: %s", x.ID, v)
			}
		}
	}
}

func TestBrokenManifestIsUnknown(t *testing.T) {
	tr := open(t, map[string]string{"package.json": "{", "package-lock.json": "{"})
	r, err := Load(t.Context(), tr, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range Rules() {
		if x.ID == "repository-install-scripts" {
			if v := rule.VerdictOf(x.Check(t.Context(), r)); v != rule.Unknown {
				t.Errorf("%s: %s", x.ID, v)
			}
		}
	}
}

// No file is read twice, however many rules look at it.
func TestReadsOnce(t *testing.T) {
	files := map[string]string{"go.mod": "module x\n", "go.sum": "", ".gitignore": ".env\n", "a.txt": "x", "package.json": "{}"}
	tr := open(t, files)
	r, err := Load(t.Context(), tr, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range Rules() {
		if _, err := x.Check(t.Context(), r); err != nil {
			t.Errorf("%s: %v", x.ID, err)
		}
	}
	if tr.Reads() > len(files) {
		t.Errorf("%d reads of %d files", tr.Reads(), len(files))
	}
}

// Manifests and lock files of strangers: no rule panics, and none passes what
// it could not read.
func FuzzManifests(f *testing.F) {
	f.Add("package.json", []byte(`{"dependencies":{"a":"1"}}`), "package-lock.json", []byte(`{"packages":{"":{}}}`))
	f.Add("go.mod", []byte("module x\nrequire a v1.0.0\n"), "go.sum", []byte("a v1.0.0 h1:x=\n"))
	f.Add("Cargo.toml", []byte("[dependencies]\na = {package = \"b\"}\n"), "Cargo.lock", []byte("name = \"b\""))
	f.Add("requirements.txt", []byte("a==1\n"), ".npmrc", []byte("registry=http://x"))
	f.Add(".gitmodules", []byte("url = http://x"), ".git/config", []byte("[core]\nhooksPath=x"))
	empty, err := tree.Open(f.Context(), f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	rules := Rules()
	f.Fuzz(func(t *testing.T, one string, data []byte, two string, more []byte) {
		tr := empty.With(map[string][]byte{one: data, two: more})
		r, err := Load(t.Context(), tr, ".")
		if err != nil {
			return
		}
		for _, x := range rules {
			found, err := x.Check(t.Context(), r)
			if rule.VerdictOf(found, err) == rule.Pass && x.Mend != nil {
				if edits, err := x.Mend(r); err != nil || len(edits) > 0 {
					t.Errorf("%s passes and would change %v, %v", x.ID, edits, err)
				}
			}
			for _, finding := range found {
				if finding.Message == "" {
					t.Errorf("%s: no message", x.ID)
				}
			}
		}
	})
}
