package ci

import (
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/credential"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/shell"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/check/trust"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

var (
	expression = regexp.MustCompile(`(?s)\$\{\{.*?\}\}`)
	// strangers are parts of an event that anybody can fill.
	strangers = regexp.MustCompile(`github\.(head_ref|event\.(issue|pull_request|comment|review|review_comment|discussion|pages|commits|head_commit|workflow_run)[\w.*\[\]'"]*\.(title|body|ref|label|default_branch|message|email|name|page_name|head_branch|display_title|login))\b`)
	secretRef = regexp.MustCompile(`\$\{\{\s*secrets\.\w+\s*\}\}`)
)

// wholeEvent is parts of the event that hold what strangers wrote, given as a text.
var wholeEvent = regexp.MustCompile(`tojson\(\s*github(\.event(\.(issue|pull_request|comment|review|discussion|head_commit|commits|pages|workflow_run)[\w.]*)?)?\s*\)`)

// index is another way to write a member.
var index = regexp.MustCompile(`\[\s*['"]([\w-]+)['"]\s*\]`)

// injected returns an expression that puts text of strangers into a script.
// Names in expressions count in any case.
func injected(script string) string {
	for _, e := range expression.FindAllString(script, -1) {
		e = index.ReplaceAllString(strings.ToLower(e), ".$1")
		if m := strangers.FindString(e); m != "" && !strings.Contains(m, ".base.") {
			return m
		}
		if m := wholeEvent.FindString(e); m != "" {
			return m
		}
	}
	return ""
}

// throughVariable returns an expression that puts text of strangers into a
// script by way of a variable: the expression of it is as bad as what it holds.
func (s step) throughVariable(script string) string {
	for _, table := range []*yamltree.Node{s.node.Get("env"), s.job.node.Get("env"), s.job.file.doc.Get("env")} {
		for _, name := range table.Names() {
			if injected(table.Get(name).Value()) == "" {
				continue
			}
			want := "env." + strings.ToLower(name)
			for _, e := range expression.FindAllString(script, -1) {
				if e = index.ReplaceAllString(strings.ToLower(e), ".$1"); slices.Contains(words.FindAllString(e, -1), want) {
					return want
				}
			}
		}
	}
	return ""
}

// words are the names in an expression.
var words = regexp.MustCompile(`[\w.-]+`)

func injectionRules() []Rule {
	return []Rule{
		eachStep(topic.Injection, rule.Meta{
			ID: "ci-script-injection", Severity: rule.Critical, Title: "Text of strangers is not put into scripts",
			Why:    "The expression is filled in before the shell reads the script: a title such as $(…) is a command with the job's secrets.",
			Guides: []string{"S0-54"}, CWE: []string{"CWE-94"}, Fix: "Put it into env and use \"$NAME\" in the script.",
		}, func(s step) string {
			script := s.script
			if name, _ := s.action(); name == "actions/github-script" {
				script = s.node.Get("with", "script").Value()
			}
			m := injected(script)
			if m == "" {
				m = s.throughVariable(script)
			}
			if m != "" {
				return "the script holds " + m
			}
			return ""
		}),
		each(topic.Injection, rule.Meta{
			ID: "ci-pull-request-target", Severity: rule.Critical, Title: "Code of strangers does not run with this repository's rights",
			Why:    "pull_request_target and workflow_run have secrets and the right to write: with the checkout of a pull request its author has them.",
			Guides: []string{"S3-2", "S0-57"}, CWE: []string{"CWE-829"}, Fix: "Use pull_request, or do not check the pull request out.",
		}, github, func(f *file) []rule.Finding {
			if !f.on("pull_request_target", "workflow_run", "issue_comment") {
				return nil
			}
			var found []rule.Finding
			for _, s := range f.steps() {
				ref := s.node.Get("with", "ref").Value() + s.node.Get("with", "repository").Value()
				theirs := strings.Contains(ref, "head") || strings.Contains(ref, "pull_request.") || strings.Contains(ref, "refs/pull")
				pulls := strings.Contains(s.script, "gh pr checkout") || strings.Contains(s.script, "refs/pull/")
				if name, _ := s.action(); name == "actions/checkout" && theirs || pulls {
					found = append(found, f.at("job "+s.job.name+": checks a pull request out with this repository's rights", s.node))
				}
			}
			return found
		}),
		eachStep(topic.Integrity, rule.Meta{
			ID: "ci-pipe-to-shell", Severity: rule.High, Title: "Nothing from the network is run unseen",
			Why:    "Whoever controls the server, or the way to it, runs commands with the job's secrets.",
			Guides: []string{"S0-48", "S3-46"}, CWE: []string{"CWE-494"}, Fix: "Fetch the file, compare its checksum, then run it; or use a pinned action.",
		}, func(s step) string {
			if len(shell.Unseen(s.script)) > 0 {
				return "what is fetched is given to a shell"
			}
			return ""
		}),
		each(topic.Injection, rule.Meta{
			ID: "ci-unsafe-commands", Severity: rule.High, Title: "Printing does not set variables",
			Why:    "With ACTIONS_ALLOW_UNSECURE_COMMANDS any text in the log sets the environment and the path.",
			Guides: []string{"S0-54"}, CWE: []string{"CWE-77"}, Fix: "Take the variable out and write to $GITHUB_ENV.",
		}, github, func(f *file) []rule.Finding {
			tables := []*yamltree.Node{f.doc.Get("env")}
			for _, j := range f.jobs {
				tables = append(tables, j.node.Get("env"))
				for _, s := range j.steps {
					tables = append(tables, s.node.Get("env"))
				}
			}
			var found []rule.Finding
			for _, t := range tables {
				if n := t.Get("ACTIONS_ALLOW_UNSECURE_COMMANDS"); n != nil && n.Value() != "false" {
					found = append(found, f.at("ACTIONS_ALLOW_UNSECURE_COMMANDS is set", n))
				}
			}
			return found
		}),
	}
}

func secretRules() []Rule {
	return []Rule{
		eachStep(topic.Secret, rule.Meta{
			ID: "ci-secret-in-log", Severity: rule.High, Title: "No secret is printed",
			Why:    "Logs are read by everybody who may see the repository, and masking fails as soon as a secret is encoded or cut.",
			Guides: []string{"S0-56", "S0-57"}, CWE: []string{"CWE-532"}, Fix: "Take the run that prints it (echo, env, set -x) out, and rotate what it printed.",
		}, func(s step) string {
			for _, c := range shell.Split(expression.ReplaceAllStringFunc(s.script, func(e string) string {
				if secretRef.MatchString(e) {
					return "$PRINTED_SECRET"
				}
				return "x"
			})) {
				all := strings.Join(c.Words[1:], " ")
				switch {
				case (c.Is("echo") || c.Is("printf")) && !strings.Contains(all, "GITHUB_") && prints(c.Words[1:]):
					return "prints a secret"
				case c.Is("printenv") && len(c.Words) == 1, c.Is("env") && len(c.Words) == 1, c.Is("export", "-p"):
					return "prints the whole environment"
				}
			}
			if strings.Contains(s.script, "toJSON(secrets)") || strings.Contains(s.script, "toJson(secrets)") {
				return "handles all secrets at once"
			}
			return ""
		}),
		each(topic.Secret, rule.Meta{
			ID: "ci-secrets-inherited", Severity: rule.Medium, Title: "Called workflows get the secrets they need",
			Why:    "inherit hands over every secret of the repository, those of other environments too.",
			Guides: []string{"S3-2", "S0-57"}, CWE: []string{"CWE-266"}, Fix: "Name the secrets in the job that calls.",
		}, github, func(f *file) []rule.Finding {
			var found []rule.Finding
			for _, j := range f.jobs {
				if n := j.node.Get("secrets"); n.Value() == "inherit" {
					found = append(found, f.at("job "+j.name+": hands over all secrets", n))
				}
			}
			return found
		}),
		each(topic.Transport, rule.Meta{
			ID: "ci-tls-unchecked", Severity: rule.High, Title: "Pipelines check certificates",
			Why:    "Anyone on the way gives the pipeline other code, and gets its secrets.",
			Guides: []string{"S0-48", "S0-53"}, CWE: []string{"CWE-295"}, Fix: "Take NODE_TLS_REJECT_UNAUTHORIZED, curl -k and the like out; trust the authority of the server instead (GIT_SSL_NO_VERIFY, NODE_TLS_REJECT_UNAUTHORIZED, curl -k).",
		}, anyFile, uncheckedSteps),
		each(topic.Secret, rule.Meta{
			ID: "ci-written-secret", Severity: rule.Critical, Title: "No credential is written into a pipeline",
			Why:    "The file is in the repository and in every fork of it.",
			Guides: []string{"S0-57", "S3-11", "S3-50"}, CWE: []string{"CWE-798"}, Fix: "Move the key or token to the secrets of the repository, ${{ secrets.NAME }}, and rotate it.",
		}, anyFile, func(f *file) []rule.Finding {
			var found []rule.Finding
			look := func(n *yamltree.Node) {
				for _, name := range n.Names() {
					if v := n.Get(name); credential.Written(name, v.Value()) {
						found = append(found, f.at("the value of "+name+" is written out", v))
					}
				}
			}
			look(f.doc.Get("env"))
			look(f.doc.Get("variables"))
			for _, j := range f.jobs {
				look(j.node.Get("env"))
				look(j.node.Get("variables"))
				for _, s := range j.steps {
					if f.github {
						look(s.node.Get("env"))
						look(s.node.Get("with"))
					}
					if len(credential.In([]byte(s.script))) > 0 {
						found = append(found, f.at("job "+j.name+": a credential stands in a script", s.at))
					}
				}
			}
			return found
		}),
	}
}

// prints reports whether a word is a variable that is called like a secret.
func prints(words []string) bool {
	for _, w := range words {
		for _, part := range strings.Split(w, "$")[1:] {
			name := strings.Trim(part, "{}")
			end := strings.IndexFunc(name, func(r rune) bool {
				return r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9')
			})
			if end >= 0 {
				name = name[:end]
			}
			if credential.Telling(name) {
				return true
			}
		}
	}
	return false
}

// uncheckedSteps finds variables and commands that switch the check of
// certificates off.
func uncheckedSteps(f *file) []rule.Finding {
	var found []rule.Finding
	look := func(n *yamltree.Node) {
		for _, name := range n.Names() {
			if v := n.Get(name); trust.Off(name, v.Value()) {
				found = append(found, f.at(name+" switches the check of certificates off", v))
			}
		}
	}
	look(f.doc.Get("env"))
	look(f.doc.Get("variables"))
	for _, j := range f.jobs {
		look(j.node.Get("env"))
		look(j.node.Get("variables"))
		for _, s := range j.steps {
			if f.github {
				look(s.node.Get("env"))
			}
			script := expression.ReplaceAllString(s.script, "x")
			for _, c := range shell.All(script) {
				if message := c.Unchecked(); message != "" {
					found = append(found, f.at(message, s.at))
				}
			}
			for _, w := range strings.Fields(script) {
				if name, value, ok := strings.Cut(w, "="); ok && trust.Off(name, value) {
					found = append(found, f.at(name+" switches the check of certificates off", s.at))
				}
			}
		}
	}
	return found
}
