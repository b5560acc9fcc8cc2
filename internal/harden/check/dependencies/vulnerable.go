package dependencies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/osv"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

var (
	errNoSource = errors.New("no database of vulnerabilities was given: --osv-db DIR reads one, --osv asks a server")
	errNoFolder = fmt.Errorf("one file was named, and not the folder of the project: the rule %w", rule.ErrNotApplicable)
)

// known is a vulnerability of an entry of a file.
type known struct {
	file  string
	entry lockfile.Package
	osv.Vulnerability
	advisory rule.Advisory
}

// Days to mend a vulnerability, as the guides say (S0-47).
const day = 24 * time.Hour

func allowed(v osv.Vulnerability) time.Duration {
	switch level(v) {
	case rule.Critical:
		return day
	case rule.High:
		return 7 * day
	case rule.Medium:
		return 30 * day
	case rule.Low, rule.Info:
	}
	return 90 * day
}

// level is how bad a vulnerability is taken to be. One that nobody rated may be
// anything: it is taken for high.
func level(v osv.Vulnerability) rule.Severity {
	switch {
	case v.Malicious, v.Rating == osv.Critical:
		return rule.Critical
	case v.Rating == osv.High, v.Rating == osv.Unrated:
		return rule.High
	case v.Rating == osv.Medium:
		return rule.Medium
	}
	return rule.Low
}

// vulnerabilities asks the source, once for all rules.
func (p *Project) vulnerabilities(ctx context.Context) ([]known, error) {
	p.once.Do(func() { p.known, p.err = p.ask(ctx) })
	return p.known, p.err
}

func (p *Project) ask(ctx context.Context) ([]known, error) {
	if p.options.Source == nil {
		return nil, errNoSource
	}
	places := map[osv.Query][]known{}
	var queries []osv.Query
	add := func(file string, e lockfile.Package) {
		if q, ok := osv.Of(e); ok {
			if places[q] == nil {
				queries = append(queries, q)
			}
			if !slices.ContainsFunc(places[q], func(k known) bool { return k.file == file }) {
				places[q] = append(places[q], known{file: file, entry: e})
			}
		}
	}
	for _, l := range p.locks {
		for _, e := range l.Packages {
			add(l.Path, e)
		}
	}
	for _, l := range p.lists {
		for _, c := range l.Components {
			e := lockfile.Package{Ecosystem: c.Ecosystem, Name: c.Name, Version: c.Version}
			if q, ok := osv.Of(e); ok && c.Ecosystem != "" && places[q] == nil { // else the lock file is where it is mended
				add(l.Path, e)
			}
		}
	}
	found, err := osv.Find(ctx, p.options.Source, queries)
	var out []known
	for _, v := range found {
		for _, k := range places[v.Query] {
			k.Vulnerability, k.advisory = v, p.advisory(v, k.entry)
			out = append(out, k)
		}
	}
	slices.SortStableFunc(out, func(a, b known) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.entry.Line, b.entry.Line))
	})
	return out, errors.Join(err, p.lockErr, p.listErr, p.unversioned())
}

// unversioned tells of what no database can be asked about.
func (p *Project) unversioned() error {
	n := len(p.loose)
	for _, l := range p.locks {
		for _, e := range l.Packages {
			if e.Version == "" && e.Source != lockfile.Local {
				n++
			}
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d packages have no version, and no database can be asked about them", n)
}

// advisory says by when a vulnerability is to be mended. The time counts from
// when it was first seen here. Where a history is kept that does not hold it,
// that is now; without one it counts from when it was published, so that it does
// not begin anew with every run.
func (p *Project) advisory(v osv.Vulnerability, e lockfile.Package) rule.Advisory {
	a := rule.Advisory{
		ID: v.ID, Aliases: v.Aliases, Ecosystem: string(v.Ecosystem), Package: v.Name, Version: e.Version, Fixed: v.Fixed,
		Severity: v.Rating.String(), Score: v.Score, Summary: v.Summary, Published: v.Published,
	}
	if v.Malicious {
		a.Severity = rule.Critical.String()
	}
	now := p.options.Now
	a.FirstSeen = now
	if p.options.FirstSeen == nil {
		if !v.Published.IsZero() && v.Published.Before(now) {
			a.FirstSeen = v.Published
		}
	} else if seen := p.options.FirstSeen(&a); !seen.IsZero() && seen.Before(now) {
		a.FirstSeen = seen
	}
	a.FirstSeen = a.FirstSeen.UTC().Truncate(time.Second)
	a.Due = a.FirstSeen.Add(allowed(v))
	a.Overdue = now.After(a.Due)
	return a
}

func (k known) finding() rule.Finding {
	a := k.advisory
	var b strings.Builder
	fmt.Fprintf(&b, "%s has %s", named(k.entry), a.ID)
	if others := slices.DeleteFunc(slices.Clone(a.Aliases), func(id string) bool { return !strings.HasPrefix(id, "CVE-") }); len(others) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(others[:min(len(others), 3)], ", "))
	}
	switch {
	case k.Malicious:
		b.WriteString(", malicious: take it out, and treat every machine that installed it as taken over")
	case k.Rating == osv.Unrated:
		b.WriteString(", severity unknown and taken for high")
	case a.Score > 0:
		fmt.Fprintf(&b, ", %s (CVSS %.1f)", a.Severity, a.Score)
	default:
		b.WriteString(", " + a.Severity)
	}
	switch {
	case a.Fixed != "":
		b.WriteString(", fixed in " + a.Fixed)
	case !k.Malicious:
		b.WriteString(", no fix is known")
	}
	fmt.Fprintf(&b, "; due %s", a.Due.Format(time.DateOnly))
	if a.Overdue {
		b.WriteString(", overdue")
	}
	if a.Summary != "" {
		b.WriteString(": " + shorten(a.Summary, 160))
	}
	return rule.Finding{Message: b.String(), File: k.file, Line: k.entry.Line, Pointer: named(k.entry), Evidence: a.ID, Advisory: &a}
}

