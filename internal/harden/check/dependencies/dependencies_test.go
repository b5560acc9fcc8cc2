package dependencies

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/osv"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// today is the day on which the fixtures are judged.
func today() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func options(t testing.TB) Options {
	t.Helper()
	db, err := osv.OpenFolder("testdata/osv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return Options{Source: db, Now: today()}
}

func TestRules(t *testing.T) {
	o := options(t)
	ruletest.Prepare(t)
	ruletest.Run(t, ruletest.Family[*Project]{Kind: rule.Dependencies, Rules: Rules(), Load: Load(o), Find: Find})
}

func open(t testing.TB, files map[string]string) *tree.Tree {
	t.Helper()
	base, err := tree.Open(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = base.Close() })
	contents := map[string][]byte{}
	for name, text := range files {
		contents[name] = []byte(text)
	}
	return base.With(contents)
}

func load(t testing.TB, o Options, files map[string]string) *Project {
	t.Helper()
	p, err := Load(o)(context.Background(), open(t, files), ".")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answer is what one rule says.
func answer(t testing.TB, p *Project, id string) ([]rule.Finding, rule.Verdict, error) {
	t.Helper()
	for _, r := range Rules() {
		if r.ID == id {
			found, err := r.Check(context.Background(), p)
			return found, rule.VerdictOf(found, err), err
		}
	}
	t.Fatalf("there is no rule %s", id)
	return nil, "", nil
}

const hash = "sha512-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="

// npmLock is a package-lock.json with some packages: "name version", and what
// else an entry says.
func npmLock(entries ...string) string {
	out := `{"name": "x", "lockfileVersion": 3, "packages": {
"": {"name": "x"}`
	for _, e := range entries {
		name, rest, _ := strings.Cut(e, " ")
		version, more, _ := strings.Cut(rest, " ")
		out += fmt.Sprintf(",\n\"node_modules/%s\": {\"version\": %q, \"resolved\": \"https://registry.npmjs.org/%s/-/%s-%s.tgz\", \"integrity\": %q%s}", name, version, name, path.Base(name), version, hash, more)
	}
	return out + "\n}}\n"
}

// Without a database nobody knows, and the answer says how to know.
func TestNoDatabaseIsUnknown(t *testing.T) {
	p := load(t, Options{Now: today()}, map[string]string{"package-lock.json": npmLock("crit 1.0.0")})
	n := 0
	for _, r := range Rules() {
		if !strings.HasPrefix(r.ID, "dependencies-vulnerable-") && r.ID != "dependencies-malicious" {
			continue
		}
		n++
		if _, v, err := answer(t, p, r.ID); v != rule.Unknown || !strings.Contains(err.Error(), "--osv-db DIR") {
			t.Errorf("%s: %s, %v", r.ID, v, err)
		}
	}
	if n != 6 {
		t.Errorf("%d rules about vulnerabilities", n)
	}
}

// What could not be read, or has no version, is not free of vulnerabilities.
func TestUnreadIsUnknown(t *testing.T) {
	o := options(t)
	for name, files := range map[string]map[string]string{
		"a broken lock file":       {"package-lock.json": npmLock("a 1.0.0"), "sub/yarn.lock": "nonsense"},
		"a form that is not read":  {"bun.lock": "{}"},
		"a broken go.sum":          {"go.mod": "module x\n", "go.sum": "nonsense\n"},
		"a requirement of a range": {"requirements.txt": "requests>=2\n"},
		"a broken SBOM":            {"package-lock.json": npmLock("a 1.0.0"), "bom.json": "{}"},
		"no database for it":       {"package-lock.json": npmLock("a 1.0.0"), "x/package-lock.json": npmLock("medium nonsense")},
	} {
		p := load(t, o, files)
		if found, v, err := answer(t, p, "dependencies-vulnerable-critical"); v != rule.Unknown {
			t.Errorf("%s: %s, %v %v", name, v, found, err)
		}
	}
	for id, files := range map[string]map[string]string{
		"dependencies-lock-missing":      {"package.json": "{"},
		"dependencies-lock-stale":        {"package.json": `{"dependencies":{"a":"1"}}`, "package-lock.json": "{"},
		"dependencies-lock-range":        {"package.json": `{"dependencies":{"a":"^1 nonsense!"}}`, "yarn.lock": "a@^1 nonsense!:\n  version \"1.0.0\"\n"},
		"dependencies-integrity-missing": {"Cargo.lock": "["},
		"dependencies-source-plain":      {"Cargo.toml": "["},
		"dependencies-sbom-stale":        {"bom.json": "["},
	} {
		if found, v, err := answer(t, load(t, o, files), id); v != rule.Unknown {
			t.Errorf("%s: %s, %v %v", id, v, found, err)
		}
	}
}

// A finding names what, how bad, what is free of it, and until when.
func TestWhatAFindingSays(t *testing.T) {
	p := load(t, options(t), map[string]string{"package-lock.json": npmLock("crit 1.0.0", "medium 2.0.0", "old 1.0.0", "unrated 1.0.0")})
	for id, want := range map[string]string{
		"dependencies-vulnerable-critical": "crit 1.0.0 has GHSA-aaaa-aaaa-aaaa (CVE-2026-1001), critical (CVSS 9.8), fixed in 1.2.3; due 2026-01-11, overdue: Runs what it is sent",
		"dependencies-vulnerable-medium":   "medium 2.0.0 has GHSA-cccc-cccc-cccc, medium (CVSS 6.1), fixed in 3.0.0; due 2026-12-20: A fault",
		"dependencies-vulnerable-overdue":  "old 1.0.0 has GHSA-eeee-eeee-eeee, medium, fixed in 3.0.0; due 2025-01-31, overdue: A fault",
		"dependencies-vulnerable-high":     "unrated 1.0.0 has GHSA-ffff-ffff-ffff, severity unknown and taken for high, fixed in 9.0.0; due 2026-01-17, overdue: A fault",
	} {
		found, _, err := answer(t, p, id)
		if err != nil || len(found) != 1 || found[0].Message != want {
			t.Errorf("%s: %v\n%+v\nwant %s", id, err, found, want)
			continue
		}
		a := found[0].Advisory
		if found[0].File != "package-lock.json" || found[0].Line < 3 || a == nil || a.Ecosystem != "npm" || a.Package == "" || !a.Due.After(a.FirstSeen) {
			t.Errorf("%s: %+v", id, found[0])
		}
	}
}

// The time counts from when it was first seen, where somebody kept that.
func TestTimeCountsFromFirstSeen(t *testing.T) {
	seen := map[string]time.Time{"GHSA-eeee-eeee-eeee": today().AddDate(0, 0, -29)}
	for _, c := range []struct {
		name, due string
		firstSeen func(*rule.Advisory) time.Time
	}{
		{"nobody kept it: since it was published", "2025-01-31", nil},
		{"seen before", "2026-11-23", func(a *rule.Advisory) time.Time { return seen[a.ID] }},
		{"new to the history", "2026-12-22", func(*rule.Advisory) time.Time { return time.Time{} }},
		{"a history of the future", "2026-12-22", func(*rule.Advisory) time.Time { return today().AddDate(1, 0, 0) }},
	} {
		o := options(t)
		o.FirstSeen = c.firstSeen
		p := load(t, o, map[string]string{"package-lock.json": npmLock("old 1.0.0")})
		all, err := p.vulnerabilities(t.Context())
		if err != nil || len(all) != 1 || all[0].advisory.Due.Format(time.DateOnly) != c.due {
			t.Errorf("%s: %+v, %v", c.name, all, err)
		}
	}
}

// A rule looks at each lock file, and a fault that stands a thousand times is
// not told a thousand times.
func TestManyFindingsAreFew(t *testing.T) {
	var entries []string
	for i := range 300 {
		entries = append(entries, fmt.Sprintf(`a%d 1.0.0 , "deprecated": "gone"`, i))
	}
	p := load(t, Options{}, map[string]string{"package-lock.json": npmLock(entries...), "b/package-lock.json": npmLock(entries[0])})
	found, _, err := answer(t, p, "dependencies-deprecated")
	if err != nil || len(found) != maxPerFile+2 || found[len(found)-1].Message != "and 280 more" {
		t.Errorf("%d findings, %v, %+v", len(found), err, found[len(found)-1])
	}
}

// A file that was named is looked at with those beside it.
func TestOneFile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"package.json": `{"dependencies":{"crit":"^1"}}`, "package-lock.json": npmLock("crit 1.0.0"), "any.json": `{"bomFormat":"CycloneDX"}`, "other.json": "{}"} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{"package.json": 1, "package-lock.json": 1, "any.json": 1, "other.json": 0} {
		tr, err := tree.Open(t.Context(), dir+"/"+name)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		found := Find(tr)
		if len(found) != want {
			t.Errorf("%s: %v", name, found)
		}
		if want == 0 || name == "any.json" {
			continue
		}
		p, err := Load(options(t))(t.Context(), tr, found[0])
		if err != nil {
			t.Fatal(err)
		}
		if found, v, err := answer(t, p, "dependencies-vulnerable-critical"); v != rule.Fail || len(found) != 1 {
			t.Errorf("%s: %s %v %v", name, v, found, err)
		}
		if found, v, _ := answer(t, p, "dependencies-lock-missing"); v != rule.Pass {
			t.Errorf("%s: %v", name, found)
		}
		if _, v, _ := answer(t, p, "dependencies-replace-outside"); v != rule.Skipped {
			t.Errorf("%s: %s", name, v)
		}
	}
}

