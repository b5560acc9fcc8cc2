package systemd

import (
	"context"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/credential"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

// Rule is a rule about unit files.
type Rule = rule.Rule[*File]

const verify = "systemd-analyze security UNIT"

func of(t topic.Topic, m rule.Meta, check func(*File) []rule.Finding) Rule {
	m.Kind, m.Verify = rule.Systemd, verify
	return Rule{Meta: t.Of(m), Check: func(_ context.Context, f *File) ([]rule.Finding, error) { return check(f), nil }}
}

// wants makes a rule of a setting that must have one of some values. The first
// is what mends it.
func wants(t topic.Topic, m rule.Meta, name string, values ...string) Rule {
	m.Fix = "Add " + name + "=" + values[0] + " to [Service]."
	m.Fixable = true
	r := of(t, m, func(f *File) []rule.Finding {
		s, ok := f.last(name)
		for _, v := range values {
			if s.value == v || v == "yes" && yes(s.value) {
				return nil
			}
		}
		if !ok {
			return f.at(s.line, name+" is not set")
		}
		return f.at(s.line, name+" is "+s.value)
	})
	r.Mend = func(f *File) ([]rule.Edit, error) {
		if len(mustCheck(r, f)) == 0 {
			return nil, nil
		}
		return f.set(name, values[0]), nil
	}
	return r
}

func mustCheck(r Rule, f *File) []rule.Finding {
	found, _ := r.Check(context.Background(), f) // these checks have no error
	return found
}

// Rules returns all rules about unit files.
func Rules() []Rule {
	return slices.Concat(identity(), programs(), sandbox(), limits())
}

func identity() []Rule {
	return []Rule{
		of(topic.Privilege, rule.Meta{
			ID: "systemd-root", Severity: rule.High, Title: "The service does not run as root",
			Why:    "Who gets into it owns the host.",
			Guides: []string{"S0-52", "S1-22"}, CWE: []string{"CWE-250"}, Fix: "Set DynamicUser=yes, or User= to an account without rights.",
		}, func(f *File) []rule.Finding {
			if s, _ := f.last("DynamicUser"); yes(s.value) {
				return nil
			}
			s, ok := f.last("User")
			if !ok || s.value == "root" || s.value == "0" || s.value == "" {
				return f.at(s.line, "runs as root")
			}
			return nil
		}),
		of(topic.Secret, rule.Meta{
			ID: "systemd-env-secret", Severity: rule.Critical, Title: "No credential is written into the unit",
			Why:    "Every user of the host may read units and their environment with systemctl show.",
			Guides: []string{"S0-44", "S0-57", "S1-1"}, CWE: []string{"CWE-798"}, Fix: "Take the key out of Environment=; use LoadCredential= or LoadCredentialEncrypted=.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			for _, s := range f.settings {
				if s.section != "Service" {
					continue
				}
				if name, value, ok := strings.Cut(s.value, ":"); ok && s.name == "SetCredential" && credential.Written(name, value) {
					found = append(found, f.at(s.line, "the value of "+name+" is written out")...)
				}
				if s.name == "Environment" {
					for _, pair := range strings.Fields(s.value) {
						if name, value, ok := strings.Cut(strings.Trim(pair, `"'`), "="); ok && credential.Written(name, value) {
							found = append(found, f.at(s.line, "the value of "+name+" is written out")...)
						}
					}
				}
			}
			for _, c := range f.commands() {
				for i := range c.words {
					if credential.Argument(c.words, i) {
						found = append(found, f.at(c.line, "a credential stands in a command")...)
					}
				}
			}
			return found
		}),
		wants(topic.Privilege, rule.Meta{
			ID: "systemd-new-privileges", Severity: rule.High, Title: "Processes cannot gain rights",
			Why:    "A set-user-id program of the host gives root to whoever runs it.",
			Guides: []string{"S0-51", "S0-52"}, CWE: []string{"CWE-269"},
		}, "NoNewPrivileges", "yes"),
		of(topic.Privilege, rule.Meta{
			ID: "systemd-capabilities", Severity: rule.Medium, Title: "The service has no capabilities that it does not need",
			Why:    "Without a bound, a hole that gives root gives all of it.",
			Guides: []string{"S0-51", "S0-52"}, CWE: []string{"CWE-250"}, Fix: "Add CapabilityBoundingSet= with nothing behind it, or with CAP_NET_BIND_SERVICE.",
		}, func(f *File) []rule.Finding {
			s, ok := f.last("CapabilityBoundingSet")
			switch {
			case !ok:
				return f.at(s.line, "CapabilityBoundingSet is not set")
			case strings.Contains(s.value, "CAP_SYS_ADMIN") && !strings.HasPrefix(s.value, "~"), strings.HasPrefix(s.value, "~") && !strings.Contains(s.value, "CAP_SYS_ADMIN"):
				return f.at(s.line, "keeps CAP_SYS_ADMIN")
			}
			return nil
		}),
	}
}