// maxVulnerable bounds what one rule says of one file.
const maxVulnerable = 500

// vulnerable is a rule about vulnerabilities for which want is true.
func vulnerable(m rule.Meta, want func(known) bool) Rule {
	m.Guides = append([]string{"S0-46", "S0-47"}, m.Guides...)
	m.Verify = "osv-scanner, npm audit, govulncheck and pip-audit look into the same databases."
	m.CWE = []string{"CWE-1395"}
	r := of(topic.Supply, m, nil)
	r.Check = func(ctx context.Context, p *Project) ([]rule.Finding, error) {
		all, err := p.vulnerabilities(ctx)
		var found []rule.Finding
		for _, k := range all {
			if want(k) {
				found = append(found, k.finding())
			}
		}
		return bounded(found, maxVulnerable), err
	}
	return r
}

func vulnerabilityRules() []Rule {
	const fix = "Move to the version that is free of it. Where that cannot be, write a decision for the advisory with its reason and an end."
	// What is overdue counts as high, if it was less.
	raised := func(k known) bool { return k.advisory.Overdue && level(k.Vulnerability) < rule.High }
	by := func(s rule.Severity) func(known) bool {
		return func(k known) bool { return !k.Malicious && level(k.Vulnerability) == s && !raised(k) }
	}
	return []Rule{
		vulnerable(rule.Meta{
			ID: "dependencies-malicious", Severity: rule.Critical, Title: "No package is known to be an attack", Guides: []string{"S0-58"},
			Why: "It has run on every machine that installed it, with all that the machine could reach.",
			Fix: "Take it out, replace every credential of the machines that installed it, and find out how it came in.",
		}, func(k known) bool { return k.Malicious }),
		vulnerable(rule.Meta{
			ID: "dependencies-vulnerable-critical", Severity: rule.Critical, Title: "No package has a critical vulnerability: to be mended within 24 hours", Guides: []string{"S0-58", "S1-22", "S3-22"},
			Why: "Attacks on it are written down and tried everywhere within hours.", Fix: fix,
		}, by(rule.Critical)),
		vulnerable(rule.Meta{
			ID: "dependencies-vulnerable-high", Severity: rule.High, Title: "No package has a high vulnerability, or one that nobody rated: to be mended within 7 days", Guides: []string{"S0-58", "S1-22", "S3-22"},
			Why: "It gives away data or control under conditions that attackers find.", Fix: fix,
		}, by(rule.High)),
		vulnerable(rule.Meta{
			ID: "dependencies-vulnerable-medium", Severity: rule.Medium, Title: "No package has a medium vulnerability: to be mended within 30 days",
			Why: "It helps an attack along, or needs a setting that somebody has.", Fix: fix,
		}, by(rule.Medium)),
		vulnerable(rule.Meta{
			ID: "dependencies-vulnerable-low", Severity: rule.Low, Title: "No package has a low vulnerability: to be mended within 90 days",
			Why: "It is a brick in an attack, and shows that nobody looks after the package.", Fix: fix,
		}, by(rule.Low)),
		vulnerable(rule.Meta{
			ID: "dependencies-vulnerable-overdue", Severity: rule.High, Title: "No vulnerability is open for longer than it may be",
			Why: "What was medium or low and is open for months is what nobody mends any more: the time that was given has passed.", Fix: fix,
		}, raised),
	}
}
