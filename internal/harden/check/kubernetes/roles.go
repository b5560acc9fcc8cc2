package kubernetes

import (
	"slices"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// values returns the texts of a list.
func values(n *yamltree.Node) []string {
	var out []string
	for _, item := range n.List() {
		out = append(out, item.Value())
	}
	return out
}

// grants reports whether a rule of a role grants one of the verbs on one of
// the resources.
func grants(r *yamltree.Node, verbs, resources []string) bool {
	has := func(list []string, want []string) bool {
		return slices.ContainsFunc(list, func(v string) bool { return v == "*" || slices.Contains(want, v) })
	}
	return has(values(r.Get("verbs")), verbs) && has(values(r.Get("resources")), resources)
}

// eachGrant makes a rule of a function that says what is wrong with a rule of
// a role.
func eachGrant(m rule.Meta, check func(*Object, *yamltree.Node) string) Rule {
	m.CWE = []string{"CWE-269"}
	if m.Verify == "" {
		m.Verify = "kubectl auth can-i --list --as=system:serviceaccount:NAMESPACE:NAME"
	}
	return each(topic.Privilege.Of(m), []string{"Role", "ClusterRole"}, func(_ *Set, o *Object) []rule.Finding {
		var found []rule.Finding
		for _, r := range o.Doc.Get("rules").List() {
			found = append(found, o.one(check(o, r), r)...)
		}
		return found
	})
}

func roleRules() []Rule {
	return append(readingRoleRules(), []Rule{
		eachGrant(rule.Meta{
			ID: "kubernetes-role-creates-pods", Severity: rule.Medium, Title: "Roles of programs do not create workloads",
			Why:    "Who can create pods can run as every service account of the namespace and mount every secret in it.",
			Guides: []string{"S3-9"}, Fix: "Take out create, update and patch on pods and their controllers.",
		}, func(_ *Object, r *yamltree.Node) string {
			if grants(r, []string{"create", "update", "patch"}, []string{"pods", "deployments", "daemonsets", "statefulsets", "jobs", "cronjobs"}) {
				return "may create or change workloads"
			}
			return ""
		}),
		eachGrant(rule.Meta{
			ID: "kubernetes-role-tokens", Severity: rule.High, Title: "Roles do not make tokens of service accounts",
			Why:    "A token made for another account is that account, without a trace in its secrets.",
			Guides: []string{"S3-9"}, Fix: "Take out create on serviceaccounts/token.",
		}, func(_ *Object, r *yamltree.Node) string {
			if grants(r, []string{"create"}, []string{"serviceaccounts/token"}) {
				return "may create tokens of service accounts"
			}
			return ""
		}),
		eachGrant(rule.Meta{
			ID: "kubernetes-role-admission", Severity: rule.High, Title: "Roles of programs do not change admission",
			Why:    "Who can change admission webhooks and policies switches all other checks of the cluster off.",
			Guides: []string{"S3-9", "S4-26"}, Fix: "Take out write verbs on admission configurations.",
		}, func(_ *Object, r *yamltree.Node) string {
			if grants(r, []string{"create", "update", "patch", "delete"}, []string{"validatingwebhookconfigurations", "mutatingwebhookconfigurations", "validatingadmissionpolicies", "validatingadmissionpolicybindings"}) {
				return "may change the admission of objects"
			}
			return ""
		}),
	}...)
}

func readingRoleRules() []Rule {
	return append(bindingRules(), []Rule{
		eachGrant(rule.Meta{
			ID: "kubernetes-role-wildcard", Severity: rule.High, Title: "Roles name what they allow",
			Why:    "A * also allows what the next version of the cluster brings.",
			Guides: []string{"S3-2", "S3-9", "S3-50"}, Fix: "Name the verbs and resources that are used.",
		}, func(_ *Object, r *yamltree.Node) string {
			for _, list := range [...]string{"verbs", "resources", "apiGroups"} {
				if slices.Contains(values(r.Get(list)), "*") {
					return "grants * among its " + list
				}
			}
			return ""
		}),
		eachGrant(rule.Meta{
			ID: "kubernetes-role-secrets", Severity: rule.High, Title: "Roles name the secrets that may be read",
			Why:    "Who can list secrets has read them all, whatever get allows.",
			Guides: []string{"S3-9", "S0-52"}, Fix: "Allow only get, with resourceNames.",
		}, func(_ *Object, r *yamltree.Node) string {
			switch {
			case grants(r, []string{"list", "watch"}, []string{"secrets"}):
				return "list or watch on secrets reads all of them"
			case grants(r, []string{"get"}, []string{"secrets"}) && r.Get("resourceNames").Empty():
				return "get on secrets has no resourceNames"
			}
			return ""
		}),
		eachGrant(rule.Meta{
			ID: "kubernetes-role-escalation", Severity: rule.Critical, Title: "Roles cannot widen themselves",
			Why:    "escalate, bind and impersonate turn any account into an administrator.",
			Guides: []string{"S3-2", "S3-9"}, Fix: "Take out escalate, bind and impersonate.",
		}, func(_ *Object, r *yamltree.Node) string {
			for _, v := range values(r.Get("verbs")) {
				if v == "escalate" || v == "bind" || v == "impersonate" {
					return "grants " + v
				}
			}
			return ""
		}),
		eachGrant(rule.Meta{
			ID: "kubernetes-role-exec", Severity: rule.High, Title: "Roles do not open shells in pods",
			Why:    "exec and attach run commands as any pod of the namespace, with its secrets.",
			Guides: []string{"S3-9"}, Fix: "Take out pods/exec, pods/attach and pods/portforward.",
		}, func(_ *Object, r *yamltree.Node) string {
			for _, res := range values(r.Get("resources")) {
				if res == "pods/exec" || res == "pods/attach" || res == "pods/portforward" || res == "nodes/proxy" {
					return "grants " + res
				}
			}
			return ""
		}),
	}...)
}

func bindingRules() []Rule {
	bindings := []string{"RoleBinding", "ClusterRoleBinding"}
	const seen = "kubectl get rolebindings,clusterrolebindings -A -o wide"
	return []Rule{
		each(topic.Privilege.Of(rule.Meta{
			ID: "kubernetes-cluster-admin", Severity: rule.Critical, Title: "No program is an administrator of the cluster",
			Why:    "One hole in such a program is the whole cluster.",
			Guides: []string{"S0-52", "S3-2", "S3-9", "S3-50"}, CWE: []string{"CWE-250"}, Verify: seen,
			Fix: "Bind a role that names what the program does.",
		}), bindings, func(_ *Set, o *Object) []rule.Finding {
			at := o.Doc.Get("roleRef", "name")
			switch at.Value() {
			case "cluster-admin", "admin", "edit", "system:masters":
				return o.one("binds "+at.Value(), at)
			}
			return nil
		}),
		each(topic.Access.Of(rule.Meta{
			ID: "kubernetes-binding-everybody", Severity: rule.Critical, Title: "Roles are not bound to everybody",
			Why:    "system:unauthenticated is the Internet where the API server is reachable, and system:authenticated every account of the cluster.",
			Guides: []string{"S0-52", "S3-2", "S3-50"}, CWE: []string{"CWE-284"}, Verify: seen,
			Fix: "Bind the role to a service account.",
		}), bindings, func(_ *Set, o *Object) []rule.Finding {
			var found []rule.Finding
			for _, s := range o.Doc.Get("subjects").List() {
				switch name := s.Get("name").Value(); name {
				case "system:unauthenticated", "system:anonymous", "system:authenticated", "system:serviceaccounts", "system:masters":
					found = append(found, o.at("binds to "+name, s))
				}
			}
			return found
		}),
		each(topic.Privilege.Of(rule.Meta{
			ID: "kubernetes-binding-default", Severity: rule.Medium, Title: "Roles are not bound to default service accounts",
			Why:    "Every pod that names no account gets the role.",
			Guides: []string{"S3-9"}, CWE: []string{"CWE-266"}, Verify: seen,
			Fix: "Bind the role to a service account with a name of its own.",
		}), bindings, func(_ *Set, o *Object) []rule.Finding {
			for _, s := range o.Doc.Get("subjects").List() {
				if s.Get("kind").Value() == "ServiceAccount" && s.Get("name").Value() == "default" {
					return o.one("binds to the default service account", s)
				}
			}
			return nil
		}),
		each(topic.Privilege.Of(rule.Meta{
			ID: "kubernetes-account-token", Severity: rule.Low, Title: "Service accounts do not hand their token to every pod",
			Why:    "A pod that says nothing gets what its account says.",
			Guides: []string{"S3-9", "S0-51"}, CWE: []string{"CWE-522"}, Verify: "kubectl get serviceaccounts -o yaml",
			Fix: "Set automountServiceAccountToken to false on the ServiceAccount.",
		}), []string{"ServiceAccount"}, func(_ *Set, o *Object) []rule.Finding {
			if at := o.Doc.Get("automountServiceAccountToken"); !at.False() {
				return o.one("automountServiceAccountToken is not false", at)
			}
			return nil
		}),
	}
}
