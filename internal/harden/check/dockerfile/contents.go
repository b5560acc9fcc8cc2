package dockerfile

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/portcullis-dev/portcullis/internal/harden/check/credential"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

func secretRules() []Rule {
	return append(writtenSecretRules(), []Rule{
		plain(topic.Secret, rule.Meta{
			ID: "dockerfile-copy-everything", Severity: rule.Medium, Title: "What is copied is chosen",
			Why:    "COPY . takes .env, .git and keys along unless a .dockerignore keeps them out.",
			Guides: []string{"S0-44", "S0-49", "S3-10"}, CWE: []string{"CWE-538"}, Fix: "Copy named files, or add a .dockerignore that begins with * and lets in what is needed.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			look := func(c instructions.Command, from string, sources []string) {
				for _, src := range sources {
					if from == "" && everything(src) && !f.ignored {
						found = append(found, f.at(line(c.Location()), "everything is copied, and there is no .dockerignore"))
					}
				}
			}
			each(f, func(c *instructions.CopyCommand, _ bool) { look(c, c.From, c.SourcePaths) })
			each(f, func(c *instructions.AddCommand, _ bool) { look(c, "", c.SourcePaths) })
			return found
		}),
		plain(topic.Integrity, rule.Meta{
			ID: "dockerfile-add-remote", Severity: rule.High, Title: "What is fetched is checked",
			Why:    "ADD of a URL takes whatever lies there on the day of the build.",
			Guides: []string{"S0-48", "S3-19"}, CWE: []string{"CWE-494"}, Fix: "Add --checksum=sha256:…, or fetch in an earlier stage and compare.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			each(f, func(c *instructions.AddCommand, _ bool) {
				for _, src := range c.SourcePaths {
					if remote(src) && c.Checksum == "" {
						found = append(found, f.at(line(c.Location()), "ADD fetches %s without a checksum", src))
					}
				}
			})
			return found
		}),
		plain(topic.Integrity, rule.Meta{
			ID: "dockerfile-writable-program", Severity: rule.Low, Title: "The program cannot change itself",
			Why:    "Where the running user owns the program's files, one hole is enough to replace them.",
			Guides: []string{"S0-49"}, CWE: []string{"CWE-732"}, Verify: "docker run --rm --entrypoint ls IMAGE -la /app",
			Fix: "Copy as root, without --chown, or add --chmod=0555.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			u, ok := last[*instructions.UserCommand](f)
			user, _, _ := strings.Cut(userOf(u, ok), ":")
			locked := false
			for _, r := range f.runs() {
				locked = locked || r.Is("chmod") && r.final && (r.Has("-R") && readOnly(r.Words))
			}
			var volumes []string // data, which the program has to write
			each(f, func(c *instructions.VolumeCommand, _ bool) {
				for _, v := range c.Volumes {
					volumes = append(volumes, path.Clean(v))
				}
			})
			each(f, func(c *instructions.CopyCommand, final bool) {
				owner, _, _ := strings.Cut(c.Chown, ":")
				if final && ok && owner != "" && owner == user && !readOnly([]string{c.Chmod}) && !locked && !slices.Contains(volumes, path.Clean(c.DestPath)) {
					found = append(found, f.at(line(c.Location()), "%s is owned by %s, who runs it", c.DestPath, owner))
				}
			})
			return found
		}),
	}...)
}

