package dockerfile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/portcullis-dev/portcullis/internal/harden/check/image"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

// Rule is a rule about Dockerfiles.
type Rule = rule.Rule[*File]

// Rules returns all rules about Dockerfiles.
func Rules() []Rule {
	return slices.Concat(baseRules(), userRules(), secretRules(), runRules(), packageRules(), buildRules(), startRules())
}

func of(t topic.Topic, m rule.Meta, check func(*File) ([]rule.Finding, error)) Rule {
	m.Kind = rule.Dockerfile
	if m.Verify == "" {
		m.Verify = "Read the Dockerfile, or docker history --no-trunc IMAGE."
	}
	return Rule{Meta: t.Of(m), Check: func(_ context.Context, f *File) ([]rule.Finding, error) { return check(f) }}
}

// plain is of for checks that can always tell.
func plain(t topic.Topic, m rule.Meta, check func(*File) []rule.Finding) Rule {
	return of(t, m, func(f *File) ([]rule.Finding, error) { return check(f), nil })
}

// eachRun makes a rule of a function that says what is wrong with a command.
func eachRun(t topic.Topic, m rule.Meta, bad func(run) string) Rule {
	return plain(t, m, func(f *File) []rule.Finding {
		var found []rule.Finding
		for _, r := range f.runs() {
			if message := bad(r); message != "" {
				found = append(found, f.at(r.line, "%s", message))
			}
		}
		return found
	})
}

// eachBase makes a rule of a function that says what is wrong with an image.
func eachBase(t topic.Topic, m rule.Meta, bad func(ref image.Ref, b base) string) Rule {
	return of(t, m, func(f *File) ([]rule.Finding, error) {
		bases, err := f.bases()
		var found []rule.Finding
		for _, b := range bases {
			if message := bad(image.Parse(b.ref), b); message != "" {
				found = append(found, f.at(b.line, "%s", message))
			}
		}
		return found, err
	})
}

func baseRules() []Rule {
	return []Rule{
		eachBase(topic.Supply, rule.Meta{
			ID: "dockerfile-image-latest", Severity: rule.High, Title: "Base images have a version",
			Why:    "A tag such as latest is another image tomorrow: the build cannot be repeated, nor rolled back.",
			Guides: []string{"S0-49", "S3-19"}, CWE: []string{"CWE-829"}, Fix: "Name a version and its digest: FROM name:1.2.3@sha256:…",
		}, func(ref image.Ref, b base) string {
			if ref.Floating() {
				return b.ref + " is not one version"
			}
			return ""
		}),
		eachBase(topic.Integrity, rule.Meta{
			ID: "dockerfile-image-digest", Severity: rule.Medium, Title: "Base images are named by digest",
			Why:    "A tag can be moved to another image by whoever can write to the registry. A digest is the image.",
			Guides: []string{"S0-49", "S3-24"}, CWE: []string{"CWE-494"}, Fix: "Append the digest: FROM name:1.2.3@sha256:…; let Renovate or Dependabot move it.",
		}, func(ref image.Ref, b base) string {
			if !ref.Pinned() {
				return b.ref + " has no digest"
			}
			return ""
		}),
		eachBase(topic.Supply, rule.Meta{
			ID: "dockerfile-image-ended", Severity: rule.High, Title: "Base images are still mended by their makers",
			Why:    "Holes that are found after its end stay open in such an image.",
			Guides: []string{"S0-49", "S3-19"}, CWE: []string{"CWE-1104"}, Verify: "Look the version up at endoflife.date.", Fix: "Move to a version that is still maintained, such as FROM node:24.",
		}, func(ref image.Ref, b base) string {
			if since := ref.Ended(time.Now()); since != "" {
				return b.ref + " has not been mended since " + since
			}
			return ""
		}),
		of(topic.Supply, rule.Meta{
			ID: "dockerfile-full-system", Severity: rule.Low, Title: "The image holds the program and no system around it",
			Why:    "A shell, a package manager and a compiler in the image are tools for whoever gets in, and each has holes of its own.",
			Guides: []string{"S0-49", "S3-21"}, CWE: []string{"CWE-1104"}, Fix: "Let the last stage begin with scratch, a distroless or at least a slim or alpine image.",
		}, func(f *File) ([]rule.Finding, error) {
			bases, err := f.bases()
			for _, b := range bases {
				ref := image.Parse(b.ref)
				if b.last && full(ref) {
					return []rule.Finding{f.at(b.line, "the image that is made begins with %s, a whole system", b.ref)}, err
				}
			}
			return nil, err
		}),
	}
}

