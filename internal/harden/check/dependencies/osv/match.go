package osv

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"deps.dev/util/semver"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
)

// maxVersion bounds what is taken for a version, in bytes.
const maxVersion = 256

// hit is an entry that affects a version.
type hit struct {
	entry *Entry
	fixed string
	rated rated
}

// order compares versions of an ecosystem.
type order struct{ sys semver.System }

func orderOf(eco lockfile.Ecosystem) (order, error) {
	switch eco {
	case lockfile.Go:
		return order{semver.Go}, nil
	case lockfile.NPM:
		return order{semver.NPM}, nil
	case lockfile.PyPI:
		return order{semver.PyPI}, nil
	case lockfile.Cargo:
		return order{semver.Cargo}, nil
	}
	return order{}, fmt.Errorf("versions of %.40q cannot be compared", string(eco))
}

func (o order) parse(s string) (*semver.Version, error) {
	if len(s) > maxVersion {
		return nil, fmt.Errorf("a version of %d bytes", len(s))
	}
	if o.sys == semver.Go {
		s = "v" + strings.TrimPrefix(s, "v")
	}
	v, err := o.sys.Parse(s)
	if err != nil || v.IsWildcard() {
		return nil, fmt.Errorf("%.80q is no version", s)
	}
	return v, nil
}

// hits reports whether an entry affects a package.
func (e *Entry) hits(q Query) (h hit, yes bool, err error) {
	if e.Withdrawn != nil {
		return hit{}, false, nil
	}
	h.entry = e
	o, err := orderOf(q.Ecosystem)
	if err != nil {
		return h, false, err
	}
	var errs []error
	for _, a := range e.Affected {
		if family(a.Package.Ecosystem) != string(q.Ecosystem) || canonical(q.Ecosystem, a.Package.Name) != canonical(q.Ecosystem, q.Name) {
			continue
		}
		fixed, in, err := o.affected(a, q.Version)
		if err != nil {
			errs = append(errs, err)
		}
		if !in {
			continue
		}
		h.rated = worse(h.rated, rate(a.Severity, a.Specific, a.Eco))
		if !yes || fixed == "" || h.fixed != "" && o.less(h.fixed, fixed) {
			h.fixed = fixed
		}
		yes = true
	}
	if yes && h.rated.rating == Unrated {
		h.rated = rate(e.Severity, e.Specific)
	}
	return h, yes, errors.Join(errs...)
}

// affected reports whether a version is affected, and from which it is not.
func (o order) affected(a Affected, version string) (fixed string, yes bool, err error) {
	if len(a.Ranges) == 0 && len(a.Versions) == 0 { // nothing is said: all are
		return "", true, nil
	}
	v, err := o.parse(version)
	if err != nil {
		return "", slices.Contains(a.Versions, version), err
	}
	var errs []error
	for _, r := range a.Ranges {
		if r.Type == "GIT" {
			continue
		}
		next, in, err := o.within(r, v)
		if err != nil {
			errs = append(errs, err)
		}
		if in {
			yes = true
			if fixed == "" || next != "" && o.less(fixed, next) {
				fixed = next
			}
		}
	}
	if !yes {
		yes = slices.ContainsFunc(a.Versions, func(s string) bool {
			if s == version {
				return true
			}
			w, err := o.parse(s)
			return err == nil && w.Compare(v) == 0
		})
	}
	return fixed, yes, errors.Join(errs...)
}

func (o order) less(a, b string) bool {
	v, err := o.parse(a)
	w, err2 := o.parse(b)
	return err == nil && err2 == nil && v.Compare(w) < 0
}

// point is an event whose version was read; nil is before all versions.
type point struct {
	at    *semver.Version
	text  string
	kind  uint8 // the order at one version: what ends comes before what begins, and "up to here" behind both
	begin bool
}

// Order of events at one version.
const (
	ends uint8 = iota
	begins
	last
)

