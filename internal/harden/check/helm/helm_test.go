package helm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// double puts a program in the place of Helm that writes out the chart's
// templates/all.yaml, and tells what it was given.
func double(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "helm"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return dir
}

const writesTemplates = `[ "$1" = template ] && [ -f "$3/Chart.yaml" ] || exit 2
cat "$3/templates/all.yaml"
`

func TestRules(t *testing.T) {
	double(t, writesTemplates)
	ruletest.Run(t, ruletest.Family[*Chart]{Kind: rule.Helm, Rules: Rules(), Load: Load, Find: Find})
}

func every(rule.Severity) bool { return true }

func chart(t *testing.T) *Chart {
	t.Helper()
	tr, err := tree.Open(t.Context(), "testdata/helm-manifests/pass")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	c, err := Load(t.Context(), tr, "Chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What was not rendered is unknown, with the reason, and never a pass.
func TestNotRenderedIsUnknown(t *testing.T) {
	for script, want := range map[string]string{
		"exit 1": "exit status 1", "echo broken >&2; exit 3": "broken", "echo 'kind: {'": "", "echo 'apiVersion: v1'; echo 'kind: Pod'; echo 'kind: Pod'": "twice",
	} {
		double(t, script)
		found, err := chart(t).rendered(t.Context(), every)
		if rule.VerdictOf(found, err) != rule.Unknown || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", script, found, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	found, err := chart(t).rendered(t.Context(), every)
	if rule.VerdictOf(found, err) != rule.Unknown || !strings.Contains(err.Error(), "helm is not on PATH") {
		t.Errorf("without Helm: %+v, %v", found, err)
	}
}

// A chart is rendered for today's Kubernetes, and where it refuses that, for
// another one that it takes.
func TestChartsAreRenderedForAVersionThatTheyTake(t *testing.T) {
	for takes, want := range map[string]rule.Verdict{clusters()[0]: rule.Pass, "1.29.0": rule.Pass, "1.99.0": rule.Pass, "1.2.3": rule.Unknown} {
		double(t, `for v; do :; done
[ "$v" = `+takes+` ] || { echo "Error: chart requires kubeVersion: $v which is incompatible" >&2; exit 1; }
cat "$3/templates/all.yaml"
`)
		found, err := chart(t).rendered(t.Context(), every)
		if got := rule.VerdictOf(found, err); got != want || want == rule.Unknown && !strings.Contains(err.Error(), "requires kubeVersion") {
			t.Errorf("%s: %s, %+v, %v", takes, got, found, err)
		}
	}
}

// Helm gets no variable of the caller and nothing of the folder itself.
func TestHelmIsAlone(t *testing.T) {
	t.Setenv("PORTCULLIS_TEST_SECRET", "x")
	double(t, writesTemplates+`[ -z "$PORTCULLIS_TEST_SECRET" ] && case "$3" in /*portcullis-chart-*) ;; *) exit 4 ;; esac && [ "$HOME" = "$PWD" ] || exit 5
`)
	if found, err := chart(t).rendered(t.Context(), every); rule.VerdictOf(found, err) != rule.Pass {
		t.Errorf("%+v, %v", found, err)
	}
}

func FuzzRules(f *testing.F) {
	f.Add([]byte("name: a\ndependencies: [{name: b, version: ^1}]\n"), []byte("image: {repository: a, tag: latest}\n"))
	empty, err := tree.Open(f.Context(), f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, about, values []byte) {
		c, err := Load(t.Context(), empty.With(map[string][]byte{"Chart.yaml": about, "values.yaml": values}), "Chart.yaml")
		if err != nil {
			return
		}
		for _, r := range Rules() {
			if strings.HasPrefix(r.ID, "helm-manifests") {
				continue
			}
			found, err := r.Check(t.Context(), c)
			if err != nil {
				t.Errorf("%s: %v", r.ID, err)
			}
			for _, finding := range found {
				if finding.Line < 1 || finding.Message == "" {
					t.Errorf("%s: %+v", r.ID, finding)
				}
			}
		}
	})
}

// Values for one place are values; encrypted ones hold no credential in clear.
func TestValuesOfPlaces(t *testing.T) {
	for text, want := range map[string]rule.Verdict{
		"db: {password: hunter22}\n": rule.Fail, "db: {host: db}\n": rule.Pass, "db: {password: 'ENC[AES256_GCM,data:x]'}\nsops: {version: 3.9.0}\n": rule.Pass,
	} {
		dir := t.TempDir()
		for name, content := range map[string]string{"Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n", "values.yaml": "a: 1\n", "values-prod.yaml": text} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		tr, err := tree.Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		c, err := Load(t.Context(), tr, "Chart.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range Rules() {
			if r.ID != "helm-values-secret" {
				continue
			}
			found, err := r.Check(t.Context(), c)
			if got := rule.VerdictOf(found, err); got != want || want == rule.Fail && found[0].File != "values-prod.yaml" {
				t.Errorf("%q: %s, %+v", text, got, found)
			}
		}
	}
}
