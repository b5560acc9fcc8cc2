package compose

import (
	"github.com/portcullis-dev/portcullis/internal/harden/check/mcpclient"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/shell"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/check/trust"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// command is what a service starts.
type command struct {
	words []string
	node  *yamltree.Node
}

// programs returns what a service starts. An entry point is given what stands
// in command; a text of its own is taken apart as a shell would.
func (s service) programs() (out []command) {
	entry, cmd := s.Get("entrypoint"), s.Get("command")
	if !entry.Empty() && !cmd.Empty() {
		return []command{{append(words(entry), words(cmd)...), cmd}}
	}
	for _, n := range []*yamltree.Node{entry, cmd} {
		if w := words(n); n.IsList() && len(w) > 0 {
			out = append(out, command{w, n})
			continue
		}
		for _, c := range shell.Split(n.Value()) {
			out = append(out, command{c.Words, n})
		}
	}
	return out
}

// words returns the words of a list or a text.
func words(n *yamltree.Node) (out []string) {
	for _, item := range n.List() {
		out = append(out, item.Value())
	}
	for _, c := range shell.Split(n.Value()) {
		out = append(out, c.Words...)
	}
	return out
}

// programRules are about what services start, and with what settings.
func programRules() []Rule {
	return []Rule{
		each(topic.Transport, rule.Meta{
			ID: "compose-tls-unchecked", Severity: rule.High, Title: "Services check certificates",
			Why:    "Anyone on the way is taken for the server.",
			Guides: []string{"S0-53", "S3-27"}, CWE: []string{"CWE-295"}, Fix: "Take NODE_TLS_REJECT_UNAUTHORIZED, --insecure and the like out; trust the authority of the server instead.",
		}, func(f *File, s service) []rule.Finding {
			var found []rule.Finding
			for _, table := range []*yamltree.Node{s.Get("environment"), s.Get("build", "args")} {
				for _, p := range pairs(table) {
					found = append(found, one(f, s, trust.Off(p.name, p.value), "certificates are not checked: "+p.name, p.node)...)
				}
			}
			for _, c := range s.programs() {
				for _, w := range c.words {
					found = append(found, one(f, s, trust.Option(w), "certificates are not checked: "+w, c.node)...)
				}
			}
			return found
		}),
		each(topic.Supply, rule.Meta{
			ID: "compose-package-unpinned", Severity: rule.High, Title: "Services start no package in whatever version is newest",
			Why:    "Whoever publishes the next version runs code in the service, at the next start, whatever the digest of the image is.",
			Guides: []string{"S0-58", "S1-22"}, CWE: []string{"CWE-829", "CWE-1357"}, Fix: "Build the package into the image, or write its version: package@1.2.3.",
		}, func(f *File, s service) []rule.Finding {
			var found []rule.Finding
			for _, c := range s.programs() {
				if pkg, ok := mcpclient.Unpinned(c.words); ok {
					found = append(found, one(f, s, true, "starts the newest "+pkg, c.node)...)
				}
			}
			return found
		}),
	}
}
