package kubernetes

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/pod-security-admission/policy"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

func TestRules(t *testing.T) {
	ruletest.Run(t, ruletest.Family[*Set]{Kind: rule.Kubernetes, Rules: Rules(), Load: Load})
}

// load reads a file or folder.
func load(t *testing.T, name string) *Set {
	t.Helper()
	tr, err := tree.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	found := Find(tr)
	if len(found) != 1 {
		t.Fatalf("%s: targets %q", name, found)
	}
	s, err := Load(t.Context(), tr, found[0])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What follows all the advice is found fault with by no rule.
func TestGoodManifests(t *testing.T) {
	s := load(t, "testdata/good")
	for _, r := range Rules() {
		found, err := r.Check(t.Context(), s)
		if v := rule.VerdictOf(found, err); v != rule.Pass && (v != rule.Skipped || r.ID != "kubernetes-token-secret" && r.ID != "kubernetes-secret-in-repository") {
			t.Errorf("%s: %s: %+v, %v", r.ID, v, found, err)
		}
	}
}

// Every check that the library has is one of the rules.
func TestPodSecurityIsWhole(t *testing.T) {
	if n, want := len(podSecurity()), len(policy.DefaultChecks()); n != want {
		for _, c := range policy.DefaultChecks() {
			t.Log(c.ID, c.Level)
		}
		t.Errorf("%d rules for %d checks", n, want)
	}
}

// A file that cannot be read is never a pass.
func TestUnreadIsUnknown(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"broken.yaml":   "apiVersion: v1\nkind: Pod\nmetadata: {\n",
		"template.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {{ .Values.x }}\n",
		"twice.yaml":    "apiVersion: v1\nkind: Pod\nkind: Service\n",
	} {
		at := filepath.Join(dir, name)
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := load(t, at)
		for _, r := range Rules() {
			if v := rule.VerdictOf(r.Check(t.Context(), s)); v == rule.Pass || v == rule.Skipped {
				t.Errorf("%s: %s: %s", name, r.ID, v)
			}
		}
	}
	s := &Set{}
	s.read("x.yaml", []byte("apiVersion: apps/v1\nkind: Deployment\nspec: {template: {spec: {containers: 3}}}\n"))
	for _, r := range podSecurity() {
		if v := rule.VerdictOf(r.Check(t.Context(), s)); v != rule.Unknown {
			t.Errorf("containers that are none: %s: %s", r.ID, v)
		}
	}
}

func TestNothingToJudge(t *testing.T) {
	for _, r := range Rules() {
		if _, err := r.Check(t.Context(), &Set{}); !errors.Is(err, rule.ErrNotApplicable) {
			t.Errorf("%s: %v", r.ID, err)
		}
	}
}

// A manifest is one in whatever way its two fields are written, and of
// whatever size.
func TestManifest(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, securityContext: {privileged: true}}]}\n"
	for text, want := range map[string]bool{
		pod: true, "\ufeff" + pod: true, "# c\r\n---\r\n" + strings.ReplaceAll(pod, "\n", "\r\n"): true,
		"  " + strings.ReplaceAll(strings.TrimSpace(pod), "\n", "\n  "):                                true,
		"'apiVersion': v1\nkind : Pod\nspec: {containers: [{securityContext: {privileged: true}}]}":    true,
		"{apiVersion: v1, kind: Pod, spec: {containers: [{securityContext: {privileged: true}}]}}":     true,
		"--- {apiVersion: v1, kind: Pod, spec: {containers: [{securityContext: {privileged: true}}]}}": true,
		pod + "#" + strings.Repeat("x", tree.MaxFile):                                                  true,
		"a:\n  apiVersion: v1\n  kind: Pod\n":                                                          false,
		"{{ if .x }}\na:\n  apiVersion: v1\n  kind: Pod\n{{ end }}\n":                                  false,
		"kind: Pod\n": false,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		tr, err := tree.Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		if got := len(Find(tr)) == 1; got != want {
			t.Errorf("%.60q is found: %v", text, got)
			continue
		}
		s, err := Load(t.Context(), tr, ".")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range Rules() {
			if got := rule.VerdictOf(r.Check(t.Context(), s)); r.ID == "kubernetes-privileged" && want && got != rule.Fail {
				t.Errorf("%.60q: %s", text, got)
			}
		}
	}
}

func TestSelectors(t *testing.T) {
	for text, want := range map[string]bool{
		"{}": true, "{matchLabels: {a: b}}": true, "{matchLabels: {a: c}}": false,
		"{matchExpressions: [{key: a, operator: In, values: [b, c]}]}": true,
		"{matchExpressions: [{key: a, operator: NotIn, values: [b]}]}": false,
		"{matchExpressions: [{key: a, operator: Exists}]}":             true,
		"{matchExpressions: [{key: a, operator: DoesNotExist}]}":       false,
		"{matchExpressions: [{key: z, operator: Near}]}":               false,
		"3": false,
	} {
		s := &Set{}
		s.read("x.yaml", []byte("apiVersion: v1\nkind: X\nselector: "+text))
		if got := selects(s.Objects[0].Doc.Get("selector"), map[string]string{"a": "b"}); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func FuzzRules(f *testing.F) {
	files, err := filepath.Glob("testdata/kubernetes-*/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	rules := Rules()
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &Set{}
		s.read("x.yaml", data)
		for _, r := range rules {
			found, err := r.Check(t.Context(), s)
			if s.unread != nil && rule.VerdictOf(found, err) == rule.Pass {
				t.Errorf("%s passes what was not read", r.ID)
			}
			for _, finding := range found {
				if finding.Line < 1 || finding.File != "x.yaml" || finding.Message == "" {
					t.Errorf("%s: %+v", r.ID, finding)
				}
			}
		}
	})
}
