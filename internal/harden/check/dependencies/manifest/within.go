package manifest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"deps.dev/util/semver"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
)

const maxRange = 512 // bytes

// tag is a name that a registry gives to a version, such as "latest".
var tag = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9._-]*$`)

// Open reports whether a dependency takes whatever is the newest.
func (m *Manifest) Open(n Need) bool {
	if n.Local || n.Git || n.Away {
		return false
	}
	switch want := strings.ReplaceAll(n.Want, " ", ""); want {
	case "", "*", "x", "X", "latest", "next", ">=0", ">=0.0.0", ">0", "any":
		return true
	default:
		return m.Ecosystem == lockfile.NPM && tag.MatchString(want) && !strings.HasPrefix(want, "v")
	}
}

// Within reports whether a version is in the range of a dependency. Nothing that
// has no range is outside of it.
func (m *Manifest) Within(n Need, version string) (bool, error) {
	if n.Local || n.Git || n.Away || m.Open(n) || version == "" {
		return true, nil
	}
	want, sys := n.Want, semver.NPM
	switch m.Ecosystem {
	case lockfile.Cargo:
		sys = semver.Cargo
	case lockfile.PyPI:
		sys = semver.PyPI
		if m.poetry {
			var err error
			if want, err = poetry(want); err != nil {
				return false, fmt.Errorf("%s: %s: %w", m.Path, n.Name, err)
			}
		}
	case lockfile.NPM, lockfile.Go:
	}
	if len(want) > maxRange || len(version) > maxRange {
		return false, fmt.Errorf("%s: %s: a range of %d bytes", m.Path, n.Name, len(want))
	}
	for alternative := range strings.SplitSeq(want, "||") {
		c, err := sys.ParseConstraint(alternative)
		if err != nil {
			return false, fmt.Errorf("%s: %s: %.80q is no range that can be read", m.Path, n.Name, want)
		}
		v, err := sys.Parse(version)
		if err != nil {
			return false, fmt.Errorf("%s: %s: %.80q is no version", m.Path, n.Name, version)
		}
		if c.MatchVersion(v) {
			return true, nil
		}
	}
	return false, nil
}

// poetry writes a range of poetry as one of PEP 440: ^1.2 is >=1.2,<2, ~1.2 is
// >=1.2,<1.3, and 1.2 is ==1.2.
func poetry(want string) (string, error) {
	var or []string
	for alternative := range strings.SplitSeq(strings.ReplaceAll(want, "||", "|"), "|") {
		var and []string
		for part := range strings.SplitSeq(alternative, ",") {
			part = strings.TrimSpace(part)
			version := strings.TrimLeft(part, "^~ ")
			switch {
			case part == "*" || part == "":
				and = append(and, ">=0")
			case strings.HasPrefix(part, "~="):
				and = append(and, part)
			case part[0] == '^' || part[0] == '~':
				end, err := above(version, part[0] == '^')
				if err != nil {
					return "", err
				}
				and = append(and, ">="+version, "<"+end)
			case part[0] >= '0' && part[0] <= '9':
				and = append(and, "=="+part)
			default:
				and = append(and, part)
			}
		}
		or = append(or, strings.Join(and, ","))
	}
	return strings.Join(or, "||"), nil
}

// above returns the first version that ^ or ~ does not take.
func above(version string, caret bool) (string, error) {
	release := strings.TrimRight(regexp.MustCompile(`^[0-9.]*`).FindString(version), ".")
	parts := strings.Split(release, ".")
	raise := min(1, len(parts)-1) // ~1.2.3 raises the second
	if caret {
		raise = len(parts) - 1 // ^0.0 raises the last
		for i, p := range parts {
			if strings.Trim(p, "0") != "" {
				raise = i
				break
			}
		}
	}
	n, err := strconv.ParseUint(parts[raise], 10, 31)
	if err != nil {
		return "", fmt.Errorf("%.80q is no version", version)
	}
	parts = append(parts[:raise:raise], strconv.FormatUint(n+1, 10))
	return strings.Join(parts, "."), nil
}
