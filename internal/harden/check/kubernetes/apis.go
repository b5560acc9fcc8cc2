package kubernetes

import (
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

// removed are versions of APIs that are gone, the release they went with, and
// what replaces them. A kind of "*" is every kind of the version.
var removed = [...]struct{ version, kind, gone, use string }{
	{"extensions/v1beta1", "*", "1.22", "apps/v1 or networking.k8s.io/v1"},
	{"apps/v1beta1", "*", "1.16", "apps/v1"},
	{"apps/v1beta2", "*", "1.16", "apps/v1"},
	{"networking.k8s.io/v1beta1", "*", "1.22", "networking.k8s.io/v1"},
	{"rbac.authorization.k8s.io/v1alpha1", "*", "1.22", "rbac.authorization.k8s.io/v1"},
	{"rbac.authorization.k8s.io/v1beta1", "*", "1.22", "rbac.authorization.k8s.io/v1"},
	{"apiextensions.k8s.io/v1beta1", "*", "1.22", "apiextensions.k8s.io/v1"},
	{"admissionregistration.k8s.io/v1beta1", "ValidatingWebhookConfiguration", "1.22", "admissionregistration.k8s.io/v1"},
	{"admissionregistration.k8s.io/v1beta1", "MutatingWebhookConfiguration", "1.22", "admissionregistration.k8s.io/v1"},
	{"certificates.k8s.io/v1beta1", "CertificateSigningRequest", "1.22", "certificates.k8s.io/v1"},
	{"scheduling.k8s.io/v1beta1", "*", "1.22", "scheduling.k8s.io/v1"},
	{"storage.k8s.io/v1beta1", "StorageClass", "1.22", "storage.k8s.io/v1"},
	{"storage.k8s.io/v1beta1", "CSIStorageCapacity", "1.27", "storage.k8s.io/v1"},
	{"batch/v1beta1", "CronJob", "1.25", "batch/v1"},
	{"batch/v2alpha1", "CronJob", "1.21", "batch/v1"},
	{"policy/v1beta1", "PodDisruptionBudget", "1.25", "policy/v1"},
	{"discovery.k8s.io/v1beta1", "*", "1.25", "discovery.k8s.io/v1"},
	{"events.k8s.io/v1beta1", "*", "1.25", "events.k8s.io/v1"},
	{"autoscaling/v2beta1", "*", "1.25", "autoscaling/v2"},
	{"autoscaling/v2beta2", "*", "1.26", "autoscaling/v2"},
	{"flowcontrol.apiserver.k8s.io/v1beta1", "*", "1.26", "flowcontrol.apiserver.k8s.io/v1"},
	{"flowcontrol.apiserver.k8s.io/v1beta2", "*", "1.29", "flowcontrol.apiserver.k8s.io/v1"},
	{"flowcontrol.apiserver.k8s.io/v1beta3", "*", "1.32", "flowcontrol.apiserver.k8s.io/v1"},
}

func apiRules() []Rule {
	const seen = "kubectl apply --dry-run=server: no matches for kind"
	return []Rule{
		anyObject(topic.Hygiene.Of(rule.Meta{
			ID: "kubernetes-pod-security-policy", Severity: rule.High, Title: "Pods are restricted by something that is still there",
			Why:    "PodSecurityPolicy is gone since Kubernetes 1.25: the manifest is refused and nothing restricts the pods.",
			Guides: []string{"S4-26"}, CWE: []string{"CWE-477"}, Verify: seen,
			Fix: "Label the namespace pod-security.kubernetes.io/enforce: restricted; add a ValidatingAdmissionPolicy for what that does not cover.",
		}), func(_ *Set, o *Object) []rule.Finding {
			if o.Kind == "PodSecurityPolicy" {
				return o.one("is a PodSecurityPolicy", o.Doc.Get("kind"))
			}
			return nil
		}),
		anyObject(topic.Hygiene.Of(rule.Meta{
			ID: "kubernetes-removed-api", Severity: rule.High, Title: "Manifests use APIs that are still there",
			Why:    "The API server refuses the object: a policy or budget that everybody believes in does not exist.",
			Guides: []string{"S4-26", "S0-58"}, CWE: []string{"CWE-477"}, Verify: seen,
			Fix: "Move to the version named in the finding.",
		}), func(_ *Set, o *Object) []rule.Finding {
			for _, r := range removed {
				if r.version == o.APIVersion && (r.kind == "*" || r.kind == o.Kind) {
					return o.one(o.APIVersion+" is gone since Kubernetes "+r.gone+": use "+r.use, o.Doc.Get("apiVersion"))
				}
			}
			return nil
		}),
	}
}

// anyObject makes a rule about all objects.
func anyObject(m rule.Meta, check func(*Set, *Object) []rule.Finding) Rule {
	return whole(m, func(s *Set) ([]rule.Finding, error) {
		if len(s.Objects) == 0 {
			return nil, rule.ErrNotApplicable
		}
		var found []rule.Finding
		for _, o := range s.Objects {
			found = append(found, check(s, o)...)
		}
		return found, nil
	})
}

func clusterRules() []Rule {
	admission := []string{"ValidatingAdmissionPolicy", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"}
	return []Rule{
		each(topic.Isolation.Of(rule.Meta{
			ID: "kubernetes-namespace-pod-security", Severity: rule.Medium, Title: "Namespaces enforce a Pod Security level",
			Why:    "Without the label the next manifest may be privileged, and nothing refuses it.",
			Guides: []string{"S4-26", "S3-23"}, CWE: []string{"CWE-1188"}, Verify: "kubectl get namespaces --show-labels",
			Fix: "Label the namespace pod-security.kubernetes.io/enforce: restricted.",
		}), []string{"Namespace"}, func(_ *Set, o *Object) []rule.Finding {
			at := o.Doc.Get("metadata", "labels", "pod-security.kubernetes.io/enforce")
			if at.Value() == "restricted" || at.Value() == "baseline" {
				return nil
			}
			return o.one("does not enforce restricted or baseline", at, o.Doc.Get("metadata"))
		}),
		each(topic.Access.Of(rule.Meta{
			ID: "kubernetes-admission-fails-open", Severity: rule.High, Title: "Admission fails closed",
			Why:    "With failurePolicy Ignore, who brings the webhook down gets everything past it.",
			Guides: []string{"S3-24", "S4-26"}, CWE: []string{"CWE-636"}, Verify: "kubectl get " + strings.ToLower(strings.Join(admission, ",")) + " -o yaml",
			Fix: "Set failurePolicy to Fail.",
		}), admission, func(_ *Set, o *Object) []rule.Finding {
			var found []rule.Finding
			if at := o.Doc.Get("spec", "failurePolicy"); at.Value() == "Ignore" {
				found = append(found, o.at("failurePolicy is Ignore", at))
			}
			for _, w := range o.Doc.Get("webhooks").List() {
				if at := w.Get("failurePolicy"); at.Value() == "Ignore" {
					found = append(found, o.at("failurePolicy of "+w.Get("name").Value()+" is Ignore", at))
				}
			}
			return found
		}),
		each(topic.Access.Of(rule.Meta{
			ID: "kubernetes-admission-warns-only", Severity: rule.Medium, Title: "Admission policies deny",
			Why:    "A binding that only warns or audits lets everything in.",
			Guides: []string{"S4-26"}, CWE: []string{"CWE-693"}, Verify: "kubectl get validatingadmissionpolicybindings -o yaml",
			Fix: "Add Deny to validationActions.",
		}), []string{"ValidatingAdmissionPolicyBinding"}, func(_ *Set, o *Object) []rule.Finding {
			at := o.Doc.Get("spec", "validationActions")
			for _, v := range values(at) {
				if v == "Deny" {
					return nil
				}
			}
			return o.one("does not deny", at, o.Doc.Get("spec"))
		}),
	}
}
