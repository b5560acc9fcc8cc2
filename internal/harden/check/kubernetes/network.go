package kubernetes

import (
	"net/netip"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

const metadataAddress = "169.254.169.254"

// direction reports whether a policy restricts "Ingress" or "Egress".
func direction(o *Object, which string) bool {
	spec := o.Doc.Get("spec")
	if types := spec.Get("policyTypes"); !types.Empty() {
		return slices.Contains(values(types), which)
	}
	return which == "Ingress" || spec.Get("egress") != nil
}

// isolates reports whether a policy of the namespace selects the pods and
// restricts a direction.
func (s *Set) isolates(w *workload, which string) bool {
	have := labels(w.meta.Get("labels"))
	for _, p := range s.of("NetworkPolicy") {
		if p.Namespace == w.Namespace && selects(p.Doc.Get("spec", "podSelector"), have) && direction(p, which) {
			return true
		}
	}
	return false
}

// peers returns every element of the "from" or "to" lists of a policy, with the
// rule it stands in.
func peers(o *Object, list, of string) (out [][2]*yamltree.Node) {
	for _, r := range o.Doc.Get("spec", list).List() {
		for _, p := range r.Get(of).List() {
			out = append(out, [2]*yamltree.Node{r, p})
		}
	}
	return out
}

// opens reports whether a rule of a policy allows a port.
func opens(r *yamltree.Node, protocol, port string) bool {
	if r.Get("ports").Empty() {
		return true
	}
	for _, p := range r.Get("ports").List() {
		proto := p.Get("protocol").Value()
		if proto == "" {
			proto = "TCP"
		}
		if proto == protocol && (p.Get("port") == nil || p.Get("port").Value() == port) {
			return true
		}
	}
	return false
}

func eachPolicy(t topic.Topic, m rule.Meta, check func(*Set, *Object) []rule.Finding) Rule {
	if m.Verify == "" {
		m.Verify = "kubectl describe networkpolicy, and a call from a pod that should not get through."
	}
	return each(t.Of(m), []string{"NetworkPolicy"}, check)
}

func networkRules() []Rule {
	return append(missingPolicies(), append(peerRules(), dnsRules()...)...)
}

func missingPolicies() []Rule {
	return []Rule{
		whole(topic.Isolation.Of(rule.Meta{
			ID: "kubernetes-network-policy-missing", Severity: rule.High, Title: "Network policies isolate every pod, in and out",
			Why:    "Without one, any pod of the cluster reaches these, and these reach everything: after one break-in, the rest is open.",
			Guides: []string{"S0-55", "S3-16", "S3-50", "S4-27"}, CWE: []string{"CWE-653"}, Verify: "kubectl get networkpolicy -A",
			Fix: "Add a NetworkPolicy that selects the pods, with policyTypes Ingress and Egress.",
		}), func(s *Set) ([]rule.Finding, error) {
			if len(s.pods) == 0 {
				return nil, rule.ErrNotApplicable
			}
			var found []rule.Finding
			for _, w := range s.pods {
				for _, which := range [...]string{"Ingress", "Egress"} {
					if !s.isolates(w, which) {
						found = append(found, w.at("no NetworkPolicy restricts its "+which, w.meta, w.spec))
					}
				}
			}
			return found, nil
		}),
		whole(topic.Isolation.Of(rule.Meta{
			ID: "kubernetes-default-deny", Severity: rule.Medium, Title: "Namespaces deny by default",
			Why:    "A pod that is added later, or with other labels, is not covered by policies that select some.",
			Guides: []string{"S3-16", "S4-27", "S3-50"}, CWE: []string{"CWE-1188"}, Verify: "kubectl get networkpolicy -A",
			Fix: "Add a NetworkPolicy with podSelector {}, policyTypes Ingress and Egress, and no rules.",
		}), func(s *Set) ([]rule.Finding, error) {
			if len(s.pods) == 0 {
				return nil, rule.ErrNotApplicable
			}
			var found []rule.Finding
			seen := map[string]bool{}
			for _, w := range s.pods {
				if !seen[w.Namespace] && !s.denies(w.Namespace) {
					found = append(found, w.at("nothing denies by default in the namespace "+w.Namespace, w.Doc.Get("metadata", "namespace"), w.Doc.Get("metadata")))
				}
				seen[w.Namespace] = true
			}
			return found, nil
		}),
	}
}

// denies reports whether policies of a namespace deny both directions to all
// its pods.
func (s *Set) denies(namespace string) bool {
	in, out := false, false
	for _, p := range s.of("NetworkPolicy") {
		sel := p.Doc.Get("spec", "podSelector")
		if p.Namespace != namespace || !sel.IsTable() || !sel.Empty() {
			continue
		}
		in = in || direction(p, "Ingress") && p.Doc.Get("spec", "ingress").Empty()
		out = out || direction(p, "Egress") && p.Doc.Get("spec", "egress").Empty()
	}
	return in && out
}

func peerRules() []Rule {
	return append(openPeerRules(), []Rule{
		eachPolicy(topic.Isolation, rule.Meta{
			ID: "kubernetes-policy-metadata", Severity: rule.High, Title: "Pods do not reach the metadata service of the cloud",
			Why:    "169.254.169.254 hands out the node's credentials to whoever asks, for example through a forged URL in a tool call.",
			Guides: []string{"S3-16", "S4-27"}, CWE: []string{"CWE-918"}, Verify: "kubectl exec POD -- wget -T 3 http://169.254.169.254",
			Fix: "Add 169.254.169.254/32 to the except list of the ipBlock.",
		}, func(_ *Set, o *Object) []rule.Finding {
			var found []rule.Finding
			for _, p := range peers(o, "egress", "to") {
				if b := p[1].Get("ipBlock"); covers(b.Get("cidr").Value()) && !slices.ContainsFunc(values(b.Get("except")), covers) {
					found = append(found, o.at("egress to "+b.Get("cidr").Value()+" includes "+metadataAddress, b))
				}
			}
			return found
		}),
		eachPolicy(topic.Isolation, rule.Meta{
			ID: "kubernetes-policy-types", Severity: rule.High, Title: "Rules of policies take effect",
			Why:    "Egress rules without Egress among policyTypes are accepted and do nothing.",
			Guides: []string{"S3-16"}, CWE: []string{"CWE-1188"}, Fix: "List Ingress and Egress in policyTypes.",
		}, func(_ *Set, o *Object) []rule.Finding {
			for list, which := range map[string]string{"ingress": "Ingress", "egress": "Egress"} {
				if at := o.Doc.Get("spec", list); at != nil && !direction(o, which) {
					return o.one("has "+list+" rules, and policyTypes lacks "+which, at)
				}
			}
			return nil
		}),
		eachPolicy(topic.Isolation, rule.Meta{
			ID: "kubernetes-policy-selects-nothing", Severity: rule.Medium, Title: "Policies select pods",
			Why:    "A policy whose labels match no workload protects nobody, and looks as if it did.",
			Guides: []string{"S3-16", "S4-27"}, CWE: []string{"CWE-1188"}, Fix: "Use the labels of the pod template in podSelector.",
		}, func(s *Set, o *Object) []rule.Finding {
			sel, known := o.Doc.Get("spec", "podSelector"), false
			for _, w := range s.pods {
				if w.Namespace == o.Namespace {
					known = true
					if selects(sel, labels(w.meta.Get("labels"))) {
						return nil
					}
				}
			}
			if !known {
				return nil
			}
			return o.one("selects none of the pods of its namespace", sel, o.Doc.Get("spec"))
		}),
	}...)
}

func openPeerRules() []Rule {
	return []Rule{
		eachPolicy(topic.Isolation, rule.Meta{
			ID: "kubernetes-policy-allows-all", Severity: rule.High, Title: "Network policies say who and which port",
			Why:    "A rule without peers and ports allows everything, and so undoes all other policies for these pods.",
			Guides: []string{"S3-16", "S4-27"}, CWE: []string{"CWE-284"}, Fix: "Name peers and ports in every rule.",
		}, func(_ *Set, o *Object) []rule.Finding {
			var found []rule.Finding
			for _, list := range [...][2]string{{"ingress", "from"}, {"egress", "to"}} {
				for _, r := range o.Doc.Get("spec", list[0]).List() {
					if r.Get(list[1]).Empty() && r.Get("ports").Empty() {
						found = append(found, o.at("allows all "+list[0], r))
					}
				}
				for _, p := range peers(o, list[0], list[1]) {
					if n := p[1].Get("namespaceSelector"); n != nil && n.Empty() && p[1].Get("podSelector").Empty() && p[0].Get("ports").Empty() {
						found = append(found, o.at("allows "+list[0]+" for all pods of all namespaces on all ports", p[1]))
					}
				}
			}
			return found
		}),
		eachPolicy(topic.Isolation, rule.Meta{
			ID: "kubernetes-policy-namespace-label", Severity: rule.High, Title: "Policies choose namespaces by a label that is there",
			Why:    "No namespace has the label name by itself: the rule matches nothing, or whatever namespace somebody labels so.",
			Guides: []string{"S3-16", "S4-27"}, CWE: []string{"CWE-1188"}, Verify: "kubectl get namespaces --show-labels",
			Fix: "Use kubernetes.io/metadata.name, which the API server sets.",
		}, func(s *Set, o *Object) []rule.Finding {
			var found []rule.Finding
			for _, p := range append(peers(o, "ingress", "from"), peers(o, "egress", "to")...) {
				match := p[1].Get("namespaceSelector", "matchLabels")
				if at := match.Get("name"); at != nil && !s.labelled("name", at.Value()) {
					found = append(found, o.at("chooses a namespace by the label name: "+at.Value(), at))
				}
			}
			return found
		}),
		eachPolicy(topic.Isolation, rule.Meta{
			ID: "kubernetes-policy-external", Severity: rule.High, Title: "Rules for hosts outside name addresses",
			Why:    "namespaceSelector {} is every pod of the cluster and no host outside of it: neighbours are reachable and the provider is not.",
			Guides: []string{"S3-16", "S4-27"}, CWE: []string{"CWE-284"},
			Fix: "Use ipBlock 0.0.0.0/0 except private ranges and 169.254.169.254/32.",
		}, func(_ *Set, o *Object) []rule.Finding {
			var found []rule.Finding
			for _, p := range peers(o, "egress", "to") {
				n := p[1].Get("namespaceSelector")
				if n != nil && n.Empty() && p[1].Get("podSelector") == nil && (opens(p[0], "TCP", "443") || opens(p[0], "TCP", "80")) {
					found = append(found, o.at("egress to namespaceSelector {} reaches all pods and no host outside", p[1]))
				}
			}
			return found
		}),
	}
}

// covers reports whether a network has the metadata address in it.
func covers(cidr string) bool {
	p, err := netip.ParsePrefix(cidr)
	return err == nil && p.Contains(netip.MustParseAddr(metadataAddress))
}

// labelled reports whether a namespace among the manifests has a label.
func (s *Set) labelled(name, value string) bool {
	for _, o := range s.of("Namespace") {
		if o.Doc.Get("metadata", "labels", name).Value() == value {
			return true
		}
	}
	return false
}

func dnsRules() []Rule {
	return []Rule{
		eachPolicy(topic.Resources, rule.Meta{
			ID: "kubernetes-policy-no-dns", Severity: rule.High, Title: "Policies let names be looked up",
			Why:    "Without port 53, UDP and TCP, every lookup fails and the policy is taken out in anger.",
			Guides: []string{"S3-16", "S4-27"}, CWE: []string{"CWE-1188"}, Verify: "kubectl exec POD -- nslookup kubernetes.default",
			Fix: "Allow UDP and TCP 53 to the pods k8s-app=kube-dns of the namespace kube-system.",
		}, func(s *Set, o *Object) []rule.Finding {
			if !direction(o, "Egress") || o.Doc.Get("spec", "egress").Empty() {
				return nil
			}
			if missing := s.unresolved(o); missing != "" {
				return o.one("allows egress, and no policy for these pods allows "+missing+" port 53", o.Doc.Get("spec", "egress"))
			}
			return nil
		}),
		eachPolicy(topic.Isolation, rule.Meta{
			ID: "kubernetes-policy-dns-anywhere", Severity: rule.Low, Title: "Names are looked up at the cluster's DNS only",
			Why:    "Port 53 to anywhere is a way out for stolen data. Two elements in a list mean either of them, not both.",
			Guides: []string{"S3-16"}, CWE: []string{"CWE-284"},
			Fix: "Put namespaceSelector kube-system and podSelector k8s-app=kube-dns into one element of the list.",
		}, func(_ *Set, o *Object) []rule.Finding {
			var found []rule.Finding
			for _, r := range o.Doc.Get("spec", "egress").List() {
				if r.Get("ports").Empty() || !opens(r, "UDP", "53") {
					continue
				}
				if r.Get("to").Empty() {
					found = append(found, o.at("allows port 53 to anywhere", r))
				}
				for _, p := range r.Get("to").List() {
					if p.Get("namespaceSelector") == nil || p.Get("podSelector") == nil {
						found = append(found, o.at("allows port 53 to more than the cluster's DNS", p))
					}
				}
			}
			return found
		}),
	}
}

// unresolved names the protocol by which pods of a policy cannot look names up.
func (s *Set) unresolved(o *Object) string {
	sel := o.Doc.Get("spec", "podSelector")
	udp, tcp := false, false
	for _, p := range s.of("NetworkPolicy") {
		other := p.Doc.Get("spec", "podSelector")
		if p.Namespace != o.Namespace || !other.Empty() && !selects(other, labels(sel.Get("matchLabels"))) {
			continue
		}
		for _, r := range p.Doc.Get("spec", "egress").List() {
			udp = udp || opens(r, "UDP", "53")
			tcp = tcp || opens(r, "TCP", "53")
		}
	}
	switch {
	case !udp:
		return "UDP"
	case !tcp:
		return "TCP"
	}
	return ""
}
