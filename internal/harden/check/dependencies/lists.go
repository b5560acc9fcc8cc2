package dependencies

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/sbom"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

// allErr is why any file could not be read.
func allErr(p *Project) error { return errors.Join(p.lockErr, p.manifestErr) }

func listRules() []Rule {
	return []Rule{
		of(topic.Integrity, rule.Meta{
			ID: "dependencies-sbom-stale", Severity: rule.Medium, Title: "The SBOM lists what the lock files hold",
			Why:    "Whoever searches it for a vulnerable package gets the answer for a build of long ago.",
			Guides: []string{"S0-46", "S3-46"}, CWE: []string{"CWE-1059"}, Verify: "Make the SBOM again and compare.",
			Fix: "Make it again with each build: portcullis check --sbom bom.cdx.json.",
		}, (*Project).staleLists),
		of(topic.Integrity, rule.Meta{
			ID: "dependencies-sbom-nameless", Severity: rule.Low, Title: "The SBOM names each component so that databases know it",
			Why:    "A component without a package URL and a version is in no answer, whatever is found in it.",
			Guides: []string{"S0-46"}, CWE: []string{"CWE-1059"}, Verify: "Look for components without purl or version.", Fix: "Make the SBOM from the lock files: portcullis check --sbom bom.cdx.json.",
		}, func(p *Project) ([]rule.Finding, error) {
			if len(p.lists) == 0 && p.listErr == nil {
				return nil, errNoList
			}
			var found []rule.Finding
			for _, l := range p.lists {
				if l.Nameless > 0 {
					found = append(found, rule.Finding{Message: fmt.Sprintf("%d components have no package URL or no version", l.Nameless), File: l.Path, Pointer: "components"})
				}
			}
			return found, p.listErr
		}),
	}
}

var errNoList = fmt.Errorf("there is no SBOM: the rule %w", rule.ErrNotApplicable)

// versions are those that packages are locked to, by name.
type versions map[string]map[string]bool

// one is one of them, the lowest as a text.
func one(of map[string]bool) string {
	return slices.Min(slices.Collect(maps.Keys(of)))
}

func (p *Project) staleLists() ([]rule.Finding, error) {
	if len(p.lists) == 0 && p.listErr == nil {
		return nil, errNoList
	}
	locked := map[lockfile.Ecosystem]versions{}
	for _, l := range p.locks {
		if locked[l.Ecosystem] == nil {
			locked[l.Ecosystem] = versions{}
		}
		for _, e := range l.Packages {
			if locked[l.Ecosystem][e.Name] == nil {
				locked[l.Ecosystem][e.Name] = map[string]bool{}
			}
			locked[l.Ecosystem][e.Name][e.Version] = true
		}
	}
	var found []rule.Finding
	for _, l := range p.lists {
		found = append(found, p.staleList(l, locked)...)
	}
	return found, errors.Join(p.listErr, p.lockErr)
}

func (p *Project) staleList(l *sbom.List, locked map[lockfile.Ecosystem]versions) []rule.Finding {
	var found []rule.Finding
	listed := map[lockfile.Ecosystem]map[string]bool{}
	add := func(c sbom.Component, format string, a ...any) {
		found = append(found, rule.Finding{Message: fmt.Sprintf(format, a...), File: l.Path, Pointer: strings.TrimSpace(c.Name + " " + c.Version)})
	}
	for _, c := range l.Components {
		if c.Ecosystem == "" || c.Name == lockfile.Standard && c.Ecosystem == lockfile.Go { // which the toolchain brings
			continue
		}
		if listed[c.Ecosystem] == nil {
			listed[c.Ecosystem] = map[string]bool{}
		}
		listed[c.Ecosystem][c.Name] = true
		held, ok := locked[c.Ecosystem][c.Name]
		switch {
		case locked[c.Ecosystem] == nil || !c.Library || c.Version == "":
		case !ok:
			add(c, "lists %s %s, which no lock file holds", c.Name, c.Version)
		case !held[c.Version]:
			add(c, "lists %s %s, and %s is locked", c.Name, c.Version, one(held))
		}
	}
	for _, m := range p.manifests {
		for _, n := range m.Needs {
			if names := listed[m.Ecosystem]; names != nil && !n.Dev && !n.Local && !names[n.Name] && locked[m.Ecosystem][n.Name] != nil {
				add(sbom.Component{Name: n.Name}, "does not list %s, which %s names", n.Name, m.Path)
			}
		}
	}
	return found
}
