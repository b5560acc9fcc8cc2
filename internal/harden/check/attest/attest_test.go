package attest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

func now() time.Time { return time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC) }

func load(_ context.Context, t *tree.Tree, p string) (*Book, error) {
	data, err := t.Read(p)
	if err != nil {
		return nil, err
	}
	return Parse(p, data, now())
}

// Statements that have ended fail, those that count pass. The fixtures differ
// only in names, so they are made.
func TestRules(t *testing.T) {
	dir := t.TempDir()
	for _, l := range lines {
		folder := filepath.Join(dir, "testdata", id(l))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, until := range map[string]string{"fail.toml": "2026-06-29", "pass.toml": "2026-06-30"} {
			text := fmt.Sprintf("[[attestation]]\nrule = %q\nowner = \"Ada\"\non = \"2026-06-25\"\nuntil = %q\n", id(l), until)
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Chdir(dir)
	ruletest.Run(t, ruletest.Family[*Book]{Kind: rule.Attestation, Rules: Rules(), Load: load})
}

// Doing what every rule names as its fix makes it pass.
func TestTheFixMakesEveryRulePass(t *testing.T) {
	for _, r := range Rules() {
		data, err := Empty("f", now()).Add(Statement{Rule: r.ID, Owner: "Ada", On: "2026-06-30", Until: "2026-07-01"})
		if err != nil {
			t.Fatal(err)
		}
		b, err := Parse("f", data, now())
		if err != nil {
			t.Fatal(err)
		}
		if found, err := r.Check(t.Context(), b); rule.VerdictOf(found, err) != rule.Pass {
			t.Errorf("%s: %v, %v", r.ID, found, err)
		}
	}
}

func TestWhatNobodyHasSaidIsUnknown(t *testing.T) {
	for _, r := range Rules() {
		found, err := r.Check(t.Context(), Empty("f", now()))
		if rule.VerdictOf(found, err) != rule.Unknown {
			t.Errorf("%s: %v, %v", r.ID, found, err)
		}
	}
}

func TestAdd(t *testing.T) {
	b := Empty("f", now())
	s := Statement{Rule: "attestation-log-review", Owner: "Ada \"the\" reader", On: "2026-06-30", Until: "2026-07-10", Note: "ticket 7"}
	data, err := b.Add(s)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = Parse("f", data, now()); err != nil || len(b.Statements) != 1 || b.Statements[0] != s {
		t.Fatalf("%+v, %v", b, err)
	}
	s.Owner = "Grace"
	if data, err = b.Add(s); err != nil || strings.Count(string(data), "[[attestation]]") != 1 {
		t.Errorf("a second statement stands beside the first: %s, %v", data, err)
	}
	for want, change := range map[string]func(*Statement){
		"is no line":           func(s *Statement) { s.Rule = "config-auth-none" },
		"owner: want":          func(s *Statement) { s.Owner = " " },
		"on: \"today\"":        func(s *Statement) { s.On = "today" },
		"has not come":         func(s *Statement) { s.On, s.Until = "2026-07-09", "2026-07-10" },
		"is before on":         func(s *Statement) { s.Until = "2026-06-01" },
		"until: \"soon\"":      func(s *Statement) { s.Until = "soon" },
		"10 days from on or l": func(s *Statement) { s.Until = "2026-07-11" },
	} {
		wrong := s
		change(&wrong)
		if data, err := b.Add(wrong); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %s, %v", want, data, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("[[attestation]]\nrule = \"attestation-log-review\"\nowner = \"Ada\"\non = \"2026-06-25\"\nuntil = \"2026-06-29\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Parse("f", data, now())
		if err != nil {
			return
		}
		for _, s := range b.Statements {
			if _, err := b.Add(s); err != nil && !strings.Contains(err.Error(), "stands twice") {
				t.Errorf("what was read cannot be written: %v", err)
			}
		}
	})
}
