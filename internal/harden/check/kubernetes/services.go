package kubernetes

import (
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

// ingressAnnotation is how the annotations of the NGINX ingress controller begin.
const ingressAnnotation = "nginx.ingress.kubernetes.io/"

func serviceRules() []Rule {
	return append(openServiceRules(), []Rule{
		each(topic.Transport.Of(rule.Meta{
			ID: "kubernetes-ingress-tls", Severity: rule.High, Title: "Every host of an ingress has a certificate",
			Why:    "Keys and tokens travel in the clear to hosts without one.",
			Guides: []string{"S0-53", "S1-22", "S3-14", "S3-50"}, CWE: []string{"CWE-319"}, Verify: "curl -v https://HOST",
			Fix: "Add spec.tls with the hosts and a secret that cert-manager fills.",
		}), []string{"Ingress"}, func(_ *Set, o *Object) []rule.Finding {
			var found []rule.Finding
			covered := map[string]bool{}
			for _, t := range o.Doc.Get("spec", "tls").List() {
				for _, h := range t.Get("hosts").List() {
					covered[h.Value()] = true
				}
			}
			for _, r := range o.Doc.Get("spec", "rules").List() {
				host := r.Get("host").Value()
				_, parent, _ := strings.Cut(host, ".")
				if !covered[host] && !covered["*."+parent] {
					found = append(found, o.at("the host "+host+" has no certificate", r.Get("host"), r))
				}
			}
			if len(found) == 0 && len(covered) == 0 {
				return o.one("has no spec.tls", o.Doc.Get("spec"))
			}
			return found
		}),
		each(topic.Exposure.Of(rule.Meta{
			ID: "kubernetes-ingress-any-host", Severity: rule.Medium, Title: "Ingresses name their hosts",
			Why:    "A rule for any host answers forged Host headers, and with them DNS rebinding.",
			Guides: []string{"S3-14", "S3-15"}, CWE: []string{"CWE-350"}, Verify: "curl -H 'Host: other.example' https://ADDRESS",
			Fix: "Set host on every rule, without *.",
		}), []string{"Ingress"}, func(_ *Set, o *Object) []rule.Finding {
			for _, r := range o.Doc.Get("spec", "rules").List() {
				if h := r.Get("host"); h.Value() == "" || strings.Contains(h.Value(), "*") {
					return o.one("answers to any host", h, r)
				}
			}
			if at := o.Doc.Get("spec", "defaultBackend"); at != nil {
				return o.one("has a default backend", at)
			}
			return nil
		}),
	}...)
}

func openServiceRules() []Rule {
	return append(annotationRules(), []Rule{
		each(topic.Exposure.Of(rule.Meta{
			ID: "kubernetes-service-exposed", Severity: rule.High, Title: "Services are reached from inside the cluster",
			Why:    "LoadBalancer and NodePort put the port on the network, without TLS and past the ingress and its limits.",
			Guides: []string{"S3-17", "S3-18"}, CWE: []string{"CWE-668"}, Verify: "kubectl get services -A",
			Fix: "Set type to ClusterIP and publish the service through an Ingress with TLS.",
		}), []string{"Service"}, func(_ *Set, o *Object) []rule.Finding {
			at := o.Doc.Get("spec", "type")
			if t := at.Value(); t == "NodePort" || t == "LoadBalancer" && o.Doc.Get("spec", "loadBalancerSourceRanges").Empty() {
				return o.one("is of type "+t, at)
			}
			return nil
		}),
		each(topic.Exposure.Of(rule.Meta{
			ID: "kubernetes-external-ips", Severity: rule.High, Title: "Services claim no addresses",
			Why:    "A service with externalIPs draws the traffic of any address to itself (CVE-2020-8554).",
			Guides: []string{"S3-18"}, CWE: []string{"CWE-300"}, Verify: "kubectl get services -A -o yaml", Fix: "Take out externalIPs.",
		}), []string{"Service"}, func(_ *Set, o *Object) []rule.Finding {
			if at := o.Doc.Get("spec", "externalIPs"); !at.Empty() {
				return o.one("has externalIPs", at)
			}
			return nil
		}),
		each(topic.Hygiene.Of(rule.Meta{
			ID: "kubernetes-service-selects-nothing", Severity: rule.Low, Title: "Services select pods",
			Why:    "A service whose labels match no workload here sends calls nowhere, or to the pods of somebody else.",
			Guides: []string{"S1-19"}, CWE: []string{"CWE-1188"}, Verify: "kubectl get endpointslices",
			Fix: "Use the labels of the pod template in spec.selector.",
		}), []string{"Service"}, func(s *Set, o *Object) []rule.Finding {
			want := labels(o.Doc.Get("spec", "selector"))
			known := false
			for _, w := range s.pods {
				if w.Namespace != o.Namespace {
					continue
				}
				known = true
				have, all := labels(w.meta.Get("labels")), true
				for name, value := range want {
					all = all && have[name] == value
				}
				if all {
					return nil
				}
			}
			if !known || len(want) == 0 {
				return nil
			}
			return o.one("selects none of the pods of its namespace", o.Doc.Get("spec", "selector"))
		}),
	}...)
}

// annotated makes a rule about annotations of ingresses: bad says what is wrong
// with one.
func annotated(m rule.Meta, t topic.Topic, bad func(name, value string) string) Rule {
	m.Verify = "kubectl get ingress -o yaml"
	return each(t.Of(m), []string{"Ingress"}, func(_ *Set, o *Object) []rule.Finding {
		var found []rule.Finding
		notes := o.Doc.Get("metadata", "annotations")
		for _, full := range notes.Names() {
			name, ours := strings.CutPrefix(full, ingressAnnotation)
			if !ours {
				continue
			}
			found = append(found, o.one(bad(name, notes.Get(full).Value()), notes.Get(full))...)
		}
		return found
	})
}

func annotationRules() []Rule {
	return []Rule{
		annotated(rule.Meta{
			ID: "kubernetes-ingress-snippet", Severity: rule.Critical, Title: "Ingresses bring no configuration of their own",
			Why:    "A snippet is code in the controller: it reads the secrets of every namespace (CVE-2021-25742).",
			Guides: []string{"S3-14"}, CWE: []string{"CWE-94"}, Fix: "Take out the snippet annotations.",
		}, topic.Injection, func(name, _ string) string {
			if strings.HasSuffix(name, "-snippet") {
				return "has a " + name
			}
			return ""
		}),
		annotated(rule.Meta{
			ID: "kubernetes-ingress-cors", Severity: rule.Medium, Title: "Ingresses do not open CORS to everybody",
			Why:    "With * any web page calls the service from its visitors' browsers.",
			Guides: []string{"S0-55", "S3-27"}, CWE: []string{"CWE-942"}, Fix: "Name the origins in cors-allow-origin.",
		}, topic.Access, func(name, value string) string {
			if name == "cors-allow-origin" && strings.Contains(value, "*") {
				return "allows the origin " + value
			}
			return ""
		}),
		annotated(rule.Meta{
			ID: "kubernetes-ingress-plain-http", Severity: rule.High, Title: "Ingresses send HTTP to HTTPS",
			Why:    "Without the redirect the first request, with its credentials, goes in the clear.",
			Guides: []string{"S3-14", "S3-15"}, CWE: []string{"CWE-319"}, Fix: "Take out ssl-redirect: \"false\".",
		}, topic.Transport, func(name, value string) string {
			if name == "ssl-redirect" && value == "false" {
				return "switches the redirect to HTTPS off"
			}
			return ""
		}),
		annotated(rule.Meta{
			ID: "kubernetes-ingress-body-unlimited", Severity: rule.Medium, Title: "Ingresses limit the size of bodies",
			Why:    "A body without end fills the controller's disk.",
			Guides: []string{"S0-54"}, CWE: []string{"CWE-770"}, Fix: "Set proxy-body-size, for example to 1m.",
		}, topic.Resources, func(name, value string) string {
			if name == "proxy-body-size" && strings.Trim(value, "0kmgKMG") == "" {
				return "proxy-body-size is 0: without a limit"
			}
			return ""
		}),
	}
}
