package kubernetes

import (
	"encoding/base64"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/credential"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

func secretRules() []Rule {
	return append(writtenSecretRules(), []Rule{
		each(topic.Secret.Of(rule.Meta{
			ID: "kubernetes-secret-in-repository", Severity: rule.Critical, Title: "No Secret with values lies among the manifests",
			Why:    "The values are base64, which is no encryption, and stay in the history of the repository.",
			Guides: []string{"S0-57", "S3-11", "S3-12", "S3-13"}, CWE: []string{"CWE-312"}, Verify: "Read the manifest.",
			Fix: "Keep a SealedSecret or ExternalSecret in the repository, and rotate the values.",
		}), []string{"Secret"}, func(_ *Set, o *Object) []rule.Finding {
			for _, table := range [...]string{"stringData", "data"} {
				data := o.Doc.Get(table)
				for _, name := range data.Names() {
					if v := data.Get(name); holds(table, v.Value()) {
						return o.one("the value of "+name+" is written out", v)
					}
				}
			}
			return nil
		}),
		each(topic.Secret.Of(rule.Meta{
			ID: "kubernetes-token-secret", Severity: rule.Medium, Title: "No token of a service account lasts for ever",
			Why:    "Secrets of this type never end; tokens that are asked for end and are bound to their pod.",
			Guides: []string{"S0-3", "S3-9"}, CWE: []string{"CWE-613"}, Verify: "kubectl get secrets --field-selector type=kubernetes.io/service-account-token",
			Fix: "Take the Secret out and use a projected token with expirationSeconds.",
		}), []string{"Secret"}, func(_ *Set, o *Object) []rule.Finding {
			if at := o.Doc.Get("type"); at.Value() == "kubernetes.io/service-account-token" {
				return o.one("is a token without an end", at)
			}
			return nil
		}),
		each(topic.Data.Of(rule.Meta{
			ID: "kubernetes-volume-encryption", Severity: rule.Low, Title: "Volumes name an encrypted storage class",
			Why:    "The default class of many clusters writes to disks as they are.",
			Guides: []string{"S0-53", "S3-32"}, CWE: []string{"CWE-311"}, Verify: "kubectl get storageclass -o yaml: the provisioner encrypts.",
			Fix: "Set storageClassName to a class that encrypts, such as encrypted-ssd.",
		}), []string{"PersistentVolumeClaim", "StatefulSet"}, func(s *Set, o *Object) []rule.Finding {
			claims := []*yamltree.Node{o.Doc}
			if o.Kind == "StatefulSet" {
				claims = o.Doc.Get("spec", "volumeClaimTemplates").List()
			}
			for _, c := range claims {
				if at := c.Get("spec", "storageClassName"); !s.encrypts(at.Value()) {
					return o.one("its storage class is not known to encrypt", at, c.Get("spec"))
				}
			}
			return nil
		}),
	}...)
}

func writtenSecretRules() []Rule {
	return []Rule{
		eachContainer(topic.Secret.Of(rule.Meta{
			ID: "kubernetes-env-secret", Severity: rule.Critical, Title: "No credential is written into a manifest",
			Why:    "Manifests lie in repositories, in etcd and in the output of kubectl describe.",
			Guides: []string{"S0-44", "S0-57", "S3-11", "S3-12"}, CWE: []string{"CWE-798"}, Verify: inspect,
			Fix: "Put the value into a Secret that is made outside the repository and mount it.",
		}), true, func(_ *workload, c *yamltree.Node) (string, *yamltree.Node) {
			for _, e := range c.Get("env").List() {
				if v := e.Get("value"); credential.Written(e.Get("name").Value(), v.Value()) {
					return "the value of " + e.Get("name").Value() + " is written out", v
				}
			}
			var words []string
			var at []*yamltree.Node
			for _, list := range [...]string{"command", "args"} {
				for _, a := range c.Get(list).List() {
					words, at = append(words, a.Value()), append(at, a)
				}
			}
			for i := range words {
				name, value, _ := strings.Cut(strings.TrimLeft(words[i], "-"), "=")
				if credential.Written(name, value) || credential.Argument(words, i) {
					return "a credential stands in its arguments", at[i]
				}
			}
			return "", nil
		}),
		eachContainer(topic.Secret.Of(rule.Meta{
			ID: "kubernetes-secret-in-environment", Severity: rule.Info, Title: "Secrets are mounted as files",
			Why:    "The environment is inherited by every child process, shown in crash reports, and not renewed when the secret is.",
			Guides: []string{"S3-12"}, CWE: []string{"CWE-526"}, Verify: inspect,
			Fix: "Mount the Secret as a read-only volume and read the file.",
		}), true, func(_ *workload, c *yamltree.Node) (string, *yamltree.Node) {
			for _, e := range c.Get("env").List() {
				if at := e.Get("valueFrom", "secretKeyRef"); at != nil {
					return "takes a secret from the environment", at
				}
			}
			for _, e := range c.Get("envFrom").List() {
				if at := e.Get("secretRef"); at != nil {
					return "takes secrets from the environment", at
				}
			}
			return "", nil
		}),
		each(topic.Secret.Of(rule.Meta{
			ID: "kubernetes-configmap-secret", Severity: rule.Critical, Title: "No credential stands in a ConfigMap",
			Why:    "ConfigMaps are readable by everybody who may look at the namespace, and are not encrypted at rest.",
			Guides: []string{"S0-44", "S0-57", "S1-18"}, CWE: []string{"CWE-312"}, Verify: "kubectl get configmap -o yaml",
			Fix: "Move the value into a Secret.",
		}), []string{"ConfigMap"}, func(_ *Set, o *Object) []rule.Finding {
			var found []rule.Finding
			data := o.Doc.Get("data")
			for _, name := range data.Names() {
				v := data.Get(name)
				if credential.Written(name, v.Value()) || len(credential.In([]byte(v.Value()))) > 0 {
					found = append(found, o.at("a credential stands under "+name, v))
				}
			}
			return found
		}),
	}
}

// holds reports whether a value of a Secret is one.
func holds(table, value string) bool {
	if table == "data" {
		text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
		if err == nil {
			value = string(text)
		}
	}
	v := strings.TrimSpace(value)
	return v != "" && !strings.HasPrefix(v, "$") && !strings.HasPrefix(v, "<") && !strings.Contains(v, "{{")
}

// encrypts reports whether a storage class says that it encrypts, by its
// manifest or by its name.
func (s *Set) encrypts(class string) bool {
	for _, o := range s.of("StorageClass") {
		if o.Name == class {
			p := o.Doc.Get("parameters")
			return p.Get("encrypted").Value() == "true" || p.Get("disk-encryption-kms-key").Value() != "" || p.Get("diskEncryptionSetID").Value() != ""
		}
	}
	return strings.Contains(class, "encrypt") || strings.Contains(class, "crypt") || strings.Contains(class, "kms")
}
