package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// Rules returns the rules.
func Rules() []rule.Rule[*Machine] {
	return slices.Concat(fileRules(), dumpRules(), kernelRules(), systemRules(), serviceRules())
}

// open makes a check of the modes of one kind of file.
func open(what string, bits uint32, message string) func(*Machine, *found) {
	return func(m *Machine, out *found) {
		for _, f := range m.Files {
			if f.What == what && uint32(f.Mode.Perm())&bits != 0 {
				out.add(f.Path, "", message+" (mode %04o).", f.Mode.Perm())
			}
		}
	}
}

func fileRules() []rule.Rule[*Machine] {
	return []rule.Rule[*Machine]{
		{
			Meta: rule.Meta{
				ID: "host-data-folder-open", Kind: rule.Host, Severity: rule.High, Title: "The data folder is closed to others",
				Why:    "It holds key hashes, the audit log and the socket through which everything is administered.",
				Guides: []string{"S0-52", "S0-53"}, OWASP: []string{"MCP01:2025", "API8:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-732"},
				Verify: "ls -ld on the data folder shows rights for the group or others.", Fix: "Set the mode to 0700: chmod 0700 on the data folder.",
			},
			Check: look(has(DataFolder), open(DataFolder, 0o077, "Others may look into it")),
		},
		{
			Meta: rule.Meta{
				ID: "host-key-readable", Kind: rule.Host, Severity: rule.High, Title: "Private keys are readable by their owner only",
				Why:    "Who reads the key can pretend to be the gateway.",
				Guides: []string{"S0-53"}, OWASP: []string{"MCP01:2025"}, CoSAI: rule.L2, Threats: []string{"MCP-T5", "MCP-T7"}, CWE: []string{"CWE-732"},
				Verify: "ls -l on server.tls.key shows rights for others, or writing for the group.", Fix: "Set the mode to 0400: chmod 0400 on the key, owned by the gateway's account.",
			},
			Check: look(has(PrivateKey), open(PrivateKey, 0o027, "Others may read or change it")),
		},
		{
			Meta: rule.Meta{
				ID: "host-config-writable", Kind: rule.Host, Severity: rule.High, Title: "Only its owner may change the configuration",
				Why:    "Who changes it opens routes, and names commands that the gateway starts.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP02:2025", "API8:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T2"}, CWE: []string{"CWE-732"},
				Verify: "ls -l on portcullis.toml shows writing for the group or others.", Fix: "Take writing by others out of the mode: chmod go-w on portcullis.toml.",
			},
			Check: look(has(Configuration), open(Configuration, 0o022, "Others may change it")),
		},
		{
			Meta: rule.Meta{
				ID: "host-environment-readable", Kind: rule.Host, Severity: rule.High, Title: "Files with the environment are closed to others",
				Why:    "They hold passwords and tokens for every user of the machine to read.",
				Guides: []string{"S0-57"}, OWASP: []string{"MCP01:2025"}, CoSAI: rule.L2, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-732"},
				Verify: "ls -l on .env files beside the configuration shows reading for others.", Fix: "Set the mode to 0600: chmod 0600 on them.",
			},
			Check: look(has(Environment), open(Environment, 0o007, "Others may read it")),
		},
		{
			Meta: rule.Meta{
				ID: "host-docker-socket-open", Kind: rule.Host, Severity: rule.High, Title: "Not everybody may command the container engine",
				Why:    "Who may write to the socket is root on this machine.",
				Guides: []string{"S0-59"}, OWASP: []string{"MCP02:2025"}, Threats: []string{"MCP-T8", "MCP-T9"}, CWE: []string{"CWE-732", "CWE-250"},
				Verify: "ls -l /var/run/docker.sock shows writing for others.", Fix: "Take others out of the mode: chmod o-rw on the socket, and find out what opens it.",
			},
			Check: look(func(m *Machine) error {
				if m.Docker == nil {
					return fmt.Errorf("there is no container engine: %w", rule.ErrNotApplicable)
				}
				return nil
			}, func(m *Machine, out *found) {
				if m.Docker != nil && m.Docker.Mode.Perm()&0o002 != 0 {
					out.add(m.Docker.Path, "", "Everybody may command the container engine.")
				}
			}),
		},
	}
}

