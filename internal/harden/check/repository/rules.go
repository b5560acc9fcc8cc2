package repository

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
	"github.com/portcullis-dev/portcullis/internal/inspect/secret"
)

// Rule is a rule about repositories.
type Rule = rule.Rule[*Repo]

// Rules returns all rules about repositories.
func Rules() []Rule {
	return slices.Concat(secretRules(), lockRules(), careRules(), trapRules())
}

func of(t topic.Topic, m rule.Meta, check func(*Repo) ([]rule.Finding, error)) Rule {
	m.Kind = rule.Repository
	return Rule{Meta: t.Of(m), Check: func(_ context.Context, r *Repo) ([]rule.Finding, error) { return check(r) }}
}

// plain is of for checks that can always tell.
func plain(t topic.Topic, m rule.Meta, check func(*Repo) []rule.Finding) Rule {
	return of(t, m, func(r *Repo) ([]rule.Finding, error) { return check(r), nil })
}

// wanted are files that git must leave out.
var wanted = [...]struct{ sample, line string }{
	{".env", ".env"}, {".env.local", ".env.local"}, {".env.production", ".env.production"}, {"secrets/x", "secrets/"},
	{"server.key", "*.key"}, {"server.pem", "*.pem"}, {"credentials.json", "credentials.json"},
	{"config.production.json", "config.production.json"}, {".portcullis/portcullis.db", ".portcullis/"},
}

// example reports whether a file only shows which variables there are.
func example(base string) bool {
	for _, end := range [...]string{".example", ".sample", ".template", ".dist", ".defaults"} {
		if strings.HasSuffix(base, end) {
			return true
		}
	}
	return false
}

func secretRules() []Rule {
	return append(heldSecretRules(), []Rule{
		ignoreRule(),
		of(topic.Secret, rule.Meta{
			ID: "repository-remote-credential", Severity: rule.High, Title: "The address of the remote holds no credential",
			Why:    "git shows it in every log, and copies of the folder carry it away.",
			Guides: []string{"S0-57"}, CWE: []string{"CWE-522"}, Verify: "git remote -v shows the address.", Fix: "Revoke the token, set the address without it and use a credential helper.",
		}, func(r *Repo) ([]rule.Finding, error) {
			return r.config(func(section, key, value string) string {
				_, rest, ok := strings.Cut(value, "://")
				host, _, _ := strings.Cut(rest, "/")
				if user, _, has := strings.Cut(host, "@"); ok && key == "url" && has && (strings.Contains(user, ":") || len(user) > 20) {
					return "the address of " + section + " holds a credential"
				}
				return ""
			})
		}),
		of(topic.Secret, rule.Meta{
			ID: "repository-package-token", Severity: rule.High, Title: "Settings of package managers hold no token and no other registry",
			Why:    "A token in .npmrc publishes in your name; plain http or a switched-off check lets anybody deliver the packages.",
			Guides: []string{"S0-48", "S0-57"}, CWE: []string{"CWE-522"}, Verify: "Read .npmrc, .pypirc and pip.conf.", Fix: "Write _authToken=${NPM_TOKEN}; use https and leave strict-ssl on.",
		}, func(r *Repo) ([]rule.Finding, error) {
			var found []rule.Finding
			for _, f := range r.kept(func(f tree.File) bool {
				return f.Base() == ".npmrc" || f.Base() == ".pypirc" || f.Base() == "pip.conf" || f.Base() == ".yarnrc.yml"
			}) {
				data, err := r.read(f.Path)
				if err != nil {
					return found, err
				}
				for i, line := range strings.Split(string(data), "\n") {
					name, value, _ := strings.Cut(strings.ReplaceAll(line, ": ", "="), "=")
					name, value = strings.TrimSpace(name), strings.TrimSpace(value)
					switch {
					case (strings.HasSuffix(name, "_authToken") || strings.HasSuffix(name, "_password") || name == "password") && value != "" && !strings.HasPrefix(value, "$"):
						found = append(found, at(f.Path, i+1, name+" is written out"))
					case name == "strict-ssl" && value == "false", name == "trusted-host", strings.Contains(name, "registry") && strings.HasPrefix(value, "http://"):
						found = append(found, at(f.Path, i+1, name+" lets anybody deliver packages"))
					}
				}
			}
			return found, nil
		}),
	}...)
}

