package kubernetes

import (
	"strconv"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

func workloadRules() []Rule {
	return append(append(identityRules(), availabilityRules()...), jobRules()...)
}

func identityRules() []Rule {
	return append(accountRules(), []Rule{
		each(topic.Resources.Of(rule.Meta{
			ID: "kubernetes-bare-pod", Severity: rule.Medium, Title: "Pods are made by a controller",
			Why:    "A bare pod is gone with its node, and nothing starts it again.",
			Guides: []string{"S0-51"}, CWE: []string{"CWE-754"}, Verify: "kubectl get pods: the name has a generated end.",
			Fix: "Make it the template of a Deployment.",
		}), []string{"Pod", "Deployment", "StatefulSet", "DaemonSet"}, func(_ *Set, o *Object) []rule.Finding {
			if o.Kind == "Pod" {
				return o.one("is a pod without a controller", o.Doc.Get("kind"))
			}
			return nil
		}),
		each(topic.Hygiene.Of(rule.Meta{
			ID: "kubernetes-selector-missing", Severity: rule.High, Title: "Workloads select their pods",
			Why:    "apps/v1 demands a selector: without it the API server refuses the manifest and what it should protect never starts.",
			Guides: []string{"S1-19"}, CWE: []string{"CWE-1188"}, Verify: "kubectl apply --dry-run=server",
			Fix: "Add spec.selector.matchLabels and the same labels in spec.template.metadata.labels.",
		}), []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}, func(_ *Set, o *Object) []rule.Finding {
			sel := o.Doc.Get("spec", "selector")
			if sel.Get("matchLabels").Empty() && sel.Get("matchExpressions").Empty() {
				return o.one("has no spec.selector", sel, o.Doc.Get("spec"))
			}
			return nil
		}),
		each(topic.Hygiene.Of(rule.Meta{
			ID: "kubernetes-labels-mismatch", Severity: rule.High, Title: "The labels of pods are those that are selected",
			Why:    "The API server refuses the workload, and policies and services that go by the labels miss its pods.",
			Guides: []string{"S1-19"}, CWE: []string{"CWE-1188"}, Verify: "kubectl apply --dry-run=server",
			Fix: "Put the labels of spec.selector.matchLabels into spec.template.metadata.labels.",
		}), []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}, func(_ *Set, o *Object) []rule.Finding {
			sel, have := o.Doc.Get("spec", "selector"), o.Doc.Get("spec", "template", "metadata", "labels")
			if have.Empty() {
				return o.one("its pods have no labels", have, o.Doc.Get("spec", "template"))
			}
			if !sel.Empty() && !selects(sel, labels(have)) {
				return o.one("its pods have other labels than its selector wants", have)
			}
			return nil
		}),
	}...)
}

