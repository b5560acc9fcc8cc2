package ci

import (
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/image"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// commit reports whether a version is one commit.
func commit(version string) bool {
	return len(version) == 40 && strings.Trim(version, "0123456789abcdef") == ""
}

// foreign reports whether a step runs an action of somebody else.
func (s step) foreign() bool { return s.uses != "" && !strings.HasPrefix(s.uses, "./") }

// retired are major versions of actions that do not work any more, or are not
// mended.
var retired = [...]struct {
	action   string
	versions []string
	use      string
}{
	{"github/codeql-action/upload-sarif", []string{"v1", "v2"}, "v4"},
	{"github/codeql-action/init", []string{"v1", "v2"}, "v4"},
	{"github/codeql-action/analyze", []string{"v1", "v2"}, "v4"},
	{"github/codeql-action/autobuild", []string{"v1", "v2"}, "v4"},
	{"actions/checkout", []string{"v1", "v2", "v3"}, "v6"},
	{"actions/upload-artifact", []string{"v1", "v2", "v3"}, "v4 or later"},
	{"actions/download-artifact", []string{"v1", "v2", "v3"}, "v4 or later"},
	{"actions/cache", []string{"v1", "v2", "v3"}, "v4 or later"},
	{"actions/setup-node", []string{"v1", "v2", "v3"}, "v4 or later"},
	{"actions/setup-python", []string{"v1", "v2", "v3"}, "v5 or later"},
	{"actions/setup-go", []string{"v1", "v2", "v3"}, "v5 or later"},
	{"actions/create-release", []string{"v1"}, "gh release create"},
}

// hijacked are actions whose tags once pointed to an attacker's code.
var hijacked = [...]struct{ action, advisory string }{
	{"aquasecurity/trivy-action", "CVE-2026-33634"},
	{"aquasecurity/setup-trivy", "CVE-2026-33634"},
	{"tj-actions/changed-files", "CVE-2025-30066"},
	{"reviewdog/action-setup", "CVE-2025-30154"},
}

func actionRules() []Rule {
	return append(releaseRules(), []Rule{
		each(topic.Integrity, rule.Meta{
			ID: "ci-image-unpinned", Severity: rule.Medium, Title: "Jobs run in images that are named by digest",
			Why:    "An image that a tag names is another one after somebody pushed to it, and runs with the job's secrets.",
			Guides: []string{"S0-49", "S3-24"}, CWE: []string{"CWE-494"}, Fix: "Append the digest to container, services or image: name:1.2.3@sha256:…",
		}, anyFile, func(f *file) []rule.Finding {
			var found []rule.Finding
			look := func(n *yamltree.Node) {
				if n.IsTable() {
					if named := n.Get("image"); named != nil {
						n = named
					} else {
						n = n.Get("name")
					}
				}
				if v := n.Value(); v != "" && !image.Variable(v) && !image.Parse(v).Pinned() {
					found = append(found, f.at("the image "+v+" has no digest", n))
				}
			}
			look(f.doc.Get("image"))
			for _, j := range f.jobs {
				look(j.node.Get("container"))
				if !f.github {
					look(j.node.Get("image"))
				}
				services := j.node.Get("services")
				for _, name := range services.Names() {
					look(services.Get(name))
				}
				for _, item := range services.List() {
					look(item)
				}
			}
			return found
		}),
		each(topic.Integrity, rule.Meta{
			ID: "ci-include-unpinned", Severity: rule.High, Title: "Included pipelines are named by commit",
			Why:    "Who can write to the other project, or to the address, decides what this pipeline runs.",
			Guides: []string{"S0-58"}, CWE: []string{"CWE-829"}, Fix: "Set ref to a commit, and integrity for a remote file.",
		}, func(f *file) bool { return !f.github }, func(f *file) []rule.Finding {
			var found []rule.Finding
			include := f.doc.Get("include")
			for _, n := range append(include.List(), include) {
				switch {
				case n.Get("project") != nil && !commit(n.Get("ref").Value()):
					found = append(found, f.at("the included project "+n.Get("project").Value()+" is not named by commit", n.Get("ref"), n))
				case n.Get("remote") != nil && n.Get("integrity") == nil:
					found = append(found, f.at("the included address has no integrity", n))
				}
			}
			return found
		}),
	}...)
}

func releaseRules() []Rule {
	return []Rule{
		eachStep(topic.Integrity, rule.Meta{
			ID: "ci-action-unpinned", Severity: rule.High, Title: "Actions of others are named by commit",
			Why:    "A tag can be moved: who takes over the action's repository runs code in this pipeline, with its secrets.",
			Guides: []string{"S0-58", "S3-46"}, CWE: []string{"CWE-829"}, Fix: "Write the commit and the version behind it: uses: owner/name@<40 digits> # v1.2.3.",
		}, func(s step) string {
			if !s.foreign() {
				return ""
			}
			if ref, docker := strings.CutPrefix(s.uses, "docker://"); docker {
				if !image.Parse(ref).Pinned() {
					return s.uses + " has no digest"
				}
				return ""
			}
			if _, version := s.action(); !commit(version) {
				return s.uses + " is not one commit"
			}
			return ""
		}),
		eachStep(topic.Integrity, rule.Meta{
			ID: "ci-action-branch", Severity: rule.Critical, Title: "Actions of others are not taken from a branch",
			Why:    "A branch is whatever was pushed last: a mistake or an attack is in the next run, without a release.",
			Guides: []string{"S3-46"}, CWE: []string{"CWE-829"}, Fix: "Write the commit of a release: uses: owner/action@<commit> # 1.2.3.",
		}, func(s step) string {
			switch _, version := s.action(); version {
			case "":
				if s.foreign() && !strings.HasPrefix(s.uses, "docker://") {
					return s.uses + " names no version"
				}
			case "master", "main", "develop", "dev", "trunk", "HEAD", "latest", "edge", "nightly":
				return s.uses + " is a branch"
			}
			return ""
		}),
		eachStep(topic.Integrity, rule.Meta{
			ID: "ci-action-hijacked", Severity: rule.Critical, Title: "Actions that were hijacked before are pinned",
			Why:    "The tags of these actions have pointed to an attacker's code that read the secrets of every pipeline.",
			Guides: []string{"S3-46", "S0-58"}, CWE: []string{"CWE-506"}, Fix: "Write the commit of a release after the attack, uses: owner/action@<commit>, and rotate what runs during it could read.",
		}, func(s step) string {
			name, version := s.action()
			for _, h := range hijacked {
				if h.action == name && !commit(version) {
					return s.uses + " was hijacked before (" + h.advisory + ")"
				}
			}
			return ""
		}),
		eachStep(topic.Supply, rule.Meta{
			ID: "ci-action-retired", Severity: rule.Medium, Title: "Actions are still mended by their makers",
			Why:    "Retired versions fail or skip their work, and a scan that does not run finds nothing.",
			Guides: []string{"S3-46", "S0-58"}, CWE: []string{"CWE-1104"}, Fix: "Move to the version named in the finding, by commit: uses: owner/action@<commit> # v4.",
		}, func(s step) string {
			name, version := s.action()
			major, _, _ := strings.Cut(version, ".")
			for _, r := range retired {
				if r.action == name && slices.Contains(r.versions, major) {
					return s.uses + " is retired: use " + r.use
				}
			}
			return ""
		}),
	}
}