// within evaluates the events of a range as the schema of OSV defines it.
func (o order) within(r Range, v *semver.Version) (fixed string, yes bool, err error) {
	var points []point
	var limits []*semver.Version
	for _, e := range r.Events {
		var text string
		p := point{}
		switch {
		case e.Introduced == "0":
			points = append(points, point{kind: begins, begin: true})
			continue
		case e.Introduced != "":
			text, p.kind, p.begin = e.Introduced, begins, true
		case e.Fixed != "":
			text, p.kind = e.Fixed, ends
		case e.Last != "":
			text, p.kind = e.Last, last
		case e.Limit == "*":
			continue
		case e.Limit != "":
			text = e.Limit
		default:
			continue
		}
		at, err := o.parse(text)
		if err != nil {
			return "", false, err
		}
		if e.Limit != "" {
			limits = append(limits, at)
			continue
		}
		p.at, p.text = at, text
		points = append(points, p)
	}
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Or(compareAt(a.at, b.at), cmp.Compare(a.kind, b.kind)) })
	for _, p := range points {
		c := -1
		if p.at != nil {
			c = p.at.Compare(v)
		}
		switch {
		case p.begin && c <= 0:
			yes = true
		case p.kind == ends && c <= 0, p.kind == last && c < 0:
			yes = false
		case p.kind == ends && c > 0 && yes && fixed == "":
			fixed = p.text
		}
	}
	if len(limits) > 0 && !slices.ContainsFunc(limits, func(l *semver.Version) bool { return v.Compare(l) < 0 }) {
		yes = false
	}
	return fixed, yes, nil
}

func compareAt(a, b *semver.Version) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return a.Compare(b)
}

// merge makes one vulnerability of the entries that are aliases of each other.
func merge(q Query, hits []hit) []Vulnerability {
	group := make([]int, len(hits))
	byID := map[string]int{}
	root := func(i int) int {
		for group[i] != i {
			i = group[i]
		}
		return i
	}
	for i, h := range hits {
		group[i] = i
		for _, id := range append([]string{h.entry.ID}, h.entry.Aliases...) {
			if other, ok := byID[id]; ok {
				group[root(i)] = root(other)
			} else {
				byID[id] = i
			}
		}
	}
	groups := map[int][]hit{}
	for i, h := range hits {
		groups[root(i)] = append(groups[root(i)], h)
	}
	var out []Vulnerability
	for _, g := range groups {
		out = append(out, one(q, g))
	}
	slices.SortFunc(out, func(a, b Vulnerability) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// one tells of entries about the same vulnerability: the worst that any of them
// says, by the id that sorts first. One that names no fix may only not know it.
func one(q Query, g []hit) Vulnerability {
	slices.SortFunc(g, func(a, b hit) int {
		return cmp.Or(rank(a.entry.ID)-rank(b.entry.ID), cmp.Compare(a.entry.ID, b.entry.ID))
	})
	o, _ := orderOf(q.Ecosystem)
	v := Vulnerability{Query: q, ID: g[0].entry.ID}
	var r rated
	for _, h := range g {
		e := h.entry
		r = worse(r, h.rated)
		v.Malicious = v.Malicious || strings.HasPrefix(e.ID, "MAL-")
		if v.Summary == "" {
			v.Summary = e.summary()
		}
		if !e.Published.IsZero() && (v.Published.IsZero() || e.Published.Before(v.Published)) {
			v.Published = e.Published
		}
		if h.fixed != "" && (v.Fixed == "" || o.less(v.Fixed, h.fixed)) {
			v.Fixed = h.fixed
		}
		v.Aliases = append(append(v.Aliases, e.ID), e.Aliases...)
	}
	slices.Sort(v.Aliases)
	v.Aliases = slices.DeleteFunc(slices.Compact(v.Aliases), func(id string) bool { return id == v.ID })
	v.Rating, v.Score = r.rating, r.score
	return v
}

// rank puts reports of malice first.
func rank(id string) int {
	if strings.HasPrefix(id, "MAL-") {
		return 0
	}
	return 1
}

func (e *Entry) summary() string {
	s := e.Summary
	if s == "" {
		s, _, _ = strings.Cut(strings.TrimSpace(e.Details), "\n")
	}
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
