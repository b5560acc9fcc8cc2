package ci

import (
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/shell"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

// scanner is a word that stands in a step that looks for known holes.
var scanner = regexp.MustCompile(`(?i)\b(trivy|grype|govulncheck|osv-scanner|snyk|npm audit|yarn npm audit|pnpm audit|pip-audit|cargo audit|cargo deny|dependency-check|docker scout|codeql|semgrep|dependency-review|gitleaks|trufflehog|bundler-audit|safety check|clair|anchore|portcullis check|dependency_scanning|container_scanning)\b`)

// dependencyScanner leaves out those that look at own code only.
var dependencyScanner = regexp.MustCompile(`(?i)\b(trivy|grype|govulncheck|osv-scanner|snyk|npm audit|yarn npm audit|pnpm audit|pip-audit|cargo audit|cargo deny|dependency-check|docker scout|bundler-audit|safety check|clair|anchore|portcullis check|dependency[-_]scanning|container[-_]scanning)\b`)

// scans reports whether a step looks for known holes.
func (s step) scans() bool { return scanner.MatchString(s.uses) || scanner.MatchString(s.script) }

func scanRules() []Rule {
	return append(presentScanRules(), []Rule{
		eachStep(topic.Supply, rule.Meta{
			ID: "ci-scan-ignored", Severity: rule.High, Title: "What a scan finds stops the pipeline",
			Why:    "A scan whose result nobody has to look at is not looked at.",
			Guides: []string{"S0-46", "S0-58", "S3-22", "S3-46"}, CWE: []string{"CWE-754"},
			Fix: "Take out || true, continue-on-error, allow_failure and exit-code 0; list accepted findings by name.",
		}, func(s step) string {
			if !s.scans() {
				return ""
			}
			n := s.node
			switch {
			case n.Get("continue-on-error").True(), s.job.node.Get("continue-on-error").True(), n.Get("allow_failure").True():
				return "goes on whatever the scan finds"
			case n.Get("with", "exit-code").Value() == "0":
				return "the scan's exit code is 0"
			}
			for _, line := range strings.Split(s.script, "\n") {
				if scanner.MatchString(line) && (strings.Contains(line, "|| true") || strings.Contains(line, "|| :") || strings.Contains(line, "|| exit 0") || strings.Contains(line, "|| echo") || strings.Contains(line, "--exit-code 0") || strings.Contains(line, "--exit-code=0")) {
					return "the scan's result is thrown away"
				}
			}
			return ""
		}),
		each(topic.Supply, rule.Meta{
			ID: "ci-scan-without-build", Severity: rule.Medium, Title: "The image that is scanned is the one that was built",
			Why:    "A scan of an image that the workflow does not build fails, or looks at an older one from the registry.",
			Guides: []string{"S3-46"}, CWE: []string{"CWE-1188"}, Verify: "Look at the log of the scan: which digest it scanned.",
			Fix: "Build the image in the same job before the scan, and scan it by digest.",
		}, github, func(f *file) []rule.Finding {
			var found []rule.Finding
			for _, j := range f.jobs {
				built := j.node.Get("needs") != nil
				for _, s := range j.steps {
					name, _ := s.action()
					built = built || strings.Contains(name, "docker/build-push-action") || strings.Contains(s.script, "docker build") || strings.Contains(s.script, "buildx build") || strings.Contains(s.script, "podman build") || strings.Contains(s.script, "buildah") || strings.Contains(s.script, "ko build") || strings.Contains(name, "docker/bake-action") || strings.Contains(s.script, "docker pull")
					ref := s.node.Get("with", "image-ref")
					if ref.Value() != "" && strings.Contains(ref.Value(), "github.sha") && !built {
						found = append(found, f.at("job "+j.name+": scans "+ref.Value()+", which nothing has built", ref))
					}
				}
			}
			return found
		}),
	}...)
}

func presentScanRules() []Rule {
	return []Rule{
		whole(topic.Supply, rule.Meta{
			ID: "ci-no-scan", Severity: rule.High, Title: "Pipelines look for known holes of dependencies",
			Why:    "Most break-ins use holes that were public, in code that nobody here wrote.",
			Guides: []string{"S0-46", "S0-58", "S3-22", "S3-46", "S3-50"}, CWE: []string{"CWE-1395"}, Verify: "Look at the last runs.",
			Fix: "Add govulncheck, npm audit --audit-level=high, osv-scanner or Trivy, on every push and once a day.",
		}, func(s *Set) ([]rule.Finding, error) {
			if !slices.ContainsFunc(s.files, func(f *file) bool { return !f.action }) {
				return nil, rule.ErrNotApplicable
			}
			for _, f := range s.files {
				for _, st := range f.steps() {
					if dependencyScanner.MatchString(st.uses) || dependencyScanner.MatchString(st.script) {
						return nil, nil
					}
				}
				for _, n := range f.doc.Get("include").List() {
					if dependencyScanner.MatchString(n.Get("template").Value()) || dependencyScanner.MatchString(n.Get("component").Value()) {
						return nil, nil
					}
				}
			}
			if s.unread != nil { // it may be there
				return nil, nil
			}
			return []rule.Finding{s.files[0].at("no pipeline looks for known holes of dependencies")}, nil
		}),
		whole(topic.Supply, rule.Meta{
			ID: "ci-no-schedule", Severity: rule.Low, Title: "Pipelines look again when nothing changes",
			Why:    "Holes become known every day, also in code that nobody pushes to.",
			Guides: []string{"S3-46", "S3-52"}, CWE: []string{"CWE-1395"}, Verify: "Look at the last runs.",
			Fix: "Add on: {schedule: [{cron: \"0 0 * * *\"}]} to the workflow that scans; in GitLab, a schedule and a rule for it.",
		}, func(s *Set) ([]rule.Finding, error) {
			var first *file
			for _, f := range s.files {
				if !github(f) {
					continue // schedules of GitLab are kept outside the repository
				}
				if f.on("schedule") {
					return nil, nil
				}
				if first == nil {
					first = f
				}
			}
			switch {
			case first == nil:
				return nil, rule.ErrNotApplicable
			case s.unread != nil:
				return nil, nil
			}
			return []rule.Finding{first.at("no workflow runs on a schedule", first.doc.Get("on"))}, nil
		}),
	}
}

func buildRules() []Rule {
	return []Rule{
		eachStep(topic.Integrity, rule.Meta{
			ID: "ci-lock-file", Severity: rule.High, Title: "Dependencies are those of the lock file",
			Why:    "npm install and pip without hashes take what the registry offers today: a hijacked release runs in the pipeline, with its secrets.",
			Guides: []string{"S0-48", "S0-58"}, CWE: []string{"CWE-829"}, Fix: "Use npm ci, yarn --immutable, pnpm install --frozen-lockfile, uv sync --frozen or pip install --require-hashes.",
		}, func(s step) string {
			for _, c := range shell.Split(expression.ReplaceAllString(s.script, "x")) {
				if why := c.Loose(); why != "" {
					return why
				}
			}
			return ""
		}),
		each(topic.Integrity, rule.Meta{
			ID: "ci-cache-in-release", Severity: rule.Medium, Title: "Releases are built without a cache",
			Why:    "A cache is written by other runs: what a poisoned one put there is in the release.",
			Guides: []string{"S0-48", "S3-24"}, CWE: []string{"CWE-349"}, Fix: "Leave the cache out of workflows that publish, and of pull_request_target.",
		}, github, func(f *file) []rule.Finding {
			release := f.on("release", "pull_request_target", "workflow_run") || f.doc.Get("on", "push", "tags") != nil
			if !release {
				return nil
			}
			var found []rule.Finding
			for _, s := range f.steps() {
				name, _ := s.action()
				cache := s.node.Get("with", "cache")
				if strings.HasPrefix(name, "actions/cache") || strings.HasPrefix(name, "actions/setup-") && cache != nil && cache.Value() != "false" && cache.Value() != "" {
					found = append(found, f.at("job "+s.job.name+": a release uses a cache", s.node))
				}
			}
			return found
		}),
		each(topic.Integrity, rule.Meta{
			ID: "ci-image-unsigned", Severity: rule.Low, Title: "Images that are published are signed",
			Why:    "Without a signature nobody can tell the image of this pipeline from one that was pushed with a stolen password.",
			Guides: []string{"S3-24"}, CWE: []string{"CWE-345"}, Verify: "cosign verify IMAGE@DIGEST", Fix: "Sign by digest with cosign and the job's identity, or use actions/attest-build-provenance.",
		}, anyFile, func(f *file) []rule.Finding {
			var pushes []step
			signed := false
			for _, s := range f.steps() {
				name, _ := s.action()
				if name == "docker/build-push-action" && (s.node.Get("with", "push").True() || s.node.Get("with", "push").Value() == "true") || strings.Contains(s.script, "docker push") || strings.Contains(s.script, "buildx build") && strings.Contains(s.script, "--push") {
					pushes = append(pushes, s)
				}
				signed = signed || strings.Contains(s.script, "cosign sign") || strings.HasPrefix(name, "actions/attest") || strings.Contains(name, "slsa-github-generator") || strings.Contains(s.script, "cosign attest")
			}
			if len(pushes) == 0 || signed {
				return nil
			}
			return []rule.Finding{f.at("job "+pushes[0].job.name+": pushes an image that nothing signs", pushes[0].node)}
		}),
	}
}
