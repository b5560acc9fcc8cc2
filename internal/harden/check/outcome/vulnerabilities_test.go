package outcome

import (
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

func vulnerable(id, pkg string, at time.Time, aliases ...string) check.Result {
	r := result("dependencies-vulnerable-high", rule.High, rule.Fail, id+pkg)
	r.Findings[0].Advisory = &rule.Advisory{ID: id, Aliases: aliases, Ecosystem: "npm", Package: pkg, Version: "1.0.0", FirstSeen: at}
	return r
}

// When a vulnerability was first seen outlives runs without a database, other ids
// and decisions to live with it.
func TestFirstSeen(t *testing.T) {
	first := now().AddDate(0, -1, 0)
	b := New(t.Context(), report(vulnerable("GHSA-1", "a", first, "CVE-1")), Options{Now: now()}).Baseline(nil)
	b = New(t.Context(), report(result("dependencies-vulnerable-high", rule.High, rule.Unknown)), Options{Now: now()}).Baseline(b)
	lived := vulnerable("GHSA-2", "a", now())
	lived.Suppressed, lived.Findings = []check.Suppressed{{Finding: lived.Findings[0]}}, nil
	b = New(t.Context(), report(lived), Options{Now: now()}).Baseline(b)
	data, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if b, err = ReadBaseline(data); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		a    rule.Advisory
		want time.Time
	}{
		{rule.Advisory{ID: "GHSA-1", Ecosystem: "npm", Package: "a"}, first},
		{rule.Advisory{ID: "X-1", Aliases: []string{"CVE-1"}, Ecosystem: "npm", Package: "a"}, first},
		{rule.Advisory{ID: "GHSA-2", Ecosystem: "npm", Package: "a"}, now()},
		{rule.Advisory{ID: "GHSA-1", Ecosystem: "npm", Package: "b"}, time.Time{}},
		{rule.Advisory{ID: "GHSA-1", Ecosystem: "PyPI", Package: "a"}, time.Time{}},
	} {
		if got := b.FirstSeen(&c.a); !got.Equal(c.want) {
			t.Errorf("%+v: %s, want %s", c.a, got, c.want)
		}
	}
	if len(b.Vulnerabilities) != 2 {
		t.Errorf("%+v", b.Vulnerabilities)
	}
}
