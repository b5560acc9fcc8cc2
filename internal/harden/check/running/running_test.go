package running

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// load reads a state from a fixture, on top of one in which all is well.
func load(_ context.Context, t *tree.Tree, p string) (*State, error) {
	data, err := t.Read(p)
	if err != nil {
		return nil, err
	}
	s := &State{
		Now: time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC), Binary: "1.2.0", Version: "1.2.0",
		Keys: &[]Key{}, Tools: &[]Tool{}, Sinks: &[]Sink{}, Channels: &[]Channel{}, Incidents: &[]Incident{}, Containment: &[]Containment{},
		Log: &Log{DiskFree: 50 << 30, DiskSize: 100 << 30}, Certificate: &Certificate{File: "tls.crt", Ends: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)},
	}
	return s, json.Unmarshal(data, s)
}

func TestRules(t *testing.T) {
	ruletest.Run(t, ruletest.Family[*State]{Kind: rule.Gateway, Rules: Rules(), Load: load})
}

// What the gateway did not say has not passed.
func TestWhatWasNotToldIsUnknown(t *testing.T) {
	known := map[string]bool{"gateway-not-ready": true, "gateway-maintenance-on": true, "gateway-version-old": true}
	for _, r := range Rules() {
		found, err := r.Check(t.Context(), &State{Now: time.Now(), Certificate: &Certificate{}})
		if v := rule.VerdictOf(found, err); !known[r.ID] && v != rule.Unknown {
			t.Errorf("%s: %s: %v", r.ID, v, err)
		}
	}
}

func TestCertificateEnd(t *testing.T) {
	for _, wrong := range []string{"", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if end, err := CertificateEnd([]byte(wrong)); err == nil || !end.IsZero() {
			t.Errorf("%q: %v, %v", wrong, end, err)
		}
	}
	if errors.Is(errUntold, rule.ErrNotApplicable) {
		t.Error("what was not told would be skipped")
	}
}