func heldSecretRules() []Rule {
	return []Rule{
		of(topic.Secret, rule.Meta{
			ID: "repository-secret", Severity: rule.Critical, Title: "No credential stands in the repository",
			Why:    "It is in every clone and in the history for ever, and is found by robots within minutes of a push.",
			Guides: []string{"S0-44", "S0-52", "S0-57", "S1-22", "S3-11", "S3-50"}, CWE: []string{"CWE-798"}, Verify: "gitleaks detect finds it too, and in older commits.",
			Fix: "Revoke it first, then take it out; keep it in a secret manager and name it by reference.",
		}, func(r *Repo) ([]rule.Finding, error) {
			var found []rule.Finding
			for _, p := range r.places {
				if p.kind != kindDirection && p.kind != secret.KindPrivateKey {
					found = append(found, at(p.file, p.line, "holds a credential ("+strings.TrimPrefix(p.kind, "secret.")+")"))
				}
			}
			return found, r.unread
		}),
		of(topic.Secret, rule.Meta{
			ID: "repository-private-key", Severity: rule.Critical, Title: "No private key stands in the repository",
			Why:    "Whoever has a clone is the server, or signs in its name.",
			Guides: []string{"S0-57", "S3-10"}, CWE: []string{"CWE-321"}, Verify: "git log --all -- '*.key' '*.pem'",
			Fix: "Replace the key and its certificate, then take the file out and ignore *.key and *.pem.",
		}, func(r *Repo) ([]rule.Finding, error) {
			var found []rule.Finding
			for _, p := range r.places {
				if p.kind == secret.KindPrivateKey {
					found = append(found, at(p.file, p.line, "holds a private key"))
				}
			}
			for _, f := range r.kept(func(f tree.File) bool {
				return f.Ext() == ".p12" || f.Ext() == ".pfx" || f.Ext() == ".jks" || f.Ext() == ".kdbx"
			}) {
				found = append(found, at(f.Path, 0, "is a store of keys"))
			}
			return found, r.unread
		}),
		plain(topic.Secret, rule.Meta{
			ID: "repository-env-committed", Severity: rule.Critical, Title: "Files of the environment are not committed",
			Why:    "They hold the credentials of one machine, and the next push publishes them.",
			Guides: []string{"S0-43", "S0-44", "S0-57", "S1-1", "S3-10"}, CWE: []string{"CWE-538"}, Verify: "git ls-files | grep env; git check-ignore .env",
			Fix: "Ignore the file, run git rm --cached on it, rotate what stands in it, and keep an .env.example.",
		}, func(r *Repo) []rule.Finding {
			var found []rule.Finding
			for _, f := range r.kept(func(f tree.File) bool {
				return (f.Base() == ".env" || strings.HasPrefix(f.Base(), ".env.")) && !example(f.Base())
			}) {
				found = append(found, at(f.Path, 1, "is not ignored by git"))
			}
			return found
		}),
	}
}

func ignoreRule() Rule {
	missing := func(r *Repo) []string {
		var out []string
		for _, w := range wanted {
			if !r.ignores.Ignored(w.sample) {
				out = append(out, w.line)
			}
		}
		return out
	}
	r := plain(topic.Secret, rule.Meta{
		ID: "repository-gitignore", Severity: rule.Medium, Title: "git leaves out what holds credentials",
		Why:    "What is not ignored is committed one day, with git add of everything.",
		Guides: []string{"S0-44", "S0-57", "S1-1", "S1-2", "S3-10"}, CWE: []string{"CWE-538"}, Verify: "git check-ignore .env server.key credentials.json",
		Fix: "Add the lines named in the finding to .gitignore.", Fixable: true,
	}, func(r *Repo) []rule.Finding {
		if lines := missing(r); len(lines) > 0 {
			return []rule.Finding{at(".gitignore", 1, "lacks "+strings.Join(lines, " "))}
		}
		return nil
	})
	r.Mend = func(r *Repo) ([]rule.Edit, error) {
		lines := missing(r)
		if len(lines) == 0 {
			return nil, nil
		}
		text := strings.Join(lines, "\n") + "\n"
		data, err := r.read(".gitignore")
		if err != nil {
			return nil, err
		}
		if !r.has(".gitignore") {
			return []rule.Edit{{File: ".gitignore", Text: text, Create: true}}, nil
		}
		if len(data) > 0 && data[len(data)-1] != '\n' {
			text = "\n" + text
		}
		return []rule.Edit{{File: ".gitignore", Start: len(data), End: len(data), Text: text}}, nil
	}
	return r
}