func accountRules() []Rule {
	return []Rule{
		eachPod(topic.Secret.Of(rule.Meta{
			ID: "kubernetes-service-account-token", Severity: rule.Medium, Title: "Pods get no token of the API server that they do not need",
			Why:    "By default every pod holds a credential of the cluster that any code in it can read and use.",
			Guides: []string{"S0-51", "S3-9"}, CWE: []string{"CWE-522"},
			Verify: "kubectl exec POD -- ls /var/run/secrets/kubernetes.io/serviceaccount: there is no such folder.",
			Fix:    "Set automountServiceAccountToken to false on the pod; mount a projected token where one is needed.",
		}), func(w *workload) ([]rule.Finding, error) {
			at := w.spec.Get("automountServiceAccountToken")
			if at.False() {
				return nil, nil
			}
			return w.one("automountServiceAccountToken is not false", at, w.spec), nil
		}),
		eachPod(topic.Privilege.Of(rule.Meta{
			ID: "kubernetes-default-service-account", Severity: rule.Low, Title: "Workloads have a service account of their own",
			Why:    "Whatever is granted to the default account is granted to every pod of the namespace.",
			Guides: []string{"S3-2", "S3-9"}, CWE: []string{"CWE-266"}, Verify: inspect,
			Fix: "Make a ServiceAccount for the workload and name it in serviceAccountName.",
		}), func(w *workload) ([]rule.Finding, error) {
			at := w.spec.Get("serviceAccountName")
			if name := at.Value(); name != "" && name != "default" {
				return nil, nil
			}
			return w.one("runs as the default service account", at, w.spec), nil
		}),
		eachPod(topic.Isolation.Of(rule.Meta{
			ID: "kubernetes-shared-processes", Severity: rule.Medium, Title: "Containers of a pod do not see one another's processes",
			Why:    "With shareProcessNamespace a container reads the memory, environment and files of its neighbours.",
			Guides: []string{"S3-23"}, CWE: []string{"CWE-653"}, Verify: inspect, Fix: "Take out shareProcessNamespace.",
		}), func(w *workload) ([]rule.Finding, error) {
			if at := w.spec.Get("shareProcessNamespace"); at.True() {
				return w.one("shareProcessNamespace is true", at), nil
			}
			return nil, nil
		}),
		eachPod(topic.Isolation.Of(rule.Meta{
			ID: "kubernetes-default-namespace", Severity: rule.Low, Title: "Workloads have a namespace of their own",
			Why:    "Quotas, policies and roles are per namespace: in default they are everybody's.",
			Guides: []string{"S3-23", "S4-26"}, CWE: []string{"CWE-653"}, Verify: "kubectl get all -n default",
			Fix: "Set metadata.namespace.",
		}), func(w *workload) ([]rule.Finding, error) {
			if w.Namespace == "default" {
				return w.one("is in the default namespace", w.Doc.Get("metadata", "namespace"), w.Doc.Get("metadata")), nil
			}
			return nil, nil
		}),
	}
}

