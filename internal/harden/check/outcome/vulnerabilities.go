package outcome

import (
	"cmp"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// maxVulnerabilities is the number that a baseline remembers, the newest.
const maxVulnerabilities = 10_000

// Vulnerability is when a package was first seen to have a vulnerability. It
// outlives other versions of the package, other ids of the vulnerability, and
// runs that had no database.
type Vulnerability struct {
	IDs       []string  `json:"ids"`
	Ecosystem string    `json:"ecosystem"`
	Package   string    `json:"package"`
	FirstSeen time.Time `json:"first_seen"`
}

func (v Vulnerability) is(a *rule.Advisory) bool {
	return v.Ecosystem == a.Ecosystem && v.Package == a.Package && slices.ContainsFunc(v.IDs, a.Is)
}

// FirstSeen returns when a vulnerability was first seen, the zero time where the
// baseline does not hold it.
func (b *Baseline) FirstSeen(a *rule.Advisory) time.Time {
	var first time.Time
	for _, v := range b.Vulnerabilities {
		if v.is(a) && (first.IsZero() || v.FirstSeen.Before(first)) {
			first = v.FirstSeen
		}
	}
	return first
}

// vulnerabilities adds those of a run to those that were seen before.
func vulnerabilities(before *Baseline, targets []check.TargetReport) []Vulnerability {
	var out []Vulnerability
	if before != nil {
		out = slices.Clone(before.Vulnerabilities)
	}
	known := map[[3]string]bool{}
	for _, v := range out {
		for _, id := range v.IDs {
			known[[3]string{v.Ecosystem, v.Package, id}] = true
		}
	}
	add := func(a *rule.Advisory) {
		if a == nil || known[[3]string{a.Ecosystem, a.Package, a.ID}] {
			return
		}
		v := Vulnerability{IDs: append([]string{a.ID}, a.Aliases...), Ecosystem: a.Ecosystem, Package: a.Package, FirstSeen: a.FirstSeen}
		for _, id := range v.IDs {
			known[[3]string{v.Ecosystem, v.Package, id}] = true
		}
		out = append(out, v)
	}
	for _, t := range targets {
		for _, r := range t.Results {
			for _, f := range r.Findings {
				add(f.Advisory)
			}
			for _, s := range r.Suppressed {
				add(s.Advisory)
			}
		}
	}
	slices.SortFunc(out, func(a, b Vulnerability) int {
		return cmp.Or(a.FirstSeen.Compare(b.FirstSeen), cmp.Compare(a.Ecosystem, b.Ecosystem), cmp.Compare(a.Package, b.Package), slices.Compare(a.IDs, b.IDs))
	})
	return out[max(0, len(out)-maxVulnerabilities):]
}