// config looks at the settings in .git/config.
func (r *Repo) config(bad func(section, key, value string) string) ([]rule.Finding, error) {
	const name = ".git/config"
	data, err := r.read(name)
	if err != nil {
		return nil, err
	}
	var found []rule.Finding
	section := ""
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if message := bad(section, strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)); ok && message != "" {
			found = append(found, at(name, i+1, message))
		}
	}
	return found, nil
}

func careRules() []Rule {
	return []Rule{
		plain(topic.Telemetry, rule.Meta{
			ID: "repository-security-policy", Severity: rule.Low, Title: "Finders of holes know whom to tell",
			Why:    "Without an address they publish, or sell.",
			Guides: []string{"S3-49"}, CWE: []string{"CWE-1059"}, Verify: "Open the tab Security of the repository.", Fix: "Add a SECURITY.md with an address and how soon you answer.",
		}, func(r *Repo) []rule.Finding {
			if r.has("SECURITY.md", ".github/SECURITY.md", "docs/SECURITY.md", "SECURITY.txt", "SECURITY", "SECURITY.rst", ".well-known/security.txt") {
				return nil
			}
			return []rule.Finding{at("", 0, "there is no SECURITY.md")}
		}),
		plain(topic.Access, rule.Meta{
			ID: "repository-codeowners", Severity: rule.Low, Title: "Somebody is asked about changes of pipelines and deployment",
			Why:    "A change of a workflow or manifest that nobody looks at is the shortest way in.",
			Guides: []string{"S3-2", "S3-3"}, CWE: []string{"CWE-284"}, Verify: "Open a pull request: a review is asked for.", Fix: "Add a CODEOWNERS file for .github/ and deploy/.",
		}, func(r *Repo) []rule.Finding {
			if r.has("CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS") {
				return nil
			}
			return []rule.Finding{at("", 0, "there is no CODEOWNERS file")}
		}),
		plain(topic.Supply, rule.Meta{
			ID: "repository-updates", Severity: rule.Medium, Title: "Dependencies are kept up to date by a program",
			Why:    "Versions that are pinned and never moved keep every hole that is found in them.",
			Guides: []string{"S0-47", "S0-58", "S1-22"}, CWE: []string{"CWE-1104"}, Verify: "Look for its pull requests.", Fix: "Add .github/dependabot.yml or renovate.json.",
		}, func(r *Repo) []rule.Finding {
			if r.has(".github/dependabot.yml", ".github/dependabot.yaml", "renovate.json", "renovate.json5", ".renovaterc", ".renovaterc.json", ".github/renovate.json", ".github/renovate.json5", ".gitlab/renovate.json") || len(r.manifests()) == 0 {
				return nil
			}
			return []rule.Finding{at("", 0, "nothing updates the dependencies")}
		}),
		plain(topic.Integrity, rule.Meta{
			ID: "repository-world-writable", Severity: rule.Medium, Title: "Files are not writable for everybody",
			Why:    "Any user or program of the machine can change what is built and run.",
			Guides: []string{"S0-49"}, CWE: []string{"CWE-732"}, Verify: "find . -perm -002 -type f", Fix: "chmod o-w on the files.",
		}, func(r *Repo) []rule.Finding {
			var found []rule.Finding
			for _, f := range r.kept(func(f tree.File) bool { return f.Mode.Perm()&0o002 != 0 }) {
				found = append(found, at(f.Path, 0, "may be written by everybody"))
			}
			return found
		}),
		plain(topic.Integrity, rule.Meta{
			ID: "repository-binary", Severity: rule.Medium, Title: "Programs are built, not committed",
			Why:    "Nobody can review a binary, and nothing shows that it was made of these sources.",
			Guides: []string{"S0-48", "S3-24"}, CWE: []string{"CWE-506"}, Verify: "git ls-files | xargs file", Fix: "Take it out and build or fetch it, by checksum, in the pipeline.",
		}, func(r *Repo) []rule.Finding {
			var found []rule.Finding
			for _, f := range r.kept(func(f tree.File) bool { return true }) {
				switch f.Ext() {
				case ".exe", ".dll", ".so", ".dylib", ".jar", ".war", ".class", ".pyc", ".o", ".a", ".node", ".msi", ".deb", ".rpm", ".apk":
					found = append(found, at(f.Path, 0, "is a program in binary form"))
				default:
					if f.Size > 10<<20 {
						found = append(found, at(f.Path, 0, "is larger than 10 MB"))
					}
				}
			}
			return found
		}),
	}
}