func writtenSecretRules() []Rule {
	return []Rule{
		plain(topic.Secret, rule.Meta{
			ID: "dockerfile-env-secret", Severity: rule.Critical, Title: "No credential is set in the image's environment",
			Why:    "ENV stays in the image: docker history shows it to everybody who can pull.",
			Guides: []string{"S0-44", "S0-57", "S1-22", "S3-11", "S3-50"}, CWE: []string{"CWE-798"}, Fix: "Take it out of ENV; give it to the container when it starts, as a mounted file.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			each(f, func(c *instructions.EnvCommand, _ bool) {
				for _, kv := range c.Env {
					if credential.Written(kv.Key, kv.Value) {
						found = append(found, f.at(line(c.Location()), "the value of %s is written out", kv.Key))
					}
				}
			})
			return found
		}),
		plain(topic.Secret, rule.Meta{
			ID: "dockerfile-arg-secret", Severity: rule.High, Title: "No credential is a build argument",
			Why:    "Build arguments stand in the image's history and in its provenance.",
			Guides: []string{"S0-57", "S3-11"}, CWE: []string{"CWE-538"}, Fix: "Use RUN --mount=type=secret,id=NAME.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			each(f, func(c *instructions.ArgCommand, _ bool) {
				for _, kv := range c.Args {
					if credential.Telling(kv.Key) || kv.Value != nil && credential.Under(kv.Key, *kv.Value) {
						found = append(found, f.at(line(c.Location()), "ARG %s carries a credential", kv.Key))
					}
				}
			})
			return found
		}),
		plain(topic.Secret, rule.Meta{
			ID: "dockerfile-run-secret", Severity: rule.Critical, Title: "No credential stands in a command",
			Why:    "The text of every RUN is kept in the image's history.",
			Guides: []string{"S0-57", "S3-11"}, CWE: []string{"CWE-798"}, Fix: "Use RUN --mount=type=secret,id=NAME and read the file; revoke what stood here.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			each(f, func(c *instructions.RunCommand, _ bool) {
				for range credential.In([]byte(text(c))) {
					found = append(found, f.at(line(c.Location()), "a credential stands in a RUN"))
					break
				}
			})
			return found
		}),
		plain(topic.Secret, rule.Meta{
			ID: "dockerfile-copy-secret", Severity: rule.Critical, Title: "No file of credentials is copied into the image",
			Why:    "A file that a later layer deletes is still in the image.",
			Guides: []string{"S0-43", "S0-44", "S0-57", "S3-10"}, CWE: []string{"CWE-538"}, Fix: "Take the COPY out, add the file to .dockerignore, and mount it when the container starts.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			look := func(c instructions.Command, sources []string) {
				for _, src := range sources {
					if sensitive(src) {
						found = append(found, f.at(line(c.Location()), "%s is copied into the image", src))
					}
				}
			}
			each(f, func(c *instructions.CopyCommand, _ bool) { look(c, c.SourcePaths) })
			each(f, func(c *instructions.AddCommand, _ bool) { look(c, c.SourcePaths) })
			each(f, func(c *instructions.CopyCommand, _ bool) {
				for _, written := range c.SourceContents {
					if len(credential.In([]byte(written.Data))) > 0 {
						found = append(found, f.at(line(c.Location()), "a credential stands in what is written to %s", c.DestPath))
					}
				}
			})
			return found
		}),
	}
}

// everything reports whether a source is the whole context.
func everything(src string) bool {
	switch path.Clean(src) {
	case ".", "/", "*", "./*", "/*":
		return true
	}
	return false
}

// readOnly reports whether a mode among the words lets nobody write.
func readOnly(words []string) bool {
	for _, w := range words {
		switch strings.TrimPrefix(w, "0") {
		case "555", "550", "500", "444", "440", "400", "a-w", "a=rX", "a=rx", "ugo-w":
			return true
		}
	}
	return false
}

func remote(src string) bool {
	src = strings.ToLower(src)
	for _, scheme := range [...]string{"http://", "https://", "git@", "git://", "ssh://", "ftp://"} {
		if strings.HasPrefix(src, scheme) {
			return true
		}
	}
	return false
}

// sensitive reports whether a file of this name holds credentials.
func sensitive(src string) bool {
	name := strings.ToLower(path.Base(src))
	switch name {
	case ".env", "id_rsa", "id_ed25519", "id_ecdsa", ".npmrc", ".pypirc", ".netrc", ".git-credentials", "credentials.json", ".aws", ".ssh", ".kube", "kubeconfig", ".htpasswd":
		return true
	}
	switch path.Ext(name) {
	case ".pem", ".key", ".p12", ".pfx", ".jks", ".kdbx":
		return true
	}
	for _, folder := range strings.Split(path.Dir(strings.ToLower(src)), "/") {
		if folder == ".aws" || folder == ".ssh" || folder == ".kube" || folder == ".gnupg" {
			return true
		}
	}
	if strings.HasPrefix(name, ".env*") || strings.HasPrefix(name, ".env?") || strings.HasPrefix(name, "id_rsa*") {
		return true
	}
	return strings.HasPrefix(name, ".env.") && name != ".env.example" && name != ".env.sample" && name != ".env.template"
}
