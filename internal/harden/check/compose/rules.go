package compose

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/credential"
	"github.com/portcullis-dev/portcullis/internal/harden/check/image"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// Rule is a rule about Compose files.
type Rule = rule.Rule[*File]

// Rules returns all rules about Compose files.
func Rules() []Rule {
	return slices.Concat(rightRules(), hostRules(), imageRules(), programRules(), lifeRules())
}

// verify is how most of what a service has can be seen.
const verify = "docker compose config, or docker inspect CONTAINER"

// each makes a rule of a function that looks at one service.
func each(t topic.Topic, m rule.Meta, check func(f *File, s service) []rule.Finding) Rule {
	m.Kind = rule.Compose
	if m.Verify == "" {
		m.Verify = verify
	}
	return Rule{Meta: t.Of(m), Check: func(_ context.Context, f *File) ([]rule.Finding, error) {
		if len(f.services) == 0 {
			return nil, rule.ErrNotApplicable
		}
		looking := *f // other rules look at the same file
		var found []rule.Finding
		for _, s := range f.services {
			found = append(found, check(&looking, s)...)
		}
		return found, errors.Join(looking.unsure, f.hidden)
	}}
}

// absent is each for what a service should say: one that extends another may
// have it from there, which is unknown.
func absent(t topic.Topic, m rule.Meta, check func(f *File, s service) []rule.Finding) Rule {
	r := each(t, m, func(f *File, s service) []rule.Finding {
		if s.Get("extends") != nil {
			return nil
		}
		return check(f, s)
	})
	inner := r.Check
	r.Check = func(ctx context.Context, f *File) ([]rule.Finding, error) {
		found, err := inner(ctx, f)
		if !errors.Is(err, rule.ErrNotApplicable) && slices.ContainsFunc(f.services, func(s service) bool { return s.Get("extends") != nil }) {
			err = errors.Join(err, errElsewhere)
		}
		return found, err
	}
	return r
}

func mending(r Rule, mend func(*File) ([]rule.Edit, error)) Rule {
	r.Fixable, r.Mend = true, mend
	return r
}

func one(f *File, s service, bad bool, message string, nodes ...*yamltree.Node) []rule.Finding {
	if !bad {
		return nil
	}
	return []rule.Finding{s.at(f, message, nodes...)}
}

// lists reports whether a list has a text, in any case.
func lists(n *yamltree.Node, want ...string) *yamltree.Node {
	for _, item := range n.List() {
		for _, w := range want {
			if strings.EqualFold(item.Value(), w) {
				return item
			}
		}
	}
	return nil
}

