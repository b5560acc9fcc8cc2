package ossa

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config"
	rules "github.com/portcullis-dev/portcullis/internal/inspect/content"
)

// decides returns what the rules do with a finding: the first that fits.
func decides(list []rules.Rule, kind string, score int) rules.Action {
	for _, r := range list {
		for _, name := range r.Detect {
			for _, n := range rules.Expand(name) {
				if score >= r.MinScore && (n == "*" || n == kind || strings.HasPrefix(kind, n+".")) {
					return r.Action
				}
			}
		}
	}
	return rules.Allow
}

// TestNeverLessThanThePreset: whatever a manifest says of content, no finding
// is treated more kindly than by the preset of its route alone, and none that
// it names more kindly than it says.
func TestNeverLessThanThePreset(t *testing.T) {
	wanted := map[string]rules.Action{"warn": rules.Alert, "redact": rules.Redact, "block": rules.Block}
	rapid.Check(t, func(t *rapid.T) {
		action := func(label string) string {
			return rapid.SampledFrom([]string{"warn", "redact", "block"}).Draw(t, label)
		}
		types := rapid.SliceOfNDistinct(rapid.SampledFrom(piiTypes[:]), 1, 4, rapid.ID[string]).Draw(t, "types")
		pii, secrets, injection := action("pii"), action("secrets"), action("injection")
		r, err := Generate(fmt.Appendf(nil, "%s  safety:\n    pii_detection: {types: [%s], action: %s}\n    guardrails: {secrets_detection: {action: %s}, prompt_injection: {action: %s}}\nsecurity:\n  data_classification: %s\n  network_access: {egress_policy: %s, allowed_domains: [a.example]}\n",
			head, flow(types), pii, secrets, injection,
			rapid.SampledFrom([]string{"public", "restricted"}).Draw(t, "class"), rapid.SampledFrom([]string{"allow-all", "allow-list", "deny-all"}).Draw(t, "egress")), Options{Name: "m"})
		if err != nil {
			t.Fatal(err)
		}
		cfg, _, err := config.Parse("generated", []byte(r.Config), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		detectors, err := cfg.Detectors()
		if err != nil {
			t.Fatal(err)
		}
		asked := map[string]string{"secret": secrets, "injection": injection}
		for _, name := range types {
			for _, kind := range rules.Expand(name) {
				if !strings.HasPrefix(kind, "secret") {
					asked[kind] = pii
				}
			}
		}
		for _, direction := range []portcullis.Direction{portcullis.ToServer, portcullis.ToClient} {
			own, err := cfg.Routes[0].Inspect.Rules(direction)
			if err != nil {
				t.Fatal(err)
			}
			preset := rules.Preset(cfg.Routes[0].Inspect.Preset, direction)
			for _, d := range detectors {
				for _, kind := range d.Kinds() {
					for _, score := range []int{50, 60, 75, 90, 100} {
						got, least := decides(own, kind, score), decides(preset, kind, score)
						if got < least {
							t.Fatalf("%s of score %d, direction %v: %v, the preset says %v\n%s", kind, score, direction, got, least, r.Config)
						}
					}
					top, _, _ := strings.Cut(kind, ".")
					for _, name := range slices.Compact([]string{kind, top}) {
						if want, ok := asked[name]; ok && decides(own, kind, 100) < wanted[want] {
							t.Fatalf("%s, direction %v: %v, the manifest says %s\n%s", kind, direction, decides(own, kind, 100), want, r.Config)
						}
					}
				}
			}
		}
	})
}