func availabilityRules() []Rule {
	replicated := []string{"Deployment", "StatefulSet"}
	return []Rule{
		each(topic.Resources.Of(rule.Meta{
			ID: "kubernetes-disruption-budget", Severity: rule.Low, Title: "Replicated workloads have a disruption budget",
			Why:    "Draining nodes may take all replicas away at once.",
			Guides: []string{"S3-50"}, CWE: []string{"CWE-400"}, Verify: "kubectl get pdb",
			Fix: "Add a PodDisruptionBudget that selects the pods.",
		}), replicated, func(s *Set, o *Object) []rule.Finding {
			if s.replicas(o) < 2 || s.selected("PodDisruptionBudget", o) != nil {
				return nil
			}
			return o.one("no PodDisruptionBudget selects its pods", o.Doc.Get("spec", "replicas"))
		}),
		each(topic.Resources.Of(rule.Meta{
			ID: "kubernetes-budget-blocks", Severity: rule.Low, Title: "Disruption budgets let nodes be drained",
			Why:    "A budget that allows no disruption stops every upgrade of a node, and with it security updates.",
			Guides: []string{"S3-50"}, CWE: []string{"CWE-400"}, Verify: "kubectl get pdb: ALLOWED DISRUPTIONS is not 0.",
			Fix: "Set maxUnavailable to 1.",
		}), []string{"PodDisruptionBudget"}, func(_ *Set, o *Object) []rule.Finding {
			if at := o.Doc.Get("spec", "maxUnavailable"); at.Value() == "0" || at.Value() == "0%" {
				return o.one("maxUnavailable is 0", at)
			}
			if at := o.Doc.Get("spec", "minAvailable"); at.Value() == "100%" {
				return o.one("minAvailable is 100%", at)
			}
			return nil
		}),
		each(topic.Resources.Of(rule.Meta{
			ID: "kubernetes-spread", Severity: rule.Low, Title: "Replicas are spread over nodes",
			Why:    "Replicas that all sit on one node all go with it.",
			Guides: []string{"S3-50"}, CWE: []string{"CWE-400"}, Verify: "kubectl get pods -o wide",
			Fix: "Add topologySpreadConstraints over kubernetes.io/hostname, or pod anti-affinity.",
		}), replicated, func(s *Set, o *Object) []rule.Finding {
			spec := o.Doc.Get("spec", "template", "spec")
			if s.replicas(o) < 2 || !spec.Get("topologySpreadConstraints").Empty() || !spec.Get("affinity", "podAntiAffinity").Empty() {
				return nil
			}
			return o.one("nothing spreads its replicas", spec)
		}),
		each(topic.Resources.Of(rule.Meta{
			ID: "kubernetes-replicas-and-autoscaler", Severity: rule.Low, Title: "Replicas are counted by one hand",
			Why:    "Each apply sets back what the autoscaler did, in the middle of the load it did it for.",
			Guides: []string{"S3-50"}, CWE: []string{"CWE-400"}, Verify: "kubectl diff: replicas changes.",
			Fix: "Take spec.replicas out of the workload that an autoscaler scales.",
		}), []string{"HorizontalPodAutoscaler"}, func(s *Set, o *Object) []rule.Finding {
			if target := s.scaled(o); target != nil {
				if at := target.Doc.Get("spec", "replicas"); at != nil {
					return target.one("sets replicas, and "+o.called()+" scales it", at)
				}
			}
			return nil
		}),
		each(topic.Resources.Of(rule.Meta{
			ID: "kubernetes-autoscaler-bounds", Severity: rule.Info, Title: "Autoscalers keep two replicas at least",
			Why:    "With one replica, one crash or one drained node is an outage.",
			Guides: []string{"S3-50"}, CWE: []string{"CWE-400"}, Verify: "kubectl get hpa",
			Fix: "Set minReplicas to 2 or more.",
		}), []string{"HorizontalPodAutoscaler"}, func(_ *Set, o *Object) []rule.Finding {
			at := o.Doc.Get("spec", "minReplicas")
			if n, _ := strconv.Atoi(at.Value()); n < 2 {
				return o.one("minReplicas is not 2 or more", at, o.Doc.Get("spec"))
			}
			return nil
		}),
		eachPod(topic.Resources.Of(rule.Meta{
			ID: "kubernetes-scratch-unbounded", Severity: rule.Low, Title: "Scratch volumes have a size limit",
			Why:    "A program that fills an emptyDir fills the disk of its node and evicts its neighbours.",
			Guides: []string{"S3-23"}, CWE: []string{"CWE-770"}, Verify: inspect, Fix: "Set emptyDir.sizeLimit.",
		}), func(w *workload) ([]rule.Finding, error) {
			var found []rule.Finding
			for _, v := range w.spec.Get("volumes").List() {
				if d := v.Get("emptyDir"); d != nil && d.Get("sizeLimit").Value() == "" {
					found = append(found, w.at("the volume "+v.Get("name").Value()+" has no sizeLimit", d))
				}
			}
			return found, nil
		}),
	}
}

// replicas returns how many pods a workload has at least.
func (s *Set) replicas(o *Object) int {
	for _, h := range s.of("HorizontalPodAutoscaler") {
		if s.scaled(h) == o {
			n, _ := strconv.Atoi(h.Doc.Get("spec", "minReplicas").Value())
			return max(n, 1)
		}
	}
	n, err := strconv.Atoi(o.Doc.Get("spec", "replicas").Value())
	if err != nil {
		return 1
	}
	return n
}

// scaled returns what an autoscaler scales.
func (s *Set) scaled(h *Object) *Object {
	ref := h.Doc.Get("spec", "scaleTargetRef")
	for _, o := range s.of(ref.Get("kind").Value()) {
		if o.Name == ref.Get("name").Value() && o.Namespace == h.Namespace {
			return o
		}
	}
	return nil
}

