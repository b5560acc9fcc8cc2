package systemd

import (
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/mcpclient"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/shell"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/check/trust"
)

// command is a line of Exec.
type command struct {
	words []string // not empty
	line  int
}

// commands returns what the unit runs, without the marks before the programs.
func (f *File) commands() (out []command) {
	for _, s := range f.settings {
		if s.section != "Service" || !strings.HasPrefix(s.name, "Exec") {
			continue
		}
		for _, c := range shell.Split(strings.TrimLeft(s.value, "-@+!:|")) {
			out = append(out, command{c.Words, s.line})
		}
	}
	return out
}

// programs are rules about what the unit runs, and with what settings.
func programs() []Rule {
	return []Rule{
		of(topic.Transport, rule.Meta{
			ID: "systemd-tls-unchecked", Severity: rule.High, Title: "The service checks certificates",
			Why:    "Anyone on the way is taken for the server.",
			Guides: []string{"S0-53", "S3-27"}, CWE: []string{"CWE-295"}, Fix: "Take NODE_TLS_REJECT_UNAUTHORIZED, --insecure and the like out; trust the authority of the server instead.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			for _, s := range f.settings {
				if s.section != "Service" || s.name != "Environment" {
					continue
				}
				for _, pair := range strings.Fields(s.value) {
					if name, value, ok := strings.Cut(strings.Trim(pair, `"'`), "="); ok && trust.Off(name, value) {
						found = append(found, f.at(s.line, name+" switches the check of certificates off")...)
					}
				}
			}
			for _, c := range f.commands() {
				for _, w := range c.words {
					if trust.Option(w) {
						found = append(found, f.at(c.line, w+" switches the check of certificates off")...)
					}
				}
			}
			return found
		}),
		of(topic.Supply, rule.Meta{
			ID: "systemd-package-unpinned", Severity: rule.High, Title: "The service starts no package in whatever version is newest",
			Why:    "Whoever publishes the next version runs code on the host, at the next start.",
			Guides: []string{"S0-58", "S1-22"}, CWE: []string{"CWE-829", "CWE-1357"}, Fix: "Install the package in a fixed version, or write it: package@1.2.3.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			for _, c := range f.commands() {
				if pkg, ok := mcpclient.Unpinned(c.words); ok {
					found = append(found, f.at(c.line, "starts the newest "+pkg)...)
				}
			}
			return found
		}),
	}
}
