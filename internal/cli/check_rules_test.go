package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/harden/check"
)

// A rule that tells people to type a verb names one that is there.
func TestRulesNameVerbsThatAreThere(t *testing.T) {
	root := cli{&frame.Frame{Env: os.LookupEnv}}.root()
	command := regexp.MustCompile(`(?:'portcullis ([^']+)'|: portcullis ([^.,]+))`)
	seen := 0
	for _, m := range check.Rules() {
		for _, found := range command.FindAllStringSubmatch(m.Why+" "+m.Verify+" "+m.Fix, -1) {
			seen++
			words := strings.Fields(found[1] + found[2])
			verb, rest, err := root.Find(words)
			if err != nil {
				t.Errorf("%s: portcullis %s: %v", m.ID, strings.Join(words, " "), err)
				continue
			}
			if len(rest) > 0 && verb.HasSubCommands() && !strings.HasPrefix(rest[0], "-") && verb.Name() != "check" {
				t.Errorf("%s: portcullis %s: %q has no verb %q", m.ID, strings.Join(words, " "), verb.CommandPath(), rest[0])
			}
			for _, w := range rest {
				if name, ok := strings.CutPrefix(w, "--"); ok && verb.Flags().Lookup(name) == nil && verb.InheritedFlags().Lookup(name) == nil {
					t.Errorf("%s: %q has no flag %s", m.ID, verb.CommandPath(), w)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d commands were found in the rules", seen)
	}
}