// setting makes a check of one setting of the kernel.
func setting(name string, wrong func(value string) bool, message string) func(*Machine, *found) {
	return func(m *Machine, out *found) {
		if value, ok := m.Kernel[name]; ok && wrong(value) {
			out.add("", name, "%s is %s: %s", name, value, message)
		}
	}
}

// dumpRules are about files that memory is written to.
func dumpRules() []rule.Rule[*Machine] {
	return []rule.Rule[*Machine]{
		{
			Meta: rule.Meta{
				ID: "host-core-dumps", Kind: rule.Host, Severity: rule.Medium, Title: "The memory of the gateway is not written to core files",
				Why:    "A core file holds every secret that the process had, for whoever finds it.",
				Guides: []string{"S0-53"}, OWASP: []string{"MCP01:2025"}, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-528"},
				Verify: "/proc/PID/limits of the gateway shows a soft limit of core files above 0.", Fix: "LimitCORE=0 in the unit, or ulimit -c 0 before the start.",
			},
			Check: look(running, func(m *Machine, out *found) {
				for _, p := range m.Processes {
					if p.CoreLimit != "0" && p.CoreLimit != "" {
						out.add("", fmt.Sprintf("process %d", p.PID), "The process may write a core file of %s.", p.CoreLimit)
					}
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "host-set-id-dumps", Kind: rule.Host, Severity: rule.Low, Title: "Programs with raised rights write no core files",
				Why:    "Their core files may be read by who started them.",
				Guides: []string{"S0-53"}, OWASP: []string{"API8:2023"}, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-528"},
				Verify: "sysctl fs.suid_dumpable is 1.", Fix: "sysctl -w fs.suid_dumpable=0, and in /etc/sysctl.d.",
			},
			Check: look(kernel("fs.suid_dumpable"), setting("fs.suid_dumpable", func(v string) bool { return v == "1" }, "set it to 0.")),
		},
	}
}

// kernelRules are about settings of the kernel.
func kernelRules() []rule.Rule[*Machine] {
	return []rule.Rule[*Machine]{
		{
			Meta: rule.Meta{
				ID: "host-ptrace-open", Kind: rule.Host, Severity: rule.Low, Title: "Programs cannot read the memory of others of the same user",
				Why:    "Any program of the account reads the secrets of the gateway from its memory.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP01:2025"}, Threats: []string{"MCP-T5", "MCP-T9"}, CWE: []string{"CWE-200"},
				Verify: "sysctl kernel.yama.ptrace_scope is 0.", Fix: "sysctl -w kernel.yama.ptrace_scope=1, and in /etc/sysctl.d.",
			},
			Check: look(kernel("kernel.yama.ptrace_scope"), setting("kernel.yama.ptrace_scope", func(v string) bool { return v == "0" }, "set it to 1 or more.")),
		},
		{
			Meta: rule.Meta{
				ID: "host-layout-fixed", Kind: rule.Host, Severity: rule.Medium, Title: "Addresses in memory are random",
				Why:    "Fixed addresses make faults in servers behind easy to use.",
				Guides: []string{"S0-52"}, OWASP: []string{"API8:2023"}, Threats: []string{"MCP-T9"}, CWE: []string{"CWE-1188"},
				Verify: "sysctl kernel.randomize_va_space is not 2.", Fix: "sysctl -w kernel.randomize_va_space=2, and in /etc/sysctl.d.",
			},
			Check: look(kernel("kernel.randomize_va_space"), setting("kernel.randomize_va_space", func(v string) bool { return v != "2" }, "set it to 2.")),
		},
		{
			Meta: rule.Meta{
				ID: "host-links-unprotected", Kind: rule.Host, Severity: rule.Low, Title: "Links in shared folders are not followed for others",
				Why:    "A link in /tmp makes a program write to a file that its planter may not.",
				Guides: []string{"S0-52"}, OWASP: []string{"API8:2023"}, Threats: []string{"MCP-T9"}, CWE: []string{"CWE-59"},
				Verify: "sysctl fs.protected_symlinks is 0.", Fix: "sysctl -w fs.protected_symlinks=1, and in /etc/sysctl.d.",
			},
			Check: look(kernel("fs.protected_symlinks"), setting("fs.protected_symlinks", func(v string) bool { return v == "0" }, "set it to 1.")),
		},
	}
}

// systemRules are about the rest of the machine.
func systemRules() []rule.Rule[*Machine] {
	return []rule.Rule[*Machine]{
		{
			Meta: rule.Meta{
				ID: "host-swap-plain", Kind: rule.Host, Severity: rule.Low, Title: "Memory is not written to a disk in clear text",
				Why:    "Secrets of processes stay on the disk after they are gone from memory.",
				Guides: []string{"S0-53"}, OWASP: []string{"MCP01:2025"}, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-313"},
				Verify: "/proc/swaps names a device that is neither encrypted nor zram.", Fix: "Encrypt the swap device, use zram, or set MemorySwapMax=0 in the unit.",
			},
			Check: look(func(m *Machine) error {
				if m.Swaps == nil {
					return errors.New("/proc/swaps could not be read")
				}
				return nil
			}, func(m *Machine, out *found) {
				if m.Swaps == nil {
					return
				}
				for _, s := range *m.Swaps {
					if !s.Encrypted {
						out.add("", s.Name, "Memory is written to %s, which does not look encrypted.", s.Name)
					}
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "host-restart-pending", Kind: rule.Host, Severity: rule.Low, Title: "No update waits for a restart",
				Why:    "What was mended on the disk still runs as it was.",
				Guides: []string{"S0-58", "S1-22"}, OWASP: []string{"MCP04:2025"}, Threats: []string{"MCP-T11"}, CWE: []string{"CWE-1104"},
				Verify: "/run/reboot-required is there.", Fix: "Restart the machine.",
			},
			Check: look(nothing, func(m *Machine, out *found) {
				if m.Restart {
					out.add("/run/reboot-required", "", "Updates wait for a restart.")
				}
			}),
		},
	}
}

// hardening are directives of systemd that a unit of the gateway has, with the
// values that count.
var hardening = []struct {
	name   string
	values []string
}{
	{"NoNewPrivileges", []string{"yes", "true", "on", "1"}},
	{"ProtectSystem", []string{"strict", "full"}},
	{"ProtectHome", []string{"yes", "true", "on", "1", "read-only", "tmpfs"}},
	{"PrivateTmp", []string{"yes", "true", "on", "1", "disconnected"}},
	{"PrivateDevices", []string{"yes", "true", "on", "1"}},
	{"ProtectKernelTunables", []string{"yes", "true", "on", "1"}},
	{"ProtectKernelModules", []string{"yes", "true", "on", "1"}},
	{"ProtectControlGroups", []string{"yes", "true", "on", "1", "strict", "private"}},
	{"RestrictSUIDSGID", []string{"yes", "true", "on", "1"}},
}

func serviceRules() []rule.Rule[*Machine] {
	return []rule.Rule[*Machine]{
		{
			Meta: rule.Meta{
				ID: "host-root", Kind: rule.Host, Severity: rule.High, Title: "The gateway does not run as root",
				Why:    "Whoever takes it over has the machine.",
				Guides: []string{"S0-52", "S1-22", "S3-50"}, OWASP: []string{"MCP02:2025", "API8:2023"}, CoSAI: rule.L1, Threats: []string{"MCP-T9"}, CWE: []string{"CWE-250"},
				Verify: "ps -o user= -p PID of the gateway says root.", Fix: "Give it an account (uid) of its own: User= in the unit. For a port below 1024: AmbientCapabilities=CAP_NET_BIND_SERVICE.",
			},
			Check: look(running, func(m *Machine, out *found) {
				for _, p := range m.Processes {
					if p.UID == 0 {
						out.add("", fmt.Sprintf("process %d", p.PID), "The gateway runs as root.")
					}
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "host-unit-root", Kind: rule.Host, Severity: rule.High, Title: "The unit names an account",
				Why:    "Without User= or DynamicUser= systemd starts the gateway as root.",
				Guides: []string{"S0-52", "S1-22"}, OWASP: []string{"MCP02:2025", "API8:2023"}, CoSAI: rule.L1, Threats: []string{"MCP-T9"}, CWE: []string{"CWE-250"},
				Verify: "systemctl show -p User,DynamicUser portcullis is empty and no.", Fix: "User=portcullis, or DynamicUser=yes, in the section [Service].",
			},
			Check: look(units, func(m *Machine, out *found) {
				for _, u := range m.Units {
					user, dynamic := u.Service["User"], strings.ToLower(u.Service["DynamicUser"])
					if (user == "" || user == "root" || user == "0") && !slices.Contains([]string{"yes", "true", "on", "1"}, dynamic) {
						out.add(u.Path, "Service.User", "The service runs as root.")
					}
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "host-unit-open", Kind: rule.Host, Severity: rule.Medium, Title: "The unit shuts the gateway off from the rest of the machine",
				Why:    "Whoever takes the gateway over sees and changes what else is on the machine.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP02:2025", "API8:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T8", "MCP-T9"}, CWE: []string{"CWE-653"},
				Verify: "systemd-analyze security portcullis.", Fix: "Take the directives that are missing, such as NoNewPrivileges=yes, from docs/operations.md.",
			},
			Check: look(units, func(m *Machine, out *found) {
				for _, u := range m.Units {
					var missing []string
					for _, h := range hardening {
						if !slices.Contains(h.values, strings.ToLower(u.Service[h.name])) {
							missing = append(missing, h.name)
						}
					}
					if len(missing) > 0 {
						out.add(u.Path, "Service", "These do not protect it: %s.", strings.Join(missing, ", "))
					}
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "host-listener-wide", Kind: rule.Host, Severity: rule.Medium, Title: "Stores and engines listen on this machine only",
				Why:    "Databases, caches and container engines are made for trusted networks; many ask for no password.",
				Guides: []string{"S0-55", "S1-22"}, OWASP: []string{"API8:2023"}, CoSAI: rule.L1, Threats: []string{"MCP-T8"}, CWE: []string{"CWE-668"},
				Verify: "ss -ltn shows one of their ports on an address that is not loopback.", Fix: "Bind the service to 127.0.0.1, or close the port in the firewall and suppress the finding with that reason.",
			},
			Check: look(func(m *Machine) error {
				if m.Listeners == nil {
					return errors.New("/proc/net/tcp could not be read")
				}
				return nil
			}, func(m *Machine, out *found) {
				if m.Listeners == nil {
					return
				}
				for _, l := range *m.Listeners {
					if what := inner[l.Port]; what != "" && !loopback(l.Address) {
						out.add("", fmt.Sprintf("%s:%d", l.Address, l.Port), "%s can be reached from other machines.", what)
					}
				}
			}),
		},
	}
}

// inner are ports of services that belong inside.
var inner = map[int]string{
	2375: "The Docker engine, without TLS,", 2379: "etcd", 3306: "MySQL", 5432: "PostgreSQL", 6379: "Redis", 8200: "Vault", 9200: "Elasticsearch", 11211: "memcached", 27017: "MongoDB",
}

func loopback(address string) bool {
	return strings.HasPrefix(address, "127.") || address == "::1" || strings.HasPrefix(address, "::ffff:127.")
}
