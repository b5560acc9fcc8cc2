package ci

import (
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// allows reports whether permissions grant a right.
func allows(n *yamltree.Node, what string) bool {
	return n.Value() == "write-all" || n.Get(what).Value() == "write"
}

// permissions are those of a job, or of its workflow.
func (j *job) permissions() *yamltree.Node {
	if n := j.node.Get("permissions"); n != nil {
		return n
	}
	return j.file.doc.Get("permissions")
}

func rightRules() []Rule {
	return append(permissionRules(), []Rule{
		each(topic.Isolation, rule.Meta{
			ID: "ci-self-hosted-pull-request", Severity: rule.High, Title: "Pull requests do not run on machines of one's own",
			Why:    "Anybody who opens a pull request runs code on that machine, and what it leaves there waits for the next job.",
			Guides: []string{"S3-2"}, CWE: []string{"CWE-653"}, Fix: "Use hosted runners for pull requests, or ones that are thrown away after each job.",
		}, github, func(f *file) []rule.Finding {
			var found []rule.Finding
			for _, j := range f.jobs {
				on := j.node.Get("runs-on")
				text := on.Value() + on.Get("group").Value()
				for _, item := range append(on.List(), on.Get("labels").List()...) {
					text += " " + item.Value()
				}
				if strings.Contains(text, "self-hosted") && f.on("pull_request", "pull_request_target", "issue_comment") {
					found = append(found, f.at("job "+j.name+": runs pull requests on a self-hosted machine", on))
				}
			}
			return found
		}),
		each(topic.Resources, rule.Meta{
			ID: "ci-timeout", Severity: rule.Info, Title: "Jobs end",
			Why:    "A job that hangs holds its runner and its token for six hours.",
			Guides: []string{"S3-46"}, CWE: []string{"CWE-400"}, Fix: "Add timeout-minutes to every job.",
		}, github, func(f *file) []rule.Finding {
			var found []rule.Finding
			for _, j := range f.jobs {
				if j.node.Get("timeout-minutes") == nil && j.node.Get("uses") == nil {
					found = append(found, f.at("job "+j.name+": has no timeout-minutes", j.node))
				}
			}
			return found
		}),
		each(topic.Isolation, rule.Meta{
			ID: "ci-docker-without-tls", Severity: rule.Medium, Title: "The container engine of a job is reached over TLS",
			Why:    "Without it every container of the network controls the engine.",
			Guides: []string{"S0-53"}, CWE: []string{"CWE-319"}, Fix: "Set DOCKER_TLS_CERTDIR: \"/certs\", or build with a tool that needs no engine.",
		}, anyFile, func(f *file) []rule.Finding {
			var found []rule.Finding
			tables := []*yamltree.Node{f.doc.Get("variables"), f.doc.Get("env")}
			for _, j := range f.jobs {
				tables = append(tables, j.node.Get("variables"), j.node.Get("env"))
			}
			for _, t := range tables {
				if n := t.Get("DOCKER_TLS_CERTDIR"); n != nil && n.Value() == "" {
					found = append(found, f.at("DOCKER_TLS_CERTDIR is empty", n))
				}
				if n := t.Get("DOCKER_HOST"); strings.HasPrefix(n.Value(), "tcp://") && strings.HasSuffix(n.Value(), ":2375") {
					found = append(found, f.at("DOCKER_HOST is reached without TLS", n))
				}
			}
			return found
		}),
	}...)
}

func permissionRules() []Rule {
	return []Rule{
		each(topic.Privilege, rule.Meta{
			ID: "ci-permissions-missing", Severity: rule.Medium, Title: "Workflows say which rights they need",
			Why:    "Without permissions the token gets what the repository's settings say, often the right to write everything.",
			Guides: []string{"S0-52", "S3-2", "S3-46"}, CWE: []string{"CWE-276"}, Verify: "Look at the log of a run: \"GITHUB_TOKEN Permissions\".",
			Fix: "Add permissions: {contents: read} at the top, and more only to the job that needs it.",
		}, github, func(f *file) []rule.Finding {
			if f.doc.Get("permissions") != nil {
				return nil
			}
			for _, j := range f.jobs {
				if j.node.Get("permissions") == nil {
					return []rule.Finding{f.at("job "+j.name+": has no permissions", j.node)}
				}
			}
			return nil
		}),
		each(topic.Privilege, rule.Meta{
			ID: "ci-permissions-wide", Severity: rule.High, Title: "Rights to write belong to one job",
			Why:    "With rights at the top every step of every job, and every action, may write to the repository.",
			Guides: []string{"S0-52", "S3-2", "S3-46"}, CWE: []string{"CWE-250"}, Verify: "Look at the log of a run: \"GITHUB_TOKEN Permissions\".",
			Fix: "Set contents: read at the top and move the right to write to the job that uses it.",
		}, github, func(f *file) []rule.Finding {
			var found []rule.Finding
			top := f.doc.Get("permissions")
			if top.Value() == "write-all" {
				found = append(found, f.at("every job may write everything", top))
			}
			for _, name := range top.Names() {
				if v := top.Get(name); v.Value() == "write" && len(f.jobs) > 1 {
					found = append(found, f.at("every job may write "+name, v))
				}
			}
			for _, j := range f.jobs {
				if n := j.node.Get("permissions"); n.Value() == "write-all" {
					found = append(found, f.at("job "+j.name+": may write everything", n))
				}
			}
			return found
		}),
		each(topic.Hygiene, rule.Meta{
			ID: "ci-sarif-permission", Severity: rule.Medium, Title: "Findings of scans can be uploaded",
			Why:    "Without security-events: write the upload is refused, and nobody sees what the scan found.",
			Guides: []string{"S3-46"}, CWE: []string{"CWE-778"}, Verify: "Look at the tab Security of the repository.", Fix: "Add permissions: {contents: read, security-events: write} to the job.",
		}, github, func(f *file) []rule.Finding {
			var found []rule.Finding
			for _, s := range f.steps() {
				if name, _ := s.action(); strings.HasSuffix(name, "/upload-sarif") && !allows(s.job.permissions(), "security-events") {
					found = append(found, f.at("job "+s.job.name+": uploads findings without security-events: write", s.node))
				}
			}
			return found
		}),
		eachStep(topic.Secret, rule.Meta{
			ID: "ci-persisted-credentials", Severity: rule.Low, Title: "The token does not stay in the working copy",
			Why:    "checkout leaves the token in .git/config, where every later step finds it and an uploaded folder carries it away.",
			Guides: []string{"S0-57"}, CWE: []string{"CWE-522"}, Fix: "Add with: {persist-credentials: false}.",
		}, func(s step) string {
			if name, _ := s.action(); name == "actions/checkout" && !(s.node.Get("with", "persist-credentials").False() || s.node.Get("with", "persist-credentials").Value() == "false") {
				return "checkout keeps its credentials"
			}
			return ""
		}),
	}
}
