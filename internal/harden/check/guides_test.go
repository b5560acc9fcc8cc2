package check_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/outcome"
	"github.com/portcullis-dev/portcullis/internal/harden/check/render/schematest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// verdicts checks a folder and returns what each rule says.
func verdicts(t *testing.T, name string) map[string]rule.Verdict {
	t.Helper()
	tr, err := tree.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	found, err := check.Find(tr)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatalf("%s: no target", name)
	}
	out := map[string]rule.Verdict{}
	report := check.Run(t.Context(), found, check.Options{})
	schematest.Outcome(t, outcome.New(t.Context(), report, outcome.Options{Version: "test", Now: time.Unix(1, 0), FailOn: rule.Low}))
	for _, target := range report.Targets {
		if target.Error != "" {
			t.Errorf("%s: %s", target.Name, target.Error)
		}
		for _, r := range target.Results {
			if out[r.ID] != rule.Fail {
				out[r.ID] = r.Verdict
			}
		}
	}
	return out
}

// The samples that the guides themselves print have faults. Each must be seen,
// by the rule that is about it.
func TestSamplesOfTheGuides(t *testing.T) {
	samples := map[string]string{
		"S0-49": "dockerfile-no-dependencies dockerfile-image-ended dockerfile-image-digest dockerfile-user-name",
		"S0-51": "kubernetes-bare-pod kubernetes-image-latest kubernetes-image-digest kubernetes-seccomp kubernetes-service-account-token kubernetes-liveness kubernetes-readiness",
		"S1-3":  "dockerfile-image-digest dockerfile-copy-everything dockerfile-no-healthcheck dockerfile-user-name",
		"S1-5":  "nginx-tls-versions nginx-proxy-headers nginx-body-limit nginx-hsts nginx-rate-limit",
		"S1-6":  "firewall-no-replies firewall-loopback-by-address firewall-one-family",
		"S1-17": "compose-version compose-image-latest compose-image-digest compose-capabilities compose-read-only compose-new-privileges compose-no-user compose-limits compose-healthcheck",
		"S1-19": "kubernetes-selector-missing kubernetes-labels-mismatch kubernetes-run-as-non-root kubernetes-capabilities-kept kubernetes-liveness kubernetes-readiness kubernetes-image-latest kubernetes-network-policy-missing",
		"S3-9":  "kubernetes-role-secrets kubernetes-account-token",
		"S3-12": "kubernetes-secret-in-repository kubernetes-secret-in-environment",
		"S3-16": "kubernetes-policy-namespace-label kubernetes-policy-external kubernetes-policy-no-dns kubernetes-policy-dns-anywhere",
		"S3-20": "dockerfile-user-taken dockerfile-image-ended dockerfile-copy-everything",
		"S3-21": "dockerfile-build-without-tools dockerfile-image-ended dockerfile-no-user dockerfile-no-healthcheck",
		"S3-32": "kubernetes-volume-encryption",
		"S3-46": "ci-action-branch ci-action-hijacked ci-action-unpinned ci-action-retired ci-sarif-permission ci-scan-without-build ci-permissions-missing",
		"S4-9":  "kubernetes-job-restart kubernetes-cron-concurrency kubernetes-image-latest",
		"S4-26": "kubernetes-pod-security-policy",
		"S4-27": "kubernetes-policy-namespace-label kubernetes-policy-external kubernetes-policy-no-dns",
	}
	entries, err := os.ReadDir("testdata/guides")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if samples[e.Name()] == "" {
			t.Errorf("testdata/guides/%s: nothing is expected of it", e.Name())
		}
	}
	for row, want := range samples {
		got := verdicts(t, filepath.Join("testdata/guides", row))
		for _, id := range strings.Fields(want) {
			if got[id] != rule.Fail {
				t.Errorf("%s: %s: %q, want fail", row, id, got[id])
			}
		}
	}
}

// Manifests of others are read to the end, and their faults are seen.
func TestForeignManifests(t *testing.T) {
	folder := os.Getenv("PORTCULLIS_SAMPLES")
	if folder == "" {
		t.Skip("PORTCULLIS_SAMPLES does not name the folder of samples")
	}
	got := verdicts(t, filepath.Join(folder, "chrysalis"))
	for _, id := range []string{
		"kubernetes-image-latest", "kubernetes-image-digest", "kubernetes-seccomp", "kubernetes-service-account-token", "kubernetes-account-token",
		"kubernetes-policy-namespace-label", "kubernetes-policy-metadata", "kubernetes-policy-dns-anywhere", "kubernetes-default-deny",
		"kubernetes-ingress-cors", "kubernetes-replicas-and-autoscaler", "kubernetes-same-probes", "kubernetes-scratch-unbounded",
	} {
		if got[id] != rule.Fail {
			t.Errorf("%s: %q, want fail", id, got[id])
		}
	}
	for _, id := range []string{"kubernetes-privileged", "kubernetes-run-as-non-root", "kubernetes-read-only-root", "kubernetes-disruption-budget", "kubernetes-ingress-tls", "kubernetes-policy-no-dns"} {
		if got[id] != rule.Pass {
			t.Errorf("%s: %q, want pass", id, got[id])
		}
	}
}

// Every id is one, and belongs to its kind.
func TestIDsAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range check.Rules() {
		if seen[m.ID] {
			t.Errorf("%s stands twice", m.ID)
		}
		seen[m.ID] = true
		if !slices.Contains(rule.Kinds(), m.Kind) {
			t.Errorf("%s: the kind %s is not listed", m.ID, m.Kind)
		}
	}
	t.Logf("%d rules", len(seen))
}