// selected returns an object of a kind whose selector chooses the pods of o.
func (s *Set) selected(kind string, o *Object) *Object {
	have := labels(o.Doc.Get("spec", "template", "metadata", "labels"))
	for _, by := range s.of(kind) {
		if by.Namespace == o.Namespace && selects(by.Doc.Get("spec", "selector"), have) {
			return by
		}
	}
	return nil
}

func jobRules() []Rule {
	cron := []string{"CronJob"}
	return []Rule{
		each(topic.Hygiene.Of(rule.Meta{
			ID: "kubernetes-job-restart", Severity: rule.High, Title: "Jobs say what happens when they fail",
			Why:    "A job's pods must say Never or OnFailure: else the API server refuses it, and what it should do, such as rotating keys, never happens.",
			Guides: []string{"S4-9"}, CWE: []string{"CWE-1188"}, Verify: "kubectl apply --dry-run=server",
			Fix: "Set restartPolicy to OnFailure or Never in the pod template.",
		}), []string{"Job", "CronJob"}, func(_ *Set, o *Object) []rule.Finding {
			w := o.workload()
			if w == nil {
				return o.one("has no pod template", o.Doc.Get("spec"))
			}
			at := w.spec.Get("restartPolicy")
			if at.Value() == "Never" || at.Value() == "OnFailure" {
				return nil
			}
			return o.one("restartPolicy is neither Never nor OnFailure", at, w.spec)
		}),
		each(topic.Resources.Of(rule.Meta{
			ID: "kubernetes-cron-concurrency", Severity: rule.Medium, Title: "A scheduled job does not overtake itself",
			Why:    "Two runs at once rotate the same key twice, and one of the two secrets is lost.",
			Guides: []string{"S4-9"}, CWE: []string{"CWE-362"}, Verify: "kubectl get cronjob -o yaml",
			Fix: "Set concurrencyPolicy to Forbid.",
		}), cron, func(_ *Set, o *Object) []rule.Finding {
			at := o.Doc.Get("spec", "concurrencyPolicy")
			if at.Value() == "Forbid" || at.Value() == "Replace" {
				return nil
			}
			return o.one("concurrencyPolicy is not Forbid", at, o.Doc.Get("spec"))
		}),
		each(topic.Telemetry.Of(rule.Meta{
			ID: "kubernetes-cron-history", Severity: rule.Low, Title: "Failed runs of a scheduled job can be looked at",
			Why:    "Without a failed run to look at, nobody learns that keys have not been rotated for months.",
			Guides: []string{"S4-9"}, CWE: []string{"CWE-778"}, Verify: "kubectl get jobs",
			Fix: "Set failedJobsHistoryLimit to 3.",
		}), cron, func(_ *Set, o *Object) []rule.Finding {
			at := o.Doc.Get("spec", "failedJobsHistoryLimit")
			if n, err := strconv.Atoi(at.Value()); err == nil && n > 0 {
				return nil
			}
			return o.one("failedJobsHistoryLimit is not set", at, o.Doc.Get("spec"))
		}),
		each(topic.Resources.Of(rule.Meta{
			ID: "kubernetes-job-deadline", Severity: rule.Low, Title: "Jobs end",
			Why:    "A job that hangs holds its credentials for ever, and with concurrencyPolicy Forbid no other run starts.",
			Guides: []string{"S4-9"}, CWE: []string{"CWE-400"}, Verify: "kubectl get jobs",
			Fix: "Set activeDeadlineSeconds in the job's spec.",
		}), []string{"Job", "CronJob"}, func(_ *Set, o *Object) []rule.Finding {
			spec := o.Doc.Get("spec")
			if o.Kind == "CronJob" {
				spec = spec.Get("jobTemplate", "spec")
			}
			if at := spec.Get("activeDeadlineSeconds"); at.Value() == "" {
				return o.one("has no activeDeadlineSeconds", at, spec)
			}
			return nil
		}),
	}
}