// full reports whether an official image is a whole Linux distribution.
func full(r image.Ref) bool {
	switch r.Name {
	case "debian", "ubuntu", "centos", "fedora", "rockylinux", "almalinux", "amazonlinux", "node", "python", "golang", "ruby", "openjdk", "maven", "gradle", "rust", "php":
		return !strings.Contains(r.Tag, "alpine") && !strings.Contains(r.Tag, "slim") && !strings.Contains(r.Repository, "distroless")
	}
	return false
}

func userRules() []Rule {
	return []Rule{
		of(topic.Privilege, rule.Meta{
			ID: "dockerfile-no-user", Severity: rule.High, Title: "The image names the user it runs as",
			Why:    "Without USER everything in the container runs as root, and root in a container is root after the first escape.",
			Guides: []string{"S0-49", "S0-59", "S1-3", "S1-22", "S3-20", "S3-50"}, CWE: []string{"CWE-250"},
			Verify: "docker inspect -f '{{.Config.User}}' IMAGE", Fix: "Add USER 10001:10001 to the last stage.",
		}, func(f *File) ([]rule.Finding, error) {
			if _, ok := last[*instructions.UserCommand](f); ok {
				return nil, nil
			}
			bases, err := f.bases()
			for _, b := range bases {
				if b.last && (strings.Contains(b.ref, "nonroot") || strings.HasPrefix(b.ref, "cgr.dev/")) {
					return nil, nil
				}
			}
			stages := f.lineage()
			return []rule.Finding{f.at(line(stages[0].Location), "the last stage has no USER")}, err
		}),
		of(topic.Privilege, rule.Meta{
			ID: "dockerfile-root-user", Severity: rule.High, Title: "The image does not run as root",
			Why:    "Root in a container is root on the host after the first escape, and may change every file in it before.",
			Guides: []string{"S0-49", "S0-59", "S1-22", "S3-20", "S3-50"}, CWE: []string{"CWE-250"},
			Verify: "docker inspect -f '{{.Config.User}}' IMAGE", Fix: "Let the last USER be one without rights: USER 10001:10001.",
		}, func(f *File) ([]rule.Finding, error) {
			u, said, err := f.user()
			name, _, _ := strings.Cut(said, ":")
			if u != nil && err == nil && (name == "root" || strings.Trim(name, "0") == "") {
				return []rule.Finding{f.at(line(u.Location()), "the last USER is %s", said)}, nil
			}
			return nil, err
		}),
		of(topic.Privilege, rule.Meta{
			ID: "dockerfile-user-name", Severity: rule.Low, Title: "The user is a number",
			Why:    "Kubernetes cannot tell whether a name is root, so runAsNonRoot refuses to start the image.",
			Guides: []string{"S0-51", "S3-20", "S3-23"}, CWE: []string{"CWE-1188"}, Verify: "docker inspect -f '{{.Config.User}}' IMAGE",
			Fix: "Write the number: USER 10001:10001.",
		}, func(f *File) ([]rule.Finding, error) {
			u, said, err := f.user()
			name, _, _ := strings.Cut(said, ":")
			if err == nil && name != "" && name != "root" && strings.Trim(name, "0123456789") != "" {
				return []rule.Finding{f.at(line(u.Location()), "USER %s is a name", said)}, nil
			}
			return nil, err
		}),
		of(topic.Hygiene, rule.Meta{
			ID: "dockerfile-user-taken", Severity: rule.Medium, Title: "Users and groups get numbers that are free",
			Why:    "The official node images already have user and group 1000: the build fails, or the program runs as somebody else than meant.",
			Guides: []string{"S3-20"}, CWE: []string{"CWE-1188"}, Verify: "docker run --rm BASE id 1000", Fix: "Use the user node that is there, or a number such as 10001.",
		}, func(f *File) ([]rule.Finding, error) {
			var found []rule.Finding
			for _, r := range f.runs() {
				if r.Is("addgroup") || r.Is("groupadd") || r.Is("adduser") || r.Is("useradd") {
					base := image.Parse(f.expand(f.root(r.stage)))
					if base.Name == "node" && slices.Contains(r.Words, "1000") {
						found = append(found, f.at(r.line, "%s takes number 1000, which %s gives to node", r.Words[0], base.Name))
					}
				}
			}
			return found, nil
		}),
	}
}

// root returns the image that a stage stands on.
func (f *File) root(stage int) string {
	for {
		next := f.stage(f.stages[stage].BaseName, stage)
		if next < 0 {
			return f.stages[stage].BaseName
		}
		stage = next
	}
}

