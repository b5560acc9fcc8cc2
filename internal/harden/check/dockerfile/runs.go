package dockerfile

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/portcullis-dev/portcullis/internal/harden/check/mcpclient"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/shell"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/check/trust"
)

func runRules() []Rule {
	return append(fetchRules(), []Rule{
		withModes(eachRun(topic.Integrity, rule.Meta{
			ID: "dockerfile-world-writable", Severity: rule.Medium, Title: "Not everybody may write",
			Why:    "Any process in the container can change what others run.",
			Guides: []string{"S0-49", "S0-59"}, CWE: []string{"CWE-732"}, Verify: "docker run --rm --entrypoint find IMAGE / -perm -002 -type f", Fix: "Take the chmod out and give the right to the one user who needs it: COPY --chown.",
		}, func(r run) string {
			if r.Is("chmod") {
				for _, w := range r.Words[1:] {
					if everybody(w) {
						return "chmod " + w
					}
				}
			}
			return ""
		}), everybody),
		plain(topic.Isolation, rule.Meta{
			ID: "dockerfile-run-unconfined", Severity: rule.High, Title: "Builds stay in their sandbox",
			Why:    "--security=insecure and --network=host give commands of the build, and of its dependencies, the builder's host.",
			Guides: []string{"S0-59"}, CWE: []string{"CWE-250"}, Verify: "Read the Dockerfile.", Fix: "Take --network=host or --security=insecure out.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			each(f, func(c *instructions.RunCommand, _ bool) {
				for _, used := range c.FlagsUsed {
					if used == "security" && instructions.GetSecurity(c) == instructions.SecurityInsecure || used == "network" && instructions.GetNetwork(c) == instructions.NetworkHost {
						found = append(found, f.at(line(c.Location()), "RUN --%s leaves the sandbox", used))
					}
				}
			})
			return found
		}),
	}...)
}

func fetchRules() []Rule {
	return []Rule{
		plain(topic.Integrity, rule.Meta{
			ID: "dockerfile-pipe-to-shell", Severity: rule.High, Title: "Nothing from the network is run unseen",
			Why:    "Whoever controls the server, or the way to it, runs commands as root in the build.",
			Guides: []string{"S0-48", "S3-19"}, CWE: []string{"CWE-494"}, Fix: "Fetch the file, compare its checksum, then run it; or install a package.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			each(f, func(c *instructions.RunCommand, _ bool) {
				for _, unseen := range shell.Unseen(text(c)) {
					found = append(found, f.at(line(c.Location()), "what is fetched is given to %s", unseen.Words[0]))
				}
			})
			return found
		}),
		plain(topic.Transport, rule.Meta{
			ID: "dockerfile-unchecked-download", Severity: rule.High, Title: "Downloads check who they come from",
			Why:    "With the check of certificates or signatures off, anybody on the way can put other code into the image.",
			Guides: []string{"S0-48", "S0-53"}, CWE: []string{"CWE-295"}, Fix: "Take curl's -k or wget's --no-check-certificate out; add the authority's certificate where one is missing.",
		}, uncheckedDownloads),
		eachRun(topic.Privilege, rule.Meta{
			ID: "dockerfile-sudo", Severity: rule.Medium, Title: "The image has no sudo",
			Why:    "sudo in a container is a way back to root for whoever gets in.",
			Guides: []string{"S0-59"}, CWE: []string{"CWE-250"}, Fix: "Run what needs rights before USER, and leave sudo out.",
		}, func(r run) string {
			if r.Words[0] == "sudo" || (r.Is("apt-get") || r.Is("apt") || r.Is("apk") || r.Is("yum") || r.Is("dnf")) && slices.Contains(r.Words, "sudo") {
				return "sudo is used or installed"
			}
			return ""
		}),
		withModes(eachRun(topic.Privilege, rule.Meta{
			ID: "dockerfile-setuid", Severity: rule.High, Title: "No program gets its owner's rights",
			Why:    "A set-user-id program of root makes root of whoever finds a hole in it.",
			Guides: []string{"S0-59", "S0-51"}, CWE: []string{"CWE-269"}, Verify: "docker run --rm --entrypoint find IMAGE / -perm /6000", Fix: "Take the bit out: chmod u-s,g-s FILE.",
		}, func(r run) string {
			if r.Is("chmod") {
				for _, w := range r.Words[1:] {
					if rights(w) {
						return "chmod " + w + " gives rights of the owner"
					}
				}
			}
			if r.Is("setcap") && !strings.Contains(strings.Join(r.Words, " "), "cap_net_bind_service") {
				return "setcap gives a program capabilities"
			}
			return ""
		}), rights),
	}
}

