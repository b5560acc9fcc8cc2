package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/authn/apikey/keytext"
)

// TestDetectorsAreTold holds that what the configuration says reaches the
// detectors.
func TestDetectorsAreTold(t *testing.T) {
	keys, err := keytext.NewGrammar("gate_")
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	c.Identity.APIKey.Prefix = "gate"
	c.Security.CustomSensitiveParams = []string{"my_secret"}
	c.Inspect = Inspect{Locales: []string{"nl"}, LinkHosts: []string{"acme.io"}, InsideHosts: []string{"10.1.1.1"}}
	found := func(text string) []string {
		t.Helper()
		all, err := c.Detectors()
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, d := range all {
			for _, f := range d.Find(nil, []byte(text)) {
				kinds = append(kinds, f.Kind)
			}
		}
		return kinds
	}
	own := keys.Complete("0123456789abcdef0123456789abcdef", []byte("0123456789012345678901234567")).Reveal()
	for _, tt := range []struct{ text, want string }{
		{"a key " + own + " here", "secret.own_key"}, {"https://api.acme.io/?my_secret=Abc12345", "url.credential"},
		{"BSN 111222333", "pii.nl_bsn"}, {"SSN 536-22-1234", ""}, {"http://10.1.1.1/", ""}, {"http://10.1.1.2/", "egress.private"},
		{"![x](https://cdn.acme.io/a.png)", ""}, {"![x](https://other.io/a.png)", "url.exfiltration"},
	} {
		got := found(tt.text)
		got = slices.DeleteFunc(got, func(k string) bool { return k == "pii.ip" })
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%q: %v, want %q", tt.text, got, tt.want)
		}
	}
	c.Inspect.Locales = []string{"xx"}
	if _, err := c.Detectors(); err == nil || !strings.Contains(err.Error(), `"xx"`) {
		t.Errorf("unknown locale: %v", err)
	}
}
