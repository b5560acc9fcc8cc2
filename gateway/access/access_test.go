package access

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config"
)

func TestDigestTellsChanges(t *testing.T) {
	dir := t.TempDir()
	cfg := config.Default()
	if got := Digest(cfg); got != "" {
		t.Errorf("without files: %q", got)
	}
	cfg.Access.PolicyFiles = []string{filepath.Join(dir, "*.cedar")}
	seen := map[string]string{}
	for _, step := range []struct{ name, file, text string }{
		{"none", "", ""}, {"one", "a.cedar", "x"}, {"changed", "a.cedar", "y"}, {"another", "b.cedar", "x"}, {"not one of them", "c.txt", "z"},
	} {
		if step.file != "" {
			if err := os.WriteFile(filepath.Join(dir, step.file), []byte(step.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got := Digest(cfg)
		if other, twice := seen[got]; twice != (step.file == "c.txt") || got == "" {
			t.Errorf("%s: digest %q is that of %q", step.name, got, other)
		}
		seen[got] = step.name
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder.cedar"), 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Routes = []config.Route{config.DefaultRoute()}
	for pattern, want := range map[string]string{
		"folder.cedar": "is not a regular file", "absent.cedar": "access.policy_files[0]: there is no file",
	} {
		cfg.Access.PolicyFiles = []string{filepath.Join(dir, pattern)}
		if _, err := New(cfg, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", pattern, err)
		}
	}
	cfg.Routes = nil // keys can be revoked whatever the files hold
	if _, err := New(cfg, nil, nil); err != nil {
		t.Error(err)
	}
}

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]portcullis.Target{
		"":                   {},
		"tool:a:b":           {Kind: portcullis.TargetTool, Name: "a:b"},
		"resource:file:///a": {Kind: portcullis.TargetResource, Name: "file:///a"},
		"prompt:p":           {Kind: portcullis.TargetPrompt, Name: "p"},
		"skill:s":            {Kind: portcullis.TargetSkill, Name: "s"},
	} {
		if got, err := ParseTarget(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"tool", "tool:", ":a", "tools:a", "a"} {
		if got, err := ParseTarget(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

// says is a guard that always says the same.
type says struct {
	portcullis.Decision
	err error
}

func (says) Name() string { return "says" }

func (s says) Authorize(context.Context, portcullis.Principal, portcullis.Action) (portcullis.Decision, error) {
	return s.Decision, s.err
}

func TestExplain(t *testing.T) {
	yes := says{portcullis.Decision{Effect: portcullis.Allow, Rule: "yes"}, nil}
	no := says{portcullis.Decision{Rule: "no"}, nil}
	broken := says{portcullis.Decision{Effect: portcullis.Allow}, errors.New("broken")}
	for _, c := range []struct {
		guards []portcullis.Authorizer
		want   bool
		rule   string
	}{
		{nil, false, ""},
		{[]portcullis.Authorizer{yes, yes}, true, "yes"},
		{[]portcullis.Authorizer{yes, no, broken}, false, "no"},
		{[]portcullis.Authorizer{broken, yes}, false, "failed: broken"},
	} {
		got := Explain(t.Context(), c.guards, portcullis.Principal{ID: "a"}, portcullis.Action{})
		if got.Allowed() != c.want || got.Rule != c.rule || len(got.Guards) != len(c.guards) {
			t.Errorf("got %+v", got)
		}
	}
}
