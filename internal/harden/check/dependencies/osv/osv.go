// Package osv finds the known vulnerabilities of packages in the databases of
// OSV (osv.dev): in a folder of them, without a network, or by asking a server.
//
// What a database says of a package is judged here: which versions are affected,
// which version is free of it, how bad it is, and which entries are the same
// vulnerability under other ids. What cannot be judged is an error beside the
// result, so that nobody takes it for harmless.
package osv

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
)

// Query is a package in one version.
type Query struct {
	Ecosystem lockfile.Ecosystem
	Name      string
	Version   string
}

// Of returns the query for a package of a lock file, and false for one that no
// registry has in this version.
func Of(p lockfile.Package) (Query, bool) {
	if p.Source == lockfile.Local || p.Version == "" {
		return Query{}, false
	}
	q := Query{Ecosystem: p.Ecosystem, Name: p.Name, Version: p.Version}
	if p.Ecosystem == lockfile.Go {
		q.Version = strings.TrimSuffix(strings.TrimPrefix(p.Version, "v"), "+incompatible")
	}
	return q, true
}

// Source is where entries come from.
type Source interface {
	// Entries returns the entries that may be about any of some packages, in any
	// version. The error says of which packages there may be more than is known;
	// what was found is returned beside it.
	Entries(ctx context.Context, of []Query) (map[lockfile.Ecosystem][]*Entry, error)
}

// Entry is the part of an OSV record that is judged.
type Entry struct {
	ID        string     `json:"id"`
	Published time.Time  `json:"published"`
	Modified  time.Time  `json:"modified"`
	Withdrawn *time.Time `json:"withdrawn"`
	Aliases   []string   `json:"aliases"`
	Summary   string     `json:"summary"`
	Details   string     `json:"details"`
	Severity  []Vector   `json:"severity"`
	Affected  []Affected `json:"affected"`
	Specific  Specific   `json:"database_specific"`
}

// Vector is a severity in the words of a standard.
type Vector struct {
	Type  string `json:"type"` // "CVSS_V3"
	Score string `json:"score"`
}

// Specific is what databases say in a form of their own.
type Specific struct {
	Severity any `json:"severity"` // a text, where it is known
}

// Affected is one package of an entry.
type Affected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Severity []Vector `json:"severity"`
	Ranges   []Range  `json:"ranges"`
	Versions []string `json:"versions"`
	Specific Specific `json:"database_specific"`
	Eco      Specific `json:"ecosystem_specific"`
}

// Range is versions between events.
type Range struct {
	Type   string  `json:"type"` // "SEMVER", "ECOSYSTEM" or "GIT"
	Events []Event `json:"events"`
}

// Event is where a vulnerability begins or ends. One member is set.
type Event struct {
	Introduced string `json:"introduced"`
	Fixed      string `json:"fixed"`
	Last       string `json:"last_affected"`
	Limit      string `json:"limit"`
}

// Vulnerability is what is known of one package.
type Vulnerability struct {
	Query
	ID        string
	Aliases   []string
	Summary   string
	Published time.Time
	Rating    Rating
	Score     float64
	Fixed     string // empty where there is no fix
	Malicious bool   // the package is an attack itself
}

// Find judges what a source says of some packages. What could not be judged is in
// the error, beside what was found.
func Find(ctx context.Context, s Source, of []Query) ([]Vulnerability, error) {
	of = slices.Clone(of)
	slices.SortFunc(of, compareQueries)
	of = slices.Compact(of)
	entries, err := s.Entries(ctx, of)
	byName := map[[2]string][]*Entry{}
	for eco, list := range entries {
		for _, e := range list {
			seen := map[string]bool{}
			for _, a := range e.Affected {
				if name := canonical(eco, a.Package.Name); family(a.Package.Ecosystem) == string(eco) && !seen[name] {
					seen[name] = true
					key := [2]string{string(eco), name}
					byName[key] = append(byName[key], e)
				}
			}
		}
	}
	var out []Vulnerability
	errs := []error{err}
	for _, q := range of {
		if ctx.Err() != nil {
			errs = append(errs, fmt.Errorf("looking for vulnerabilities: %w", ctx.Err()))
			break
		}
		var hits []hit
		for _, e := range byName[[2]string{string(q.Ecosystem), canonical(q.Ecosystem, q.Name)}] {
			h, yes, err := e.hits(q)
			if err != nil && len(errs) < maxErrors {
				errs = append(errs, fmt.Errorf("%s %s: %s: %w", q.Name, q.Version, e.ID, err))
			}
			if yes {
				hits = append(hits, h)
			}
		}
		out = append(out, merge(q, hits)...)
	}
	return out, errors.Join(errs...)
}

const maxErrors = 20

func compareQueries(a, b Query) int {
	return slices.Compare([]string{string(a.Ecosystem), a.Name, a.Version}, []string{string(b.Ecosystem), b.Name, b.Version})
}

// family is an ecosystem without what stands behind the colon, such as the
// release of a distribution.
func family(ecosystem string) string {
	ecosystem, _, _ = strings.Cut(ecosystem, ":")
	return ecosystem
}

func canonical(eco lockfile.Ecosystem, name string) string {
	if eco == lockfile.PyPI {
		return lockfile.Normal(name)
	}
	return name
}