// trap is a file that runs something when the repository is opened.
func trapRules() []Rule {
	return []Rule{
		of(topic.Injection, rule.Meta{
			ID: "repository-git-hooks", Severity: rule.High, Title: "git runs nothing out of the repository by itself",
			Why:    "Hooks and helpers that are set to files of the working copy run what the last pull brought.",
			Guides: []string{"S3-3"}, CWE: []string{"CWE-829"}, Verify: "git config --local --list", Fix: "git config --unset the setting.",
		}, func(r *Repo) ([]rule.Finding, error) {
			return r.config(func(_, key, value string) string {
				switch key {
				case "hookspath", "fsmonitor", "sshcommand", "pager", "editor", "askpass", "gitproxy":
					if strings.HasPrefix(value, ".") || strings.HasPrefix(value, "hooks") || strings.Contains(value, "/") && !path.IsAbs(value) {
						return key + " is " + value
					}
				}
				return ""
			})
		}),
		of(topic.Integrity, rule.Meta{
			ID: "repository-submodule", Severity: rule.Medium, Title: "Submodules come over a checked connection",
			Why:    "Over http or git anybody on the way delivers other code; a submodule that follows a branch moves by itself.",
			Guides: []string{"S0-48"}, CWE: []string{"CWE-319"}, Verify: "Read .gitmodules.", Fix: "Use https addresses, and take out branch and update = !command.",
		}, func(r *Repo) ([]rule.Finding, error) {
			data, err := r.read(".gitmodules")
			var found []rule.Finding
			for i, line := range strings.Split(string(data), "\n") {
				key, value, _ := strings.Cut(line, "=")
				key, value = strings.TrimSpace(key), strings.TrimSpace(value)
				if key == "url" && (strings.HasPrefix(value, "http://") || strings.HasPrefix(value, "git://")) || key == "update" && strings.HasPrefix(value, "!") || key == "branch" {
					found = append(found, at(".gitmodules", i+1, key+" is "+value))
				}
			}
			return found, err
		}),
		of(topic.Injection, rule.Meta{
			ID: "repository-install-scripts", Severity: rule.Medium, Title: "Installing runs no script",
			Why:    "Install scripts run on every developer's machine and in every pipeline before anybody looked.",
			Guides: []string{"S0-48", "S0-58"}, CWE: []string{"CWE-829"}, Verify: "npm ci --ignore-scripts works.", Fix: "Move the step into a named script that is called on purpose.",
		}, func(r *Repo) ([]rule.Finding, error) {
			return r.eachPackage(func(file string, p packageJSON) []rule.Finding {
				for _, name := range [...]string{"preinstall", "install", "postinstall"} {
					if p.Scripts[name] != "" {
						return []rule.Finding{at(file, 0, "runs a script on "+name)}
					}
				}
				return nil
			})
		}),
		of(topic.Injection, rule.Meta{
			ID: "repository-editor-tasks", Severity: rule.High, Title: "Opening the folder runs nothing",
			Why:    "A task that starts with the folder is code that runs by looking at it.",
			Guides: []string{"S3-3"}, CWE: []string{"CWE-829"}, Verify: "Read .vscode/tasks.json.", Fix: "Take out runOn: folderOpen.",
		}, func(r *Repo) ([]rule.Finding, error) {
			const name = ".vscode/tasks.json"
			data, err := r.read(name)
			if i := strings.Index(string(data), `"folderOpen"`); i >= 0 {
				line, _ := tree.Position(data, i)
				return []rule.Finding{at(name, line, "a task runs when the folder is opened")}, nil
			}
			return nil, err
		}),
		of(topic.Injection, rule.Meta{
			ID: "repository-hidden-direction", Severity: rule.High, Title: "Code reads as it runs",
			Why:    "Signs that turn the direction of text show a reviewer another program than the compiler gets (CVE-2021-42574).",
			Guides: []string{"S0-54", "S3-3"}, CWE: []string{"CWE-1007"}, Verify: "grep -rP '[\\x{202A}-\\x{202E}\\x{2066}-\\x{2069}]'", Fix: "Take the signs out, or write them as escapes.",
		}, func(r *Repo) ([]rule.Finding, error) {
			var found []rule.Finding
			for _, p := range r.places {
				if p.kind == kindDirection {
					found = append(found, at(p.file, p.line, "holds a sign that turns the direction of text"))
				}
			}
			return found, r.unread
		}),
	}
}