func packageRules() []Rule {
	return []Rule{
		eachRun(topic.Supply, rule.Meta{
			ID: "dockerfile-apt-recommends", Severity: rule.Low, Title: "Only named packages are installed",
			Why:    "Recommended packages are code that nobody asked for and everybody has to patch.",
			Guides: []string{"S0-58"}, CWE: []string{"CWE-1104"}, Fix: "Add --no-install-recommends.",
		}, func(r run) string {
			if (r.Is("apt-get", "install") || r.Is("apt", "install")) && !r.Has("--no-install-recommends") && !strings.Contains(strings.Join(r.Words, " "), "APT::Install-Recommends=") {
				return "apt installs recommended packages"
			}
			return ""
		}),
		eachRun(topic.Hygiene, rule.Meta{
			ID: "dockerfile-apt-lists", Severity: rule.Low, Title: "Package lists do not stay in the image",
			Why:    "Old lists make later installs take old versions, and the image larger.",
			Guides: []string{"S0-49"}, CWE: []string{"CWE-459"}, Fix: "End the same RUN with rm -rf /var/lib/apt/lists/*, or use a cache mount.",
		}, func(r run) string {
			apt := (r.Is("apt-get", "update") || r.Is("apt", "update")) && r.final
			if apt && !strings.Contains(r.all, "/var/lib/apt/lists") && !strings.Contains(r.all, "apt-get dist-clean") {
				return "the lists that apt fetches stay in the image"
			}
			return ""
		}),
		eachRun(topic.Supply, rule.Meta{
			ID: "dockerfile-package-version", Severity: rule.Info, Title: "System packages have a version",
			Why:    "Two builds of the same file give two images, and a scan of one says nothing about the other.",
			Guides: []string{"S0-48"}, CWE: []string{"CWE-829"}, Fix: "Write name=version, or install nothing in the last stage and pin the base image by digest.",
		}, func(r run) string {
			var names []string
			switch {
			case r.Is("apt-get", "install") || r.Is("apt", "install"):
				names = r.Words[slices.Index(r.Words, "install")+1:]
			case r.Is("apk", "add"):
				names = r.Words[slices.Index(r.Words, "add")+1:]
			}
			for i, n := range names {
				if strings.HasPrefix(n, "-") || strings.HasPrefix(n, ".") || strings.Contains(n, "$") || strings.ContainsAny(n, "=~<>/") {
					continue
				}
				if i > 0 && (names[i-1] == "--virtual" || names[i-1] == "-t") {
					continue
				}
				return n + " has no version"
			}
			return ""
		}),
		eachRun(topic.Supply, rule.Meta{
			ID: "dockerfile-package-manager", Severity: rule.Info, Title: "Packages are installed in an earlier stage",
			Why:    "What installs packages in the last stage stays there, ready for whoever gets in.",
			Guides: []string{"S0-49", "S3-21"}, CWE: []string{"CWE-1104"}, Fix: "Install in a build stage and copy the results into the last one.",
		}, func(r run) string {
			for _, name := range [...]string{"apt-get", "apt", "apk", "yum", "dnf", "microdnf"} {
				if r.final && (r.Is(name, "install") || r.Is(name, "add")) {
					return name + " installs packages in the last stage"
				}
			}
			return ""
		}),
		plain(topic.Supply, rule.Meta{
			ID: "dockerfile-package-unpinned", Severity: rule.High, Title: "The image starts no package in whatever version is newest",
			Why:    "Whoever publishes the next version runs code in the container, at the next start, whatever the digest of the image is.",
			Guides: []string{"S0-58", "S1-22"}, CWE: []string{"CWE-829", "CWE-1357"}, Fix: "Install the package when the image is built, from a lock file: npx package@1.2.3, or install it while the image is built.",
		}, startedPackages),
		eachRun(topic.Integrity, rule.Meta{
			ID: "dockerfile-lock-file", Severity: rule.High, Title: "Dependencies are those of the lock file",
			Why:    "npm install, and pip without hashes, take what the registry offers today: a hijacked release is in the image an hour later.",
			Guides: []string{"S0-48", "S0-58"}, CWE: []string{"CWE-829"}, Verify: "Build twice on different days and compare.",
			Fix: "Use npm ci, yarn --immutable, pnpm install --frozen-lockfile, uv sync --frozen or pip install --require-hashes.",
		}, func(r run) string {
			return r.Loose()
		}),
	}
}

// builds reports whether a command compiles or bundles.
func (r run) builds() bool {
	switch {
	case r.Is("npm", "run", "build"), r.Is("yarn", "build"), r.Is("yarn", "run", "build"), r.Is("pnpm", "build"), r.Is("pnpm", "run", "build"), r.Is("tsc"), r.Is("npx", "tsc"),
		r.Is("go", "build"), r.Is("go", "install"), r.Is("cargo", "build"), r.Is("make"), r.Is("gcc"), r.Is("g++"), r.Is("mvn"), r.Is("gradle"), r.Is("javac"):
		return true
	}
	return false
}

