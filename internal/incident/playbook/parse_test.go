package playbook

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
)

const small = `title = "small"

[[step]]
name = "hold"
action = "contain"
args = { subject = "{subject}", for = "1h" }
`

// TestMistakes: each mistake is told with the line it is on.
func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":     {small + "why = \"x\"\n", `bad.toml:7: there is no key "step.why"`},
		"not toml":        {"title = \n", "bad.toml:1: "},
		"twice":           {"title = \"a\"\ntitle = \"b\"\n", "bad.toml:2: "},
		"no title":        {strings.Replace(small, `title = "small"`, "", 1), "bad.toml: title: want 1 to 200 bytes"},
		"no steps":        {`title = "x"`, "want 1 to 50 steps, not 0"},
		"no action":       {strings.Replace(small, `"contain"`, `""`, 1), `bad.toml:3: action: ""`},
		"odd action":      {strings.Replace(small, `"contain"`, `"rm -rf"`, 1), `bad.toml:3: action: "rm -rf"`},
		"phase":           {small + "phase = \"panic\"\n", `bad.toml:3: phase: "panic": want one of`},
		"same name":       {small + strings.TrimPrefix(small, `title = "small"`), `bad.toml:9: name: "hold": two steps have it`},
		"argument name":   {strings.Replace(small, "for =", "For =", 1), `bad.toml:3: args: "For"`},
		"reserved":        {strings.Replace(small, "for =", "incident =", 1), `bad.toml:3: args: "incident"`},
		"open brace":      {strings.Replace(small, "{subject}", "{subject", 1), `want {name} for what comes from the incident`},
		"argument number": {strings.Replace(small, `"1h"`, `1`, 1), "bad.toml:6: "},
		"long":            {strings.Repeat("#", MaxFile+1), "more than 65536 bytes"},
		"many":            {"title = \"x\"\n" + strings.Repeat("[[step]]\nname = \"x\"\naction = \"y\"\n", MaxSteps+1), "want 1 to 50 steps, not 51"},
	} {
		if p, err := Parse("bad", []byte(c.text)); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v; want %q", name, p, err, c.want)
		}
	}
	if _, err := Parse("../x", []byte(small)); !errors.Is(err, ErrInvalid) {
		t.Errorf("a name that leaves the folder: %v", err)
	}
}

func TestBuiltIn(t *testing.T) {
	l, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"compromised-upstream", "default", "exfiltration", "insider", "poisoned-tool", "stolen-key"}; !slices.Equal(l.Names(), want) {
		t.Errorf("%v, want %v", l.Names(), want)
	}
	for name, p := range l {
		evidence := -1
		for i, s := range p.Steps {
			switch s.Action {
			case Evidence:
				evidence = i
			case "rotate-all", "revoke-sessions", "revoke-key", "scale-down", "release":
				if evidence < 0 {
					t.Errorf("%s: %s comes before evidence", name, s.Action)
				}
			}
		}
		if evidence < 0 || !p.BuiltIn {
			t.Errorf("%s preserves nothing", name)
		}
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("default.toml", small)
	write("ours.toml", small)
	write("README", "not a playbook")
	l, err := Load(dir)
	if err != nil || l["ours"] == nil || l["default"].BuiltIn || len(l["default"].Steps) != 1 || l["insider"] == nil {
		t.Fatalf("%v, %v", l.Names(), err)
	}
	write("bad.toml", "title = 1")
	if _, err := Load(dir); !errors.Is(err, ErrInvalid) {
		t.Errorf("%v", err)
	}
	if _, err := Load(filepath.Join(dir, "nothing")); err == nil {
		t.Error("a folder that is not there is empty")
	}
}

func TestVars(t *testing.T) {
	i := &casebook.Incident{ID: "i1", Severity: casebook.P2, Summary: "odd", Subjects: []string{"principal:key:abc", "tool:files/read", "ip:10.0.0.1", "upstream:a.example.com", "user:alice"}}
	got := Vars(i, map[string]string{"ticket": "4711", "title": "said"})
	for name, want := range map[string]string{
		"subject": "principal:key:abc", "key": "abc", "tool": "files/read", "route": "files", "address": "10.0.0.1", "upstream": "a.example.com",
		"user": "alice", "ticket": "4711", "title": "said", "severity": "P2", "incident": "i1",
	} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
}

// FuzzParse: what is read is within its bounds, and what is filled in changes
// only the place it is filled into.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("title=\"x\"\nstep = [{name=\"a\", action=\"b\"}]"))
	f.Add([]byte("[[step]]\n[step.args]\nx = '''{a}{b}'''"))
	f.Add([]byte("[[ step ]]\n\"name\" = \"\\u0000\""))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse("x", text)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("%v", err)
			}
			return
		}
		if len(p.Steps) == 0 || len(p.Steps) > MaxSteps || p.Title == "" {
			t.Fatalf("%+v", p)
		}
		for i := range p.Steps {
			if !nameForm.MatchString(p.Steps[i].Action) {
				t.Fatalf("action %q", p.Steps[i].Action)
			}
			args, err := p.Steps[i].fill(map[string]string{"subject": "{incident}", "incident": "i"})
			var unknown *UnknownError
			if err != nil && !errors.As(err, &unknown) {
				t.Fatal(err)
			}
			if err == nil && len(args) != len(p.Steps[i].Args) {
				t.Fatalf("%v of %v", args, p.Steps[i].Args)
			}
		}
	})
}
