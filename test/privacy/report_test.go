package privacy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/admin/compliance"
	"github.com/portcullis-dev/portcullis/internal/admin/consents"
	"github.com/portcullis-dev/portcullis/internal/privacy/evidence"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// TestReport: a report says what is observed of a running gateway, its proofs
// are checked with the key of the log alone, and who asked is in the log.
func TestReport(t *testing.T) {
	w := start(t, "[[privacy.attest]]\ncontrol = \"gdpr-art-30\"\nowner = \"dpo\"\ndate = \"2026-01-31\"\n"+consentTOML, answering(t, `{"content":[]}`))
	if _, err := consents.Give(t.Context(), w.API(), consents.Change{Principal: w.id["alice"], Purpose: "marketing", Evidence: "form"}); err != nil {
		t.Fatal(err)
	}
	r := signed(t, w.Gateway, evidence.GDPR, "CONSENT_GRANTED")
	find := func(id string) evidence.Finding {
		for _, c := range r.Controls {
			if c.ID == id {
				return c
			}
		}
		t.Fatalf("no control %s", id)
		return evidence.Finding{}
	}
	if c := find("gdpr-art-7"); c.State != evidence.InPlace || !strings.Contains(strings.Join(c.Observed, " "), "1 consents") {
		t.Errorf("%+v", c)
	}
	if c := find("gdpr-art-30"); c.State != evidence.Attested || c.Attested.Owner != "dpo" {
		t.Errorf("%+v", c)
	}
	if c := find("gdpr-art-35"); c.State != evidence.NotObserved {
		t.Errorf("%+v", c)
	}
	text, err := os.ReadFile(filepath.Join(w.DataDir, "audit", auditlog.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	key, err := auditlog.NewVerifier(string(text))
	if err != nil {
		t.Fatal(err)
	}
	proofs := 0
	for _, x := range r.Proofs() {
		p, err := auditlog.ParseProof([]byte(x.Proof))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Verify(key); err != nil {
			t.Errorf("%s: %v", x.Type, err)
		}
		e, err := auditlog.ParseEntry(p.Entry)
		if err != nil || string(e.Type) != x.Type || e.ID != x.ID || p.Seq != x.Sequence {
			t.Errorf("%s: proves %s of number %d, %v", x.Type, e.Type, p.Seq, err)
		}
		if strings.Contains(string(p.Entry), w.id["alice"]) {
			t.Errorf("%s names a person: %s", x.Type, p.Entry)
		}
		p.Entry = append([]byte("x"), p.Entry...)
		if _, err := p.Verify(key); err == nil {
			t.Error("a changed record is proved")
		}
		proofs++
	}
	if proofs < 2 {
		t.Errorf("%d proofs", proofs)
	}
	if len(w.events("REPORT_MADE")) == 0 {
		t.Error("the report is not in the log")
	}
}

// signed asks for reports until a record of a type is signed.
func signed(t *testing.T, g *harness.Gateway, f evidence.Framework, want string) evidence.Report {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for {
		r, err := compliance.Ask(t.Context(), g.API(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range r.Proofs() {
			if x.Type == want {
				return r
			}
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s is never signed", want)
		}
	}
}