func rightRules() []Rule {
	return []Rule{
		each(topic.Privilege, rule.Meta{
			ID: "compose-privileged", Severity: rule.Critical, Title: "No service is privileged",
			Why:    "A privileged container is root on the host: it may load kernel modules and mount every disk.",
			Guides: []string{"S0-59", "S1-17"}, CWE: []string{"CWE-250"}, Fix: "Take out privileged: true.",
		}, func(f *File, s service) []rule.Finding {
			var found []rule.Finding
			for _, of := range append(s.hooks(), s.Node, s.Get("build")) {
				n := of.Get("privileged")
				f.doubt(n.Value())
				found = append(found, one(f, s, truth(n), "is privileged", n)...)
			}
			return found
		}),
		mending(absent(topic.Privilege, rule.Meta{
			ID: "compose-capabilities", Severity: rule.Medium, Title: "Services drop all capabilities",
			Why:    "The default set lets a process forge packets, change owners and bind low ports.",
			Guides: []string{"S0-51", "S1-17"}, CWE: []string{"CWE-250"}, Fix: "Add cap_drop: [ALL].",
		}, func(f *File, s service) []rule.Finding {
			n := s.Get("cap_drop")
			return one(f, s, capability(n, "ALL") == nil, "does not drop ALL capabilities", n)
		}), mendEach(func(f *File, s service) []rule.Edit { return f.withField(s, "cap_drop", "[ALL]") })),
		each(topic.Privilege, rule.Meta{
			ID: "compose-capabilities-added", Severity: rule.High, Title: "No dangerous capability is added",
			Why:    "Capabilities such as SYS_ADMIN or NET_ADMIN are parts of root, and most of them lead to the rest.",
			Guides: []string{"S0-51"}, CWE: []string{"CWE-250"}, Fix: "Take the capability out of cap_add.",
		}, func(f *File, s service) []rule.Finding {
			n := capability(s.Get("cap_add"), "ALL", "SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "SYS_MODULE", "DAC_READ_SEARCH", "SYS_RAWIO", "BPF", "NET_RAW", "SYS_BOOT")
			return one(f, s, n != nil, "adds the capability "+n.Value(), n)
		}),
		mending(absent(topic.Integrity, rule.Meta{
			ID: "compose-read-only", Severity: rule.Medium, Title: "The root file system of services is read-only",
			Why:    "Who gets into a writable container can put tools into it and change the program that runs.",
			Guides: []string{"S0-51", "S0-59", "S1-17"}, CWE: []string{"CWE-732"}, Fix: "Add read_only: true, and tmpfs: [/tmp] where the program writes.",
		}, func(f *File, s service) []rule.Finding {
			n := s.Get("read_only")
			return one(f, s, !truth(n), "read_only is not true", n)
		}), mendEach(func(f *File, s service) []rule.Edit { return f.withField(s, "read_only", "true") })),
		mending(absent(topic.Privilege, rule.Meta{
			ID: "compose-new-privileges", Severity: rule.Medium, Title: "Processes cannot gain rights",
			Why:    "A set-user-id program inside the image gives root to whoever runs it.",
			Guides: []string{"S0-51", "S1-17"}, CWE: []string{"CWE-269"}, Fix: "Add security_opt: [no-new-privileges:true].",
		}, func(f *File, s service) []rule.Finding {
			n := s.Get("security_opt")
			return one(f, s, lists(n, "no-new-privileges:true", "no-new-privileges", "no-new-privileges=true") == nil, "security_opt lacks no-new-privileges:true", n)
		}), mendEach(func(f *File, s service) []rule.Edit {
			return f.withField(s, "security_opt", `["no-new-privileges:true"]`)
		})),
		each(topic.Isolation, rule.Meta{
			ID: "compose-unconfined", Severity: rule.High, Title: "Seccomp and AppArmor are not switched off",
			Why:    "Unconfined takes away walls that the runtime puts up by default.",
			Guides: []string{"S0-51", "S3-23"}, CWE: []string{"CWE-693"}, Fix: "Take seccomp:unconfined, or whichever is switched off, out of security_opt.",
		}, func(f *File, s service) []rule.Finding {
			n := lists(s.Get("security_opt"), "seccomp:unconfined", "seccomp=unconfined", "apparmor:unconfined", "apparmor=unconfined", "label:disable", "label=disable", "systempaths:unconfined", "systempaths=unconfined")
			return one(f, s, n != nil, n.Value(), n)
		}),
		each(topic.Privilege, rule.Meta{
			ID: "compose-root-user", Severity: rule.High, Title: "Services do not run as root",
			Why:    "Root in a container is root on the host after the first escape.",
			Guides: []string{"S0-59", "S1-3", "S1-22"}, CWE: []string{"CWE-250"}, Fix: "Set user to a number without rights: user: \"10001:10001\".",
		}, rootUsers),
		absent(topic.Privilege, rule.Meta{
			ID: "compose-no-user", Severity: rule.Low, Title: "Services say who they run as",
			Why:    "Without user it is the image that decides, and most images say root.",
			Guides: []string{"S0-59", "S1-3", "S1-17"}, CWE: []string{"CWE-250"}, Fix: "Add user: \"10001:10001\".",
		}, func(f *File, s service) []rule.Finding {
			n := s.Get("user")
			return one(f, s, n.Value() == "", "has no user", n)
		}),
	}
}

// rootUsers finds programs of a service that run as root.
func rootUsers(f *File, s service) []rule.Finding {
	var found []rule.Finding
	for _, of := range append(s.hooks(), s.Node) {
		n := of.Get("user")
		name, _, _ := strings.Cut(n.Value(), ":")
		f.doubt(name)
		found = append(found, one(f, s, name == "root" || n.Value() != "" && strings.Trim(name, "0") == "", "runs as root", n)...)
	}
	return found
}

func hostRules() []Rule {
	return append(mountRules(), []Rule{
		mending(each(topic.Exposure, rule.Meta{
			ID: "compose-port-all-addresses", Severity: rule.High, Title: "Ports are published on named addresses",
			Why:    "A port without an address is open on all of them, and Docker's own rules go before the host's firewall.",
			Guides: []string{"S0-55", "S1-4", "S1-17", "S1-22", "S3-17"}, CWE: []string{"CWE-668"}, Verify: "ss -ltn: the port is on 127.0.0.1.",
			Fix: "Write the address: ports: [\"127.0.0.1:8080:8080\"].",
		}, func(f *File, s service) []rule.Finding {
			var found []rule.Finding
			for _, p := range s.ports() {
				a := strings.Trim(p.address, "[]")
				f.doubt(a)
				found = append(found, one(f, s, a == "" || a == "0.0.0.0" || a == "::" || a == "*", "the port "+p.target+" is open on all addresses", p.node)...)
			}
			return found
		}), mendEach(mendPorts)),
		each(topic.Exposure, rule.Meta{
			ID: "compose-database-published", Severity: rule.High, Title: "Databases are not published",
			Why:    "Other services reach them by name on the inner network; from outside only attackers do.",
			Guides: []string{"S3-16", "S3-17", "S3-18"}, CWE: []string{"CWE-668"}, Verify: "ss -ltn on the host", Fix: "Take the line out of ports, or put the address 127.0.0.1 before it; services of the same network need none.",
		}, func(f *File, s service) []rule.Finding {
			var found []rule.Finding
			for _, p := range s.ports() {
				if p.database() && !f.doubt(p.address) {
					found = append(found, one(f, s, !loopback(p.address), "the database port "+p.target+" is published", p.node)...)
				}
			}
			return found
		}),
		each(topic.Isolation, rule.Meta{
			ID: "compose-host-network", Severity: rule.High, Title: "Services have a network of their own",
			Why:    "With the host's network a service reaches everything that listens on 127.0.0.1, and its ports are the host's.",
			Guides: []string{"S0-55", "S1-17"}, CWE: []string{"CWE-653"}, Fix: "Take out network_mode: host and publish the port on 127.0.0.1.",
		}, func(f *File, s service) []rule.Finding {
			n := s.Get("network_mode")
			f.doubt(n.Value())
			return one(f, s, n.Value() == "host", "uses the host's network", n)
		}),
		each(topic.Isolation, rule.Meta{
			ID: "compose-host-namespaces", Severity: rule.High, Title: "Services have processes, memory and users of their own",
			Why:    "In the host's namespace a container sees the environment of every process, with its secrets.",
			Guides: []string{"S0-59"}, CWE: []string{"CWE-653"}, Fix: "Take out pid, ipc, uts and userns_mode: host.",
		}, func(f *File, s service) []rule.Finding {
			var found []rule.Finding
			for _, name := range [...]string{"pid", "ipc", "uts", "userns_mode", "cgroup"} {
				n := s.Get(name)
				f.doubt(n.Value())
				found = append(found, one(f, s, n.Value() == "host", name+" is host", n)...)
			}
			return found
		}),
		each(topic.Isolation, rule.Meta{
			ID: "compose-devices", Severity: rule.Medium, Title: "Services get no device of the host",
			Why:    "A disk or memory device is the host itself.",
			Guides: []string{"S0-59"}, CWE: []string{"CWE-668"}, Fix: "Take out devices.",
		}, func(f *File, s service) []rule.Finding {
			n := s.Get("devices")
			return one(f, s, !n.Empty(), "gets devices of the host", n)
		}),
	}...)
}

// engine reports whether a path is the socket of a container engine.
func engine(name string) bool {
	for _, socket := range [...]string{"docker.sock", "containerd.sock", "podman.sock", "crio.sock"} {
		if strings.Contains(name, socket) {
			return true
		}
	}
	return false
}

func mountRules() []Rule {
	return []Rule{
		each(topic.Isolation, rule.Meta{
			ID: "compose-docker-socket", Severity: rule.Critical, Title: "No service holds the container engine",
			Why:    "Who can write to the engine's socket starts a privileged container and is root on the host. Read-only changes nothing.",
			Guides: []string{"S0-59", "S3-2"}, CWE: []string{"CWE-250"}, Fix: "Take the mount of docker.sock out; use a proxy that lets few calls through where one is needed.",
		}, func(f *File, s service) []rule.Finding {
			var found []rule.Finding
			for _, m := range s.mounts() {
				bad := engine(m.source) || engine(m.target)
				if !bad && !sensitive(m.source) {
					f.doubt(m.source)
				}
				found = append(found, one(f, s, bad, "mounts "+m.source, m.node)...)
			}
			return found
		}),
		each(topic.Isolation, rule.Meta{
			ID: "compose-system-mount", Severity: rule.High, Title: "No folder of the host's system is mounted",
			Why:    "It holds credentials of the host, and where it is writable, what the host runs.",
			Guides: []string{"S0-59", "S1-17"}, CWE: []string{"CWE-668"}, Fix: "Take the mount of /, /etc, /proc, /sys, /root or /boot out; mount the one folder that is needed, or use a named volume.",
		}, func(f *File, s service) []rule.Finding {
			var found []rule.Finding
			for _, m := range s.mounts() {
				if !sensitive(m.source) {
					f.doubt(m.source)
				}
				found = append(found, one(f, s, sensitive(m.source), "mounts "+m.source, m.node)...)
			}
			return found
		}),
		each(topic.Isolation, rule.Meta{
			ID: "compose-writable-mount", Severity: rule.Medium, Title: "Folders of the host are mounted to be read",
			Why:    "What a container writes into a folder of the host, a program of the host may run.",
			Guides: []string{"S0-59", "S1-17"}, CWE: []string{"CWE-732"}, Fix: "Append :ro, or use a named volume.",
		}, func(f *File, s service) []rule.Finding {
			var found []rule.Finding
			for _, m := range s.mounts() {
				if !m.readOnly && !strings.Contains(m.source, "/") && f.doubt(m.source) {
					continue // a folder, or a volume
				}
				found = append(found, one(f, s, !m.readOnly, "may write to "+m.source, m.node)...)
			}
			return found
		}),
	}
}

func imageRules() []Rule {
	eachImage := func(t topic.Topic, m rule.Meta, bad func(image.Ref, string) string) Rule {
		return each(t, m, func(f *File, s service) []rule.Finding {
			n := s.Get("image")
			if n.Value() == "" || s.Get("build") != nil {
				return nil
			}
			if f.doubt(n.Value()) {
				return nil
			}
			message := bad(image.Parse(n.Value()), n.Value())
			return one(f, s, message != "", message, n)
		})
	}
	return []Rule{
		eachImage(topic.Supply, rule.Meta{
			ID: "compose-image-latest", Severity: rule.High, Title: "Images have a version",
			Why:    "A tag such as latest is another program tomorrow, and cannot be rolled back.",
			Guides: []string{"S1-17", "S0-51", "S3-19"}, CWE: []string{"CWE-829"}, Fix: "Name the version and its digest: image:1.2.3@sha256:…",
		}, func(ref image.Ref, name string) string {
			if ref.Floating() {
				return name + " is not one version"
			}
			return ""
		}),
		eachImage(topic.Integrity, rule.Meta{
			ID: "compose-image-digest", Severity: rule.Medium, Title: "Images are named by digest",
			Why:    "A tag can be moved to another image by whoever can write to the registry. A digest is the image.",
			Guides: []string{"S1-17", "S0-49", "S3-24"}, CWE: []string{"CWE-494"}, Fix: "Append the digest: name:1.2.3@sha256:…",
		}, func(ref image.Ref, name string) string {
			if !ref.Pinned() {
				return "the image " + name + " has no digest"
			}
			return ""
		}),
		eachImage(topic.Supply, rule.Meta{
			ID: "compose-image-ended", Severity: rule.High, Title: "Images are still mended by their makers",
			Why:    "Holes that are found after its end stay open in such an image.",
			Guides: []string{"S0-49", "S3-19"}, CWE: []string{"CWE-1104"}, Verify: "Look the version up at endoflife.date.", Fix: "Move image to a version that is still maintained.",
		}, func(ref image.Ref, name string) string {
			if since := ref.Ended(time.Now()); since != "" {
				return name + " has not been mended since " + since
			}
			return ""
		}),
		each(topic.Secret, rule.Meta{
			ID: "compose-env-secret", Severity: rule.Critical, Title: "No credential is written into the file",
			Why:    "The file lies in a repository, and docker inspect shows the environment.",
			Guides: []string{"S0-44", "S0-57", "S1-1", "S1-22"}, CWE: []string{"CWE-798"}, Fix: "Take the password or key out of environment: use secrets with a file outside the repository, or ${NAME} from an ignored .env.",
		}, func(f *File, s service) []rule.Finding {
			var found []rule.Finding
			for _, table := range []*yamltree.Node{s.Get("environment"), s.Get("build", "args"), s.Get("labels")} {
				for _, p := range pairs(table) {
					found = append(found, one(f, s, credential.Written(p.name, p.value), "the value of "+p.name+" is written out", p.node)...)
				}
			}
			for _, c := range s.programs() {
				for i := range c.words {
					found = append(found, one(f, s, credential.Argument(c.words, i), "a credential stands in its command", c.node)...)
				}
			}
			return found
		}),
	}
}

func lifeRules() []Rule {
	return []Rule{
		absent(topic.Resources, rule.Meta{
			ID: "compose-limits", Severity: rule.Medium, Title: "Services have limits of memory and CPU",
			Why:    "One container without a limit can starve the host.",
			Guides: []string{"S0-51", "S0-59"}, CWE: []string{"CWE-770"}, Verify: "docker stats: the limit is not that of the host", Fix: "Set mem_limit and cpus, or deploy.resources.limits.",
		}, func(f *File, s service) []rule.Finding {
			limits := s.Get("deploy", "resources", "limits")
			memory := s.Get("mem_limit").Value() + limits.Get("memory").Value()
			cpus := s.Get("cpus").Value() + limits.Get("cpus").Value()
			return one(f, s, memory == "" || cpus == "", "has no limit of memory or CPU", limits)
		}),
		absent(topic.Resources, rule.Meta{
			ID: "compose-pids-limit", Severity: rule.Low, Title: "Services have a limit of processes",
			Why:    "A program that starts processes without end takes the host down.",
			Guides: []string{"S0-59"}, CWE: []string{"CWE-770"}, Fix: "Set pids_limit, for example to 100.",
		}, func(f *File, s service) []rule.Finding {
			n := s.Get("pids_limit")
			if n == nil {
				n = s.Get("deploy", "resources", "limits", "pids")
			}
			return one(f, s, n.Value() == "" || strings.HasPrefix(n.Value(), "-") || n.Value() == "0", "has no pids_limit", n)
		}),
		absent(topic.Telemetry, rule.Meta{
			ID: "compose-healthcheck", Severity: rule.Medium, Title: "Services have a health check",
			Why:    "A process that hangs counts as running.",
			Guides: []string{"S0-50", "S0-59", "S1-22"}, CWE: []string{"CWE-754"}, Verify: "docker ps: the status says healthy.",
			Fix: "Add healthcheck with a test, interval 30s, timeout 3s and 3 retries.",
		}, func(f *File, s service) []rule.Finding {
			n := s.Get("healthcheck")
			test := n.Get("test")
			return one(f, s, n.Empty() || n.Get("disable").True() || test.Value() == "NONE" || lists(test, "NONE") != nil, "has no health check", n)
		}),
		absent(topic.Resources, rule.Meta{
			ID: "compose-restart", Severity: rule.Low, Title: "Services are started again",
			Why:    "After a crash or a restart of the host the service stays away, and with it what it guards.",
			Guides: []string{"S1-17"}, CWE: []string{"CWE-754"}, Fix: "Add restart: unless-stopped.",
		}, func(f *File, s service) []rule.Finding {
			n := s.Get("restart")
			return one(f, s, (n.Value() == "" || n.Value() == "no" || n.IsBool()) && s.Get("deploy", "restart_policy") == nil, "has no restart policy", n)
		}),
		each(topic.Telemetry, rule.Meta{
			ID: "compose-logging", Severity: rule.Medium, Title: "Services keep their logs",
			Why:    "With the driver none nothing is left to look at after an incident.",
			Guides: []string{"S0-56", "S1-22"}, CWE: []string{"CWE-778"}, Verify: "docker logs CONTAINER", Fix: "Take out driver: none; bound the size with max-size and max-file.",
		}, func(f *File, s service) []rule.Finding {
			n := s.Get("logging", "driver")
			return one(f, s, n.Value() == "none", "keeps no logs", n)
		}),
		mending(each(topic.Hygiene, rule.Meta{
			ID: "compose-version", Severity: rule.Info, Title: "The file has no version",
			Why:    "Compose ignores version and warns of it; readers take it for one that means something.",
			Guides: []string{"S1-17"}, CWE: []string{"CWE-477"}, Verify: "docker compose config: no warning", Fix: "Take the line out.",
		}, func(f *File, s service) []rule.Finding {
			n := f.doc.Get("version")
			if n == nil || s.name != f.services[0].name {
				return nil
			}
			return []rule.Finding{{Message: "version is obsolete", File: f.path, Line: n.Line, Pointer: n.Path}}
		}), mendVersion),
	}
}
