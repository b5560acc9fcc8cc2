package suppress

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

func now() time.Time { return time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC) }

// load begins a run in which one rule of one file was found.
func load(_ context.Context, t *tree.Tree, p string) (*State, error) {
	data, err := t.Read(p)
	if err != nil {
		return nil, err
	}
	f, err := Parse(p, data, now())
	if err != nil {
		return nil, err
	}
	s := f.Begin(now())
	s.Decide("config-sinks-missing", nil, "deploy/portcullis.toml")
	return s, nil
}

func TestRules(t *testing.T) {
	ruletest.Run(t, ruletest.Family[*State]{Kind: rule.Suppressions, Rules: Rules(), Load: load})
}

const good = "[[suppress]]\nrule = \"config-*\"\npath = \"deploy/**\"\nreason = \"events are shipped by the host\"\nowner = \"ops\"\nexpires = \"2026-06-30\"\n"

func TestDecide(t *testing.T) {
	f, err := Parse("f", []byte(good), now())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id, place string
		at        time.Time
		want      bool
	}{
		{"config-auth-none", "deploy/a/portcullis.toml", now(), true},
		{"config-auth-none", "deploy/portcullis.toml", now().Add(11 * time.Hour), true},
		{"config-auth-none", "deploy/portcullis.toml", now().Add(12 * time.Hour), false},
		{"config-auth-none", "portcullis.toml", now(), false},
		{"host-root", "deploy/portcullis.toml", now(), false},
	} {
		if got := f.Begin(c.at).Decide(c.id, nil, c.place) != nil; got != c.want {
			t.Errorf("%s %s at %s: %v", c.id, c.place, c.at, got)
		}
	}
}

// A decision about an advisory is about it alone, by any of its ids.
func TestDecideAdvisory(t *testing.T) {
	f, err := Parse("f", []byte("[[suppress]]\nrule = \"dependencies-vulnerable-*\"\nadvisory = \"cve-2026-1\"\nreason = \"the function is not called\"\nexpires = \"2026-06-30\"\n"), now())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id   string
		a    *rule.Advisory
		want bool
	}{
		{"dependencies-vulnerable-high", &rule.Advisory{ID: "GHSA-1", Aliases: []string{"CVE-2026-1"}}, true},
		{"dependencies-vulnerable-high", &rule.Advisory{ID: "CVE-2026-1"}, true},
		{"dependencies-vulnerable-high", &rule.Advisory{ID: "GHSA-1", Aliases: []string{"CVE-2026-11"}}, false},
		{"dependencies-malicious", &rule.Advisory{ID: "CVE-2026-1"}, false},
		{"dependencies-vulnerable-high", nil, false},
	} {
		if got := f.Begin(now()).Decide(c.id, c.a, "package-lock.json") != nil; got != c.want {
			t.Errorf("%s %+v: %v", c.id, c.a, got)
		}
	}
}

// Without a database nobody knows whether a decision about an advisory is needed.
func TestUnusedAdvisory(t *testing.T) {
	f, err := Parse("f", []byte("[[suppress]]\nrule = \"dependencies-vulnerable-*\"\nadvisory = \"CVE-2026-1\"\nreason = \"the function is not called\"\nexpires = \"2026-06-30\"\n"), now())
	if err != nil {
		t.Fatal(err)
	}
	for looked, want := range map[string]int{"": 0, "dependencies-lock-stale": 0, "dependencies-vulnerable-high": 1} {
		s := f.Begin(now())
		s.Looked(looked)
		for _, r := range Rules() {
			if r.ID != "suppressions-unused" {
				continue
			}
			if found, err := r.Check(t.Context(), s); err != nil || len(found) != want {
				t.Errorf("%q looked: %+v, %v", looked, found, err)
			}
		}
	}
}

// A run that had nothing for a rule does not tell that a decision about it is
// unused; one with a name that no rule has is told of.
func TestUnusedElsewhere(t *testing.T) {
	f, err := Parse("f", []byte("[[suppress]]\nrule = \"repository-*\"\npath = \"test/**\"\nreason = \"made up for the tests\"\nexpires = \"2026-06-30\"\n"), now())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ran  map[string]bool
		want bool
	}{
		"no such rule":     {nil, true},
		"another ran":      {map[string]bool{"config-tls-missing": true}, true},
		"had nothing":      {map[string]bool{"repository-secret": false, "repository-binary": false}, false},
		"looked":           {map[string]bool{"repository-secret": true}, true},
		"one of them only": {map[string]bool{"repository-secret": true, "repository-binary": false}, true},
	} {
		s := f.Begin(now())
		for id, ran := range c.ran {
			s.Ran(id, ran)
		}
		if got := s.idle(0); got != c.want {
			t.Errorf("%s: unused %v", name, got)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"a/b.toml", "a/b.toml", true},
		{"a/*.toml", "a/b.toml", true},
		{"a/*.toml", "a/c/b.toml", false},
		{"**/testdata/**", "a/b/testdata/x/y", true},
		{"**/testdata", "testdata/x", true},
		{"./a", "a/b", true},
		{"a", "ab", false},
		{"a/**", "a", true},
		{"*", "a", true},
	} {
		if got := matches(c.pattern, c.path); got != c.want {
			t.Errorf("%s %s: %v", c.pattern, c.path, got)
		}
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		strings.Replace(good, "reason = \"events are shipped by the host\"\n", "", 1): "f:1: suppress[0]",
		strings.Replace(good, "events are shipped by the host", "because", 1):         "f:4: suppress[0].reason: say why",
		strings.Replace(good, "2026-06-30", "soon", 1):                                "f:6: suppress[0].expires: \"soon\": want a day",
		strings.Replace(good, "2026-06-30", "2028-01-01", 1):                          "want a day within a year",
		strings.Replace(good, "config-*", "*", 1):                                     "want the id of a rule",
		strings.Replace(good, "deploy/**", "[", 1):                                    "is no pattern",
		strings.Replace(good, "owner", "woner", 1):                                    "woner",
		strings.Replace(good, "deploy/**", "**/*", 1):                                 "want a path that names something",
		strings.Replace(good, "path = \"deploy/**\"\n", "", 1):                        "want a path that names something",
		"[[exclude]]\npath = \"**\"\nreason = \"it is all wrong\"\n":                  "is everything",
		"[[exclude]]\npath = \"./*/**\"\nreason = \"it is all wrong\"\n":              "is everything",
		"[[exclude]]\npath = \"a\"\n":                                                 "f:1: exclude[0]",
		"[[exclude]]\npath = \"a\"\nreason = \"no\"\n":                                "say why",
	} {
		f, err := Parse("f", []byte(text), now())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", text, f, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good), "deploy/portcullis.toml")
	f.Add([]byte("[[exclude]]\npath = \"**/x/**\"\nreason = \"samples that are wrong\"\n"), "a/x/b")
	f.Fuzz(func(t *testing.T, data []byte, place string) {
		decisions, err := Parse("f", data, now())
		if err != nil {
			return
		}
		for _, d := range decisions.Suppress {
			if strings.TrimSpace(d.Reason) == "" || d.Expires == "" {
				t.Errorf("a decision without reason or end is taken: %+v", d)
			}
		}
		// One whose end has long passed hides nothing, whatever its pattern.
		if d := decisions.Begin(now().AddDate(3, 0, 0)).Decide("config-auth-none", nil, place); d != nil {
			t.Errorf("%+v still holds", d)
		}
	})
}
