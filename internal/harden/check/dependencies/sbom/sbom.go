// Package sbom writes lists of the packages that a build takes, as CycloneDX 1.6
// and SPDX 2.3, and reads such lists.
//
// What is written is the same for the same packages: the serial number follows
// from them, and the time is the one that is given.
package sbom

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	packageurl "github.com/package-url/packageurl-go"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
)

// Component is a package in a list.
type Component struct {
	Ecosystem lockfile.Ecosystem // empty for one of a kind that is not known
	Name      string
	Version   string
	URL       string // package URL, empty if there is none
	Hash      string // as the lock file writes it
	Library   bool   // of lists that were read: it is used by the project, and not the project
}

// Name reports whether a file name is one that lists usually have.
func Name(file string) bool {
	base := strings.ToLower(path.Base(file))
	if strings.HasSuffix(base, ".cdx.json") || strings.HasSuffix(base, ".spdx.json") {
		return true
	}
	return slices.Contains([]string{"bom.json", "sbom.json", "cyclonedx.json", "spdx.json"}, base)
}

// Of returns the components of some packages, each once, in order. What comes out
// of the repository itself is none.
func Of(packages []lockfile.Package) []Component {
	var out []Component
	for _, p := range packages {
		if p.Source == lockfile.Local {
			continue
		}
		out = append(out, Component{Ecosystem: p.Ecosystem, Name: p.Name, Version: p.Version, URL: url(p), Hash: p.Hash})
	}
	slices.SortFunc(out, func(a, b Component) int {
		return cmp.Or(cmp.Compare(a.URL, b.URL), cmp.Compare(b.Hash, a.Hash)) // one with a hash comes first
	})
	return slices.CompactFunc(out, func(a, b Component) bool { return a.URL == b.URL })
}

// kinds are the types of package URLs.
func kinds(eco lockfile.Ecosystem) string {
	switch eco {
	case lockfile.Go:
		return packageurl.TypeGolang
	case lockfile.NPM:
		return packageurl.TypeNPM
	case lockfile.PyPI:
		return packageurl.TypePyPi
	case lockfile.Cargo:
		return packageurl.TypeCargo
	}
	return packageurl.TypeGeneric
}

// url writes the package URL of a package.
func url(p lockfile.Package) string {
	namespace, name := "", p.Name
	if p.Ecosystem == lockfile.NPM || p.Ecosystem == lockfile.Go {
		if i := strings.LastIndex(p.Name, "/"); i > 0 {
			namespace, name = p.Name[:i], p.Name[i+1:]
		}
	}
	qualifiers := packageurl.Qualifiers{}
	switch p.Source {
	case lockfile.Git:
		at := p.From
		if p.Commit != "" {
			at += "@" + p.Commit
		}
		qualifiers = append(qualifiers, packageurl.Qualifier{Key: "vcs_url", Value: "git+" + at})
	case lockfile.Archive:
		qualifiers = append(qualifiers, packageurl.Qualifier{Key: "download_url", Value: p.From})
	case lockfile.Registry, lockfile.Local:
	}
	version := p.Version
	if p.Name == lockfile.Standard && p.Ecosystem == lockfile.Go { // as other tools write it
		version = strings.TrimPrefix(version, "v")
	}
	u := packageurl.NewPackageURL(kinds(p.Ecosystem), namespace, name, version, qualifiers, "")
	return u.ToString()
}

// parseURL fills a component from its package URL.
func (c *Component) parseURL() error {
	if len(c.URL) > 4096 {
		return fmt.Errorf("a package URL of %d bytes", len(c.URL))
	}
	u, err := packageurl.FromString(c.URL)
	if err != nil {
		return fmt.Errorf("%.80q is no package URL", c.URL)
	}
	name := u.Name
	if u.Namespace != "" {
		name = u.Namespace + "/" + u.Name
	}
	switch u.Type {
	case packageurl.TypeGolang:
		c.Ecosystem = lockfile.Go
		if u.Version != "" && u.Version[0] >= '0' && u.Version[0] <= '9' {
			u.Version = "v" + u.Version
		}
		if name == "std" {
			name = lockfile.Standard
		}
	case packageurl.TypeNPM:
		c.Ecosystem = lockfile.NPM
	case packageurl.TypePyPi:
		c.Ecosystem, name = lockfile.PyPI, lockfile.Normal(name)
	case packageurl.TypeCargo:
		c.Ecosystem = lockfile.Cargo
	default:
		return nil
	}
	c.Name, c.Version = name, u.Version
	return nil
}
