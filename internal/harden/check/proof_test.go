package check

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
)

// Every rule is shown to pass by the fix that it names: by doing it where there
// is a Mend or a statement to make, by fixtures that are one file before and after it, or, for what is
// reached over the network, by a server with the fault and without.
func TestEveryFixIsProven(t *testing.T) {
	mended, paired, attested, served := 0, 0, 0, 0
	for _, f := range families(Options{}) {
		for _, b := range f.rules {
			folders, err := filepath.Glob(filepath.Join("*", "testdata", b.meta.ID))
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case slices.Contains([]rule.Kind{rule.MCPEndpoint, rule.A2AEndpoint, rule.HTTPEndpoint}, f.kind):
				served++ // package endpoint's tests demand both servers of each
			case f.kind == rule.Attestation:
				attested++ // package attest's tests write the statement that Fix names
			case len(folders) != 1:
				t.Errorf("%s: %d folders of fixtures", b.meta.ID, len(folders))
			case b.mend != nil:
				mended++ // ruletest does it
			default:
				paired++
				for _, why := range ruletest.Unproven(folders[0], b.meta) {
					t.Errorf("%s: %s", b.meta.ID, why)
				}
			}
		}
	}
	if mended < 34 || paired < 300 || attested < 28 || served < 60 {
		t.Errorf("%d rules mended, %d paired, %d attested, %d served: fewer than there were", mended, paired, attested, served)
	}
	t.Logf("%d rules are mended, %d have a file before and after, %d a statement, %d a server with and without: %d in all", mended, paired, attested, served, mended+paired+attested+served)
}