func sandbox() []Rule {
	return []Rule{
		wants(topic.Integrity, rule.Meta{
			ID: "systemd-protect-system", Severity: rule.High, Title: "The service cannot change the system",
			Why:    "Who gets into it could put programs where the host starts them.",
			Guides: []string{"S0-51", "S0-59"}, CWE: []string{"CWE-732"},
		}, "ProtectSystem", "strict"),
		wants(topic.Isolation, rule.Meta{
			ID: "systemd-protect-home", Severity: rule.Medium, Title: "The service does not see the homes of users",
			Why:    "Keys of SSH, of clouds and of browsers lie there.",
			Guides: []string{"S0-52"}, CWE: []string{"CWE-668"},
		}, "ProtectHome", "yes", "read-only", "tmpfs"),
		wants(topic.Isolation, rule.Meta{
			ID: "systemd-private-tmp", Severity: rule.Medium, Title: "The service has a /tmp of its own",
			Why:    "Others may wait in /tmp for the names of its files.",
			Guides: []string{"S0-51", "S3-23"}, CWE: []string{"CWE-377"},
		}, "PrivateTmp", "yes", "disconnected"),
		wants(topic.Isolation, rule.Meta{
			ID: "systemd-private-devices", Severity: rule.Medium, Title: "The service sees no disk or memory device",
			Why:    "With a disk device, rights of files mean nothing.",
			Guides: []string{"S0-51"}, CWE: []string{"CWE-668"},
		}, "PrivateDevices", "yes"),
		wants(topic.Isolation, rule.Meta{
			ID: "systemd-kernel", Severity: rule.Medium, Title: "The service cannot change settings of the kernel",
			Why:    "Settings in /proc/sys act on the whole host.",
			Guides: []string{"S0-51"}, CWE: []string{"CWE-668"},
		}, "ProtectKernelTunables", "yes"),
		of(topic.Isolation, rule.Meta{
			ID: "systemd-system-calls", Severity: rule.Medium, Title: "The service may use few system calls",
			Why:    "Every call of the kernel is open to attack; a service needs a third of them.",
			Guides: []string{"S0-51", "S3-23"}, CWE: []string{"CWE-693"}, Fix: "Add SystemCallFilter=@system-service and SystemCallArchitectures=native.",
		}, func(f *File) []rule.Finding {
			if s, ok := f.last("SystemCallFilter"); !ok || s.value == "" {
				return f.at(s.line, "SystemCallFilter is not set")
			}
			return nil
		}),
		of(topic.Isolation, rule.Meta{
			ID: "systemd-address-families", Severity: rule.Low, Title: "The service may open few kinds of sockets",
			Why:    "Raw packets and rare protocols are for attackers.",
			Guides: []string{"S0-55"}, CWE: []string{"CWE-693"}, Fix: "Add RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX.",
		}, func(f *File) []rule.Finding {
			if s, ok := f.last("RestrictAddressFamilies"); !ok || s.value == "" {
				return f.at(s.line, "RestrictAddressFamilies is not set")
			}
			return nil
		}),
	}
}

func limits() []Rule {
	return []Rule{
		of(topic.Resources, rule.Meta{
			ID: "systemd-memory", Severity: rule.Low, Title: "The service has a limit of memory",
			Why:    "One service without a limit can starve the host.",
			Guides: []string{"S0-51", "S0-59"}, CWE: []string{"CWE-770"}, Fix: "Add MemoryMax=512M and TasksMax=100.",
		}, func(f *File) []rule.Finding {
			if s, ok := f.last("MemoryMax"); !ok || s.value == "" || s.value == "infinity" {
				return f.at(s.line, "MemoryMax is not set")
			}
			return nil
		}),
		of(topic.Resources, rule.Meta{
			ID: "systemd-restart", Severity: rule.Low, Title: "The service is started again",
			Why:    "After a crash it stays away, and with it what it guards.",
			Guides: []string{"S1-17"}, CWE: []string{"CWE-754"}, Fix: "Add Restart=on-failure.",
		}, func(f *File) []rule.Finding {
			if kind, _ := f.last("Type"); kind.value == "oneshot" {
				return nil
			}
			if s, ok := f.last("Restart"); !ok || s.value == "no" || s.value == "" {
				return f.at(s.line, "Restart is not set")
			}
			return nil
		}),
	}
}