func buildRules() []Rule {
	return []Rule{
		eachRun(topic.Supply, rule.Meta{
			ID: "dockerfile-single-stage", Severity: rule.Medium, Title: "The image is built in stages",
			Why:    "Compilers, sources and caches of the build stay in the image that runs.",
			Guides: []string{"S3-21", "S0-49"}, CWE: []string{"CWE-1104"}, Fix: "Build in a first stage, FROM … AS build, and copy the result into a second one.",
		}, func(r run) string {
			if r.final && r.builds() {
				return strings.Join(r.Words[:min(3, len(r.Words))], " ") + " runs in the last stage"
			}
			return ""
		}),
		plain(topic.Hygiene, rule.Meta{
			ID: "dockerfile-no-dependencies", Severity: rule.High, Title: "What the program needs is in the image",
			Why:    "A Node program without node_modules cannot start; who finds out in production takes the hardening out to mend it.",
			Guides: []string{"S0-49"}, CWE: []string{"CWE-1188"}, Verify: "docker run --rm IMAGE",
			Fix: "Run npm ci --omit=dev in a stage and copy node_modules, or bundle the program.",
		}, func(f *File) []rule.Finding {
			at, installs := 0, false
			look := func(c instructions.Command, sources []string, final bool) {
				for _, src := range sources {
					if strings.HasSuffix(src, "package.json") || strings.HasSuffix(src, "package*.json") {
						at = line(c.Location())
					}
					installs = installs || final && strings.Contains(src, "node_modules")
				}
			}
			each(f, func(c *instructions.CopyCommand, final bool) { look(c, c.SourcePaths, final) })
			for _, r := range f.runs() {
				for _, name := range [...]string{"npm", "yarn", "pnpm", "bun"} {
					installs = installs || r.Is(name, "ci") || r.Is(name, "install") || r.Is(name, "i") || name == "yarn" && r.Is(name)
				}
			}
			if at == 0 || installs {
				return nil
			}
			return []rule.Finding{f.at(at, "package.json is copied, and its dependencies are installed nowhere")}
		}),
		plain(topic.Hygiene, rule.Meta{
			ID: "dockerfile-build-without-tools", Severity: rule.Medium, Title: "Builds have the dependencies that they need",
			Why:    "npm ci without development dependencies leaves out the compiler that the build calls: it fails, or takes another one from the network.",
			Guides: []string{"S3-21"}, CWE: []string{"CWE-1188"}, Verify: "docker build --no-cache .", Fix: "Run npm ci before the build, and npm prune --omit=dev after it.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			omitted := map[int]bool{}
			for _, r := range f.runs() {
				switch {
				case (r.Is("npm", "ci") || r.Is("npm", "install")) && (r.Has("--only", "--omit", "--production")):
					omitted[r.stage] = true
				case r.Is("npm", "ci") || r.Is("npm", "install"):
					omitted[r.stage] = false
				case r.Is("npm", "run", "build") && omitted[r.stage]:
					found = append(found, f.at(r.line, "npm run build follows an install without development dependencies"))
				}
			}
			return found
		}),
	}
}

// startedPackages finds what an image fetches and starts when it runs.
func startedPackages(f *File) []rule.Finding {
	var found []rule.Finding
	look := func(at int, words []string, inShell bool) {
		commands := [][]string{words}
		if inShell {
			commands = nil
			for _, c := range shell.Split(strings.Join(words, " ")) {
				commands = append(commands, c.Words)
			}
		}
		for _, c := range commands {
			if pkg, ok := mcpclient.Unpinned(c); ok {
				found = append(found, f.at(at, "starts the newest %s", pkg))
			}
		}
	}
	each(f, func(c *instructions.CmdCommand, _ bool) { look(line(c.Location()), c.CmdLine, c.PrependShell) })
	each(f, func(c *instructions.EntrypointCommand, _ bool) { look(line(c.Location()), c.CmdLine, c.PrependShell) })
	return found
}

// uncheckedDownloads finds commands and variables that switch the check of
// certificates off.
func uncheckedDownloads(f *File) []rule.Finding {
	var found []rule.Finding
	for _, r := range f.runs() {
		if message := r.Unchecked(); message != "" {
			found = append(found, f.at(r.line, "%s", message))
		}
	}
	each(f, func(c *instructions.RunCommand, _ bool) {
		for _, w := range strings.Fields(text(c)) {
			if name, value, ok := strings.Cut(w, "="); ok && trust.Off(name, value) {
				found = append(found, f.at(line(c.Location()), "%s switches the check of certificates off", name))
			}
		}
	})
	each(f, func(c *instructions.EnvCommand, _ bool) {
		for _, kv := range c.Env {
			if trust.Off(kv.Key, kv.Value) {
				found = append(found, f.at(line(c.Location()), "%s switches the check of certificates off", kv.Key))
			}
		}
	})
	return found
}
