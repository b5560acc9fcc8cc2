package helm

import (
	"context"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/credential"
	"github.com/portcullis-dev/portcullis/internal/harden/check/image"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// Rule is a rule about charts.
type Rule = rule.Rule[*Chart]

func of(t topic.Topic, m rule.Meta, check func(*Chart) []rule.Finding) Rule {
	m.Kind = rule.Helm
	return Rule{Meta: t.Of(m), Check: func(_ context.Context, c *Chart) ([]rule.Finding, error) { return check(c), nil }}
}

func (c *Chart) at(file string, message string, nodes ...*yamltree.Node) rule.Finding {
	return rule.Finding{Message: message, File: c.file(file), Line: yamltree.At(nodes...)}
}

// eachPlace calls do for every table of all values, with the name of the file.
func (c *Chart) eachPlace(do func(file string, n *yamltree.Node)) {
	for _, v := range c.places {
		eachValue(v.Node, func(n *yamltree.Node) { do(v.name, n) })
	}
}

// eachValue calls do for every table of the values, and those in it.
func eachValue(n *yamltree.Node, do func(n *yamltree.Node)) {
	if n == nil {
		return
	}
	if n.IsTable() {
		do(n)
		for _, name := range n.Names() {
			eachValue(n.Get(name), do)
		}
	}
	for _, item := range n.List() {
		eachValue(item, do)
	}
}

// Rules returns all rules about charts.
func Rules() []Rule {
	return append(valueRules(), []Rule{
		of(topic.Integrity, rule.Meta{
			ID: "helm-dependency-lock", Severity: rule.High, Title: "Dependencies of the chart are locked",
			Why:    "A range takes whatever the repository of charts offers on the day of the release.",
			Guides: []string{"S0-48", "S0-58"}, CWE: []string{"CWE-829"}, Verify: "helm dependency list", Fix: "Write exact versions, run helm dependency update and commit Chart.lock.",
		}, func(c *Chart) []rule.Finding {
			deps := c.about.Get("dependencies")
			var found []rule.Finding
			for _, d := range deps.List() {
				if strings.HasPrefix(d.Get("repository").Value(), "file://") {
					continue
				}
				if v := d.Get("version"); v.Value() == "" || strings.ContainsAny(v.Value(), "^~><*xX|") {
					found = append(found, c.at("Chart.yaml", d.Get("name").Value()+" is not one version", v, d))
				}
				if strings.HasPrefix(d.Get("repository").Value(), "http://") {
					found = append(found, c.at("Chart.yaml", d.Get("name").Value()+" comes over plain http", d))
				}
			}
			if len(deps.List()) > 0 && !c.has("Chart.lock") {
				found = append(found, c.at("Chart.yaml", "there is no Chart.lock", deps))
			}
			return found
		}),
		of(topic.Privilege, rule.Meta{
			ID: "helm-security-context", Severity: rule.Medium, Title: "Values bring a security context",
			Why:    "What helm create writes is empty: who installs the chart as it is runs it as root.",
			Guides: []string{"S0-51", "S3-23", "S3-50"}, CWE: []string{"CWE-1188"}, Verify: "helm template CHART | grep -A8 securityContext", Fix: "Set runAsNonRoot, readOnlyRootFilesystem, allowPrivilegeEscalation: false and drop ALL in securityContext.",
		}, func(c *Chart) []rule.Finding {
			var found []rule.Finding
			eachValue(c.values, func(n *yamltree.Node) {
				for _, name := range [...]string{"securityContext", "podSecurityContext", "containerSecurityContext"} {
					if v := n.Get(name); v != nil && v.Empty() {
						found = append(found, c.at("values.yaml", v.Path+" is empty", v))
					}
				}
			})
			return found
		}),
	}...)
}

func valueRules() []Rule {
	return append(renderRules(), []Rule{
		of(topic.Hygiene, rule.Meta{
			ID: "helm-values-schema", Severity: rule.Medium, Title: "Values are checked by a schema",
			Why:    "A mistyped value is silently not used: the security context that somebody set is not there.",
			Guides: []string{"S0-51", "S0-54"}, CWE: []string{"CWE-20"}, Verify: "helm lint with a mistyped value fails.", Fix: "Add values.schema.json with additionalProperties: false.",
		}, func(c *Chart) []rule.Finding {
			if c.values.Empty() || c.has("values.schema.json") {
				return nil
			}
			return []rule.Finding{c.at("Chart.yaml", "the chart has values and no values.schema.json")}
		}),
		of(topic.Supply, rule.Meta{
			ID: "helm-image-latest", Severity: rule.High, Title: "Values name a version of every image",
			Why:    "A tag such as latest is another program tomorrow, and cannot be rolled back.",
			Guides: []string{"S0-51", "S3-19"}, CWE: []string{"CWE-829"}, Verify: "helm template CHART | grep image:", Fix: "Set the tag to a version, or leave it empty and let the template use appVersion.",
		}, func(c *Chart) []rule.Finding {
			var found []rule.Finding
			c.eachPlace(func(file string, n *yamltree.Node) {
				tag := n.Get("tag")
				if n.Get("repository") != nil && tag.Value() != "" && (image.Ref{Tag: tag.Value()}).Floating() && n.Get("digest").Value() == "" {
					found = append(found, c.at(file, tag.Path+" is "+tag.Value(), tag))
				}
				if ref := n.Get("image"); ref.IsText() && ref.Value() != "" && !strings.Contains(ref.Value(), "{{") && image.Parse(ref.Value()).Floating() && strings.ContainsAny(ref.Value(), ":/") {
					found = append(found, c.at(file, ref.Value()+" is not one version", ref))
				}
			})
			if v := c.about.Get("appVersion"); v.Value() == "latest" {
				found = append(found, c.at("Chart.yaml", "appVersion is latest", v))
			}
			return found
		}),
		of(topic.Secret, rule.Meta{
			ID: "helm-values-secret", Severity: rule.Critical, Title: "No credential stands in the values",
			Why:    "Values lie in the repository, and Helm keeps them in a Secret of every release.",
			Guides: []string{"S0-57", "S3-11", "S3-12"}, CWE: []string{"CWE-798"}, Verify: "helm get values RELEASE", Fix: "Take the value out and let the chart name an existing Secret.",
		}, func(c *Chart) []rule.Finding {
			var found []rule.Finding
			c.eachPlace(func(file string, n *yamltree.Node) {
				for _, name := range n.Names() {
					if v := n.Get(name); v.Value() != "" && !refers(name) && credential.Written(snake(name), v.Value()) {
						found = append(found, c.at(file, "the value of "+v.Path+" is written out", v))
					}
				}
			})
			return found
		}),
	}...)
}

// refers reports whether a value is the name of a Secret.
func refers(name string) bool {
	n := strings.ToLower(name)
	return strings.HasPrefix(n, "existing") || strings.Contains(n, "pullsecret") || strings.HasSuffix(n, "secretref")
}

// snake writes apiKey as api_key.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' && name[i-1] >= 'a' && name[i-1] <= 'z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func renderRules() []Rule {
	grave := topic.Isolation.Of(rule.Meta{
		ID: "helm-manifests", Kind: rule.Helm, Severity: rule.High, Title: "What the chart makes follows the rules for manifests",
		Why:    "A chart is judged by the manifests that reach the cluster, not by its templates.",
		Guides: []string{"S0-51", "S3-16", "S3-23"}, CWE: []string{"CWE-1188"}, Verify: "helm template CHART > manifests.yaml; portcullis check manifests.yaml",
		Fix: "Mend the templates or the values as the finding says, such as allowPrivilegeEscalation: false.",
	})
	lesser := grave
	lesser.ID, lesser.Severity, lesser.Title = "helm-manifests-lesser", rule.Medium, "What the chart makes follows the lesser rules for manifests too"
	lesser.Fix = "Mend the templates or the values as the finding says, such as the digest of an image or the limits of resources."
	return []Rule{
		{Meta: grave, Check: func(ctx context.Context, c *Chart) ([]rule.Finding, error) {
			return c.rendered(ctx, func(s rule.Severity) bool { return s >= rule.High })
		}},
		{Meta: lesser, Check: func(ctx context.Context, c *Chart) ([]rule.Finding, error) {
			return c.rendered(ctx, func(s rule.Severity) bool { return s == rule.Medium })
		}},
	}
}