func userOf(u *instructions.UserCommand, ok bool) string {
	if !ok {
		return ""
	}
	return strings.TrimSpace(u.User)
}

func startRules() []Rule {
	return []Rule{
		plain(topic.Telemetry, rule.Meta{
			ID: "dockerfile-no-healthcheck", Severity: rule.Medium, Title: "The image says how it is checked",
			Why:    "A container that hangs counts as running, and nobody restarts it.",
			Guides: []string{"S0-50", "S0-59", "S1-22"}, CWE: []string{"CWE-754"}, Verify: "docker inspect -f '{{.Config.Healthcheck}}' IMAGE",
			Fix: "Add HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 CMD [\"/portcullis\", \"healthcheck\"].",
		}, func(f *File) []rule.Finding {
			h, ok := last[*instructions.HealthCheckCommand](f)
			switch {
			case !ok:
				return []rule.Finding{f.at(line(f.lineage()[0].Location), "the last stage has no HEALTHCHECK")}
			case h.Health == nil || len(h.Health.Test) > 0 && h.Health.Test[0] == "NONE":
				return []rule.Finding{f.at(line(h.Location()), "HEALTHCHECK is NONE")}
			}
			return nil
		}),
		plain(topic.Hygiene, rule.Meta{
			ID: "dockerfile-shell-form", Severity: rule.Low, Title: "The program is started without a shell",
			Why:    "A shell in between does not pass SIGTERM on: the program is killed with its calls and log unwritten. It is also one more thing to inject into.",
			Guides: []string{"S1-21"}, CWE: []string{"CWE-78"}, Verify: "docker inspect -f '{{.Config.Entrypoint}} {{.Config.Cmd}}' IMAGE",
			Fix: "Write it as a list: ENTRYPOINT [\"/app/server\"].",
		}, func(f *File) []rule.Finding {
			if e, ok := last[*instructions.EntrypointCommand](f); ok {
				if e.PrependShell {
					return []rule.Finding{f.at(line(e.Location()), "ENTRYPOINT starts a shell")}
				}
				return nil
			}
			if c, ok := last[*instructions.CmdCommand](f); ok && c.PrependShell {
				return []rule.Finding{f.at(line(c.Location()), "CMD starts a shell")}
			}
			return nil
		}),
		plain(topic.Privilege, rule.Meta{
			ID: "dockerfile-privileged-port", Severity: rule.Medium, Title: "The image listens on a port that needs no rights",
			Why:    "Ports below 1024 are a reason to run as root; 22 is a way in that nobody watches.",
			Guides: []string{"S0-49", "S3-17"}, CWE: []string{"CWE-250"}, Verify: "docker inspect -f '{{.Config.ExposedPorts}}' IMAGE",
			Fix: "Listen on a port such as 8080, EXPOSE it, and let the Service or proxy map it.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			each(f, func(c *instructions.ExposeCommand, final bool) {
				for _, p := range c.Ports {
					number, _, _ := strings.Cut(p, "/")
					n := 0
					if _, err := fmt.Sscanf(number, "%d", &n); err == nil && final && n > 0 && n < 1024 {
						found = append(found, f.at(line(c.Location()), "EXPOSE %s", p))
					}
				}
			})
			return found
		}),
		plain(topic.Hygiene, rule.Meta{
			ID: "dockerfile-workdir", Severity: rule.Low, Title: "The image works in a folder of its own",
			Why:    "Without an absolute WORKDIR files land in /, over those of the system, and depend on the base image.",
			Guides: []string{"S0-49"}, CWE: []string{"CWE-1188"}, Verify: "docker inspect -f '{{.Config.WorkingDir}}' IMAGE", Fix: "Add WORKDIR /app before the first COPY.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			each(f, func(c *instructions.WorkdirCommand, _ bool) {
				if !strings.HasPrefix(c.Path, "/") && !strings.HasPrefix(c.Path, "$") && !strings.Contains(c.Path, ":\\") {
					found = append(found, f.at(line(c.Location()), "WORKDIR %s is not absolute", c.Path))
				}
			})
			if _, ok := last[*instructions.WorkdirCommand](f); ok {
				return found
			}
			each(f, func(c *instructions.CopyCommand, final bool) {
				if final && !strings.HasPrefix(c.DestPath, "/") && !strings.HasPrefix(c.DestPath, "$") {
					found = append(found, f.at(line(c.Location()), "COPY to %s without a WORKDIR", c.DestPath))
				}
			})
			return found
		}),
	}
}