// Nothing outside the folder is read, and no link is followed.
func TestLinksAreNotFollowed(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/in", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/package-lock.json", []byte(npmLock("crit 1.0.0")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../package-lock.json", dir+"/in/package-lock.json"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/in/package.json", []byte(`{"dependencies":{"crit":"^1"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	tr, err := tree.Open(t.Context(), dir+"/in")
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	p, err := Load(options(t))(t.Context(), tr, ".")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.locks) != 0 {
		t.Errorf("read %+v", p.locks[0])
	}
	if found, v, _ := answer(t, p, "dependencies-lock-missing"); v != rule.Fail {
		t.Errorf("a link is taken for a lock file: %v", found)
	}
}

// A member of a workspace is locked above it; a folder that is none is not.
func TestWorkspaces(t *testing.T) {
	lock := `{"lockfileVersion": 3, "packages": {"": {"name": "x", "workspaces": ["packages/*"]},
"packages/w": {"version": "1.0.0", "dependencies": {"a": "^1"}},
"node_modules/a": {"version": "1.0.0", "integrity": "sha512-x"}, "node_modules/w": {"resolved": "packages/w", "link": true}}}`
	p := load(t, Options{}, map[string]string{
		"package.json": `{"workspaces":["packages/*"]}`, "package-lock.json": lock,
		"packages/w/package.json": `{"dependencies":{"a":"^1"}}`, "stray/package.json": `{"dependencies":{"a":"^1"}}`,
	})
	found, _, err := answer(t, p, "dependencies-lock-missing")
	if err != nil || len(found) != 1 || found[0].File != "stray/package.json" {
		t.Errorf("%+v %v", found, err)
	}
	for _, id := range []string{"dependencies-lock-stale", "dependencies-lock-range"} {
		if found, v, err := answer(t, p, id); v != rule.Pass {
			t.Errorf("%s: %+v %v", id, found, err)
		}
	}
}

func TestPackages(t *testing.T) {
	p := load(t, Options{}, map[string]string{"go.mod": "module example.com/x\n\ngo 1.26\n", "package-lock.json": npmLock("a 1.0.0"), "requirements.txt": "b>=1\n"})
	list, err := p.Packages()
	if err != nil || len(list) != 2 || p.Name() != "example.com/x" {
		t.Errorf("%s: %+v, %v", p.Name(), list, err)
	}
	if _, err := load(t, Options{}, map[string]string{"package-lock.json": "{"}).Packages(); err == nil {
		t.Error("a list of what could be read is given for the whole")
	}
	for want, files := range map[string]map[string]string{
		"py": {"pyproject.toml": "[project]\nname = \"py\"\n"}, "js": {"package.json": `{"name":"js"}`}, "rs": {"Cargo.toml": "[package]\nname = \"rs\"\n"}, "project": {"Pipfile": ""},
	} {
		if got := load(t, Options{}, files).Name(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// No file is read twice, however many rules look at it and however large it is.
func TestReadsOnce(t *testing.T) {
	dir := t.TempDir()
	var entries []string
	for i := range 6000 { // more than the tree reads of other files
		entries = append(entries, fmt.Sprintf("package-number-%d 1.0.0", i))
	}
	files := map[string]string{"package.json": "{}", "package-lock.json": npmLock(entries...), "go.mod": "module x\n", "go.sum": "", ".gitignore": "x\n", "bom.json": `{"bomFormat":"CycloneDX"}`}
	if len(files["package-lock.json"]) < tree.MaxFile {
		t.Fatal("the lock file is too small to show anything")
	}
	for name, text := range files {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tr, err := tree.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if len(Find(tr)) != 1 {
		t.Fatal("no target")
	}
	p, err := Load(options(t))(t.Context(), tr, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules() {
		if _, err := r.Check(t.Context(), p); err != nil && !errors.Is(err, rule.ErrNotApplicable) {
			t.Errorf("%s: %v", r.ID, err)
		}
	}
	if tr.Reads() > len(files) {
		t.Errorf("%d reads of %d files", tr.Reads(), len(files))
	}
	if len(p.locks) != 2 || len(p.locks[0].Packages)+len(p.locks[1].Packages) != 6000 {
		t.Error("the large lock file was not read")
	}
}

// Repositories of strangers: no rule panics, none passes what it could not read,
// and what is mended is what is found.
func FuzzProject(f *testing.F) {
	f.Add("package.json", []byte(`{"dependencies":{"a":"^1"}}`), "package-lock.json", []byte(npmLock("a 1.0.0")))
	f.Add("package.json", []byte(`{"dependencies":{"a":"^1"}}`), "yarn.lock", []byte("a@^1:\n  version \"1.0.0\"\n  resolved \"http://registry.npmjs.org/a/-/a-1.0.0.tgz\"\n"))
	f.Add("go.mod", []byte("module x\nrequire a.b/c v1.0.0\n"), "go.sum", []byte("a.b/c v1.0.0 h1:x=\n"))
	f.Add("Cargo.toml", []byte("[dependencies]\na = {package = \"b\"}\n"), "Cargo.lock", []byte("[[package]]\nname = \"b\"\nversion=\"1.0.0\"\n"))
	f.Add("requirements.txt", []byte("a==1\n--extra-index-url http://x\n"), "bom.json", []byte(`{"bomFormat":"CycloneDX","components":[{"purl":"pkg:npm/a@1"}]}`))
	base, err := tree.Open(f.Context(), f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	o := options(f)
	rules := Rules()
	f.Fuzz(func(t *testing.T, one string, data []byte, two string, more []byte) {
		tr := base.With(map[string][]byte{one: data, two: more})
		p, err := Load(o)(t.Context(), tr, ".")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			found, err := r.Check(t.Context(), p)
			if rule.VerdictOf(found, err) == rule.Pass && r.Mend != nil {
				if edits, err := r.Mend(p); err != nil || len(edits) > 0 {
					t.Fatalf("%s passes and would change %v, %v", r.ID, edits, err)
				}
			}
			for _, x := range found {
				if x.Message == "" || x.File == "" {
					t.Fatalf("%s: %+v", r.ID, x)
				}
			}
		}
	})
}

// A lock file of 10,000 packages, with all rules and a database.
func BenchmarkProject(b *testing.B) {
	var entries []string
	for i := range 10_000 {
		entries = append(entries, fmt.Sprintf("package-number-%d 1.0.%d", i, i))
	}
	tr := open(b, map[string]string{"package.json": `{"dependencies":{"package-number-1":"^1"}}`, "package-lock.json": npmLock(append(entries, "crit 1.0.0")...)})
	o := options(b)
	rules := Rules()
	b.ReportAllocs()
	for b.Loop() {
		p, err := Load(o)(context.Background(), tr, ".")
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range rules {
			if _, err := r.Check(context.Background(), p); err != nil && !errors.Is(err, rule.ErrNotApplicable) {
				b.Fatal(err)
			}
		}
	}
}
