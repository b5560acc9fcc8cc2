package kubernetes

import (
	"github.com/portcullis-dev/portcullis/internal/harden/check/mcpclient"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/check/trust"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// programRules are about what containers start, and with what settings.
func programRules() []Rule {
	return []Rule{
		eachContainer(topic.Transport.Of(rule.Meta{
			ID: "kubernetes-tls-unchecked", Severity: rule.High, Title: "Containers check certificates",
			Why:    "Anyone on the way is taken for the server, also another pod of the cluster.",
			Guides: []string{"S0-53", "S3-27"}, CWE: []string{"CWE-295"}, Verify: inspect,
			Fix: "Take NODE_TLS_REJECT_UNAUTHORIZED, --insecure and the like out; trust the authority of the server instead.",
		}), true, func(_ *workload, c *yamltree.Node) (string, *yamltree.Node) {
			for _, e := range c.Get("env").List() {
				if trust.Off(e.Get("name").Value(), e.Get("value").Value()) {
					return "certificates are not checked: " + e.Get("name").Value(), e.Get("value")
				}
			}
			for _, a := range append(append([]*yamltree.Node(nil), c.Get("command").List()...), c.Get("args").List()...) {
				if trust.Option(a.Value()) {
					return "certificates are not checked: " + a.Value(), a
				}
			}
			return "", nil
		}),
		eachContainer(topic.Supply.Of(rule.Meta{
			ID: "kubernetes-package-unpinned", Severity: rule.High, Title: "Containers start no package in whatever version is newest",
			Why:    "Whoever publishes the next version runs code in the cluster, at the next start, whatever the digest of the image is.",
			Guides: []string{"S0-58", "S1-22"}, CWE: []string{"CWE-829", "CWE-1357"}, Verify: inspect,
			Fix: "Build the package into the image, or write its version: package@1.2.3.",
		}), true, func(_ *workload, c *yamltree.Node) (string, *yamltree.Node) {
			var words []string
			for _, a := range append(append([]*yamltree.Node(nil), c.Get("command").List()...), c.Get("args").List()...) {
				words = append(words, a.Value())
			}
			if pkg, ok := mcpclient.Unpinned(words); ok {
				return "starts the newest " + pkg, c.Get("command")
			}
			return "", nil
		}),
	}
}
