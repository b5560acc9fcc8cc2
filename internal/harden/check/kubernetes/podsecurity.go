package kubernetes

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/policy"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// standard is a rule that is one of the Pod Security checks of the Kubernetes
// project, at its newest version.
type standard struct {
	check    policy.CheckID
	topic    topic.Topic
	severity rule.Severity
	id       string
	title    string
	why      string
	cwe      string
	fix      string
}

// guides are the rows that ask for it.
func (s standard) guides() []string {
	rows := []string{"S0-51", "S3-23", "S4-26"}
	switch s.id {
	case "run-as-non-root", "run-as-user-root":
		return append(rows, "S0-59", "S3-50")
	case "privilege-escalation", "capabilities-kept", "seccomp":
		return append(rows, "S3-50")
	}
	return rows
}

var standards = [...]standard{
	{"hostNamespaces", topic.Isolation, rule.Critical, "host-namespaces", "Pods have namespaces of their own", "With the host's network, process or IPC namespace a pod sees and reaches everything on its node, past every network policy.", "CWE-653", "Take out hostNetwork, hostPID and hostIPC."},
	{"privileged", topic.Privilege, rule.Critical, "privileged", "No container is privileged", "A privileged container is root on its node: it may load kernel modules and mount every disk.", "CWE-250", "Take out securityContext.privileged, or set it to false."},
	{"capabilities_baseline", topic.Privilege, rule.High, "capabilities-added", "No dangerous capability is added", "Capabilities such as SYS_ADMIN or NET_ADMIN are parts of root, and most of them lead to the rest.", "CWE-250", "Take the capability out of securityContext.capabilities.add."},
	{"hostPathVolumes", topic.Isolation, rule.High, "host-path", "No folder of the node is mounted", "Who can write to the node's files owns the node; who can read them reads other pods' secrets.", "CWE-668", "Use a PersistentVolumeClaim, emptyDir, ConfigMap or Secret in place of hostPath."},
	{"hostPorts", topic.Exposure, rule.Medium, "host-port", "No port of the node is taken", "A host port is open on the node's addresses, past Services and most network policies.", "CWE-668", "Take out hostPort and reach the pod through a Service."},
	{"appArmorProfile", topic.Isolation, rule.Medium, "apparmor", "AppArmor is not switched off", "Unconfined takes away a wall that the container runtime puts up by default.", "CWE-693", "Set appArmorProfile.type to RuntimeDefault or Localhost."},
	{"seLinuxOptions", topic.Isolation, rule.Medium, "selinux", "SELinux options do not widen rights", "A user, role or type of one's own may be one that is not confined.", "CWE-693", "Take out seLinuxOptions.user and role, and use one of the container types."},
	{"procMount", topic.Isolation, rule.High, "proc-mount", "The default masks of /proc stay", "An unmasked /proc shows and lets change settings of the node's kernel.", "CWE-668", "Take out procMount."},
	{"procMount_restricted", topic.Isolation, rule.Medium, "proc-mount-own-users", "The masks of /proc stay even where a pod has users of its own", "A user namespace is one wall; the masks are another.", "CWE-668", "Take out procMount."},
	{"seccompProfile_baseline", topic.Isolation, rule.High, "seccomp-off", "Seccomp is not switched off", "Without a filter every system call of the node's kernel is open to attack.", "CWE-693", "Set seccompProfile.type to RuntimeDefault."},
	{"sysctls", topic.Isolation, rule.Medium, "sysctls", "Only safe sysctls are set", "Other sysctls act on the node or on other pods.", "CWE-250", "Take the sysctl out, or have the node's owner set it."},
	{"windowsHostProcess", topic.Isolation, rule.Critical, "windows-host-process", "No container is a host process", "A HostProcess container runs on the Windows node itself.", "CWE-250", "Take out windowsOptions.hostProcess."},
	{"hostProbesAndHostLifecycle", topic.Exposure, rule.Medium, "probe-host", "Probes and hooks ask the pod itself", "With a host of its own, a probe makes the kubelet send requests to any address it reaches.", "CWE-918", "Take out the host field of probes and lifecycle hooks."},
	{"restrictedVolumes", topic.Isolation, rule.Medium, "volume-types", "Volumes are of the restricted types", "Other volume types reach the node or bypass the cluster's storage rules.", "CWE-668", "Use configMap, csi, downwardAPI, emptyDir, ephemeral, persistentVolumeClaim, projected or secret."},
	{"allowPrivilegeEscalation", topic.Privilege, rule.High, "privilege-escalation", "Processes cannot gain rights", "A set-user-id program inside the image gives root to whoever runs it.", "CWE-269", "Set securityContext.allowPrivilegeEscalation to false on every container."},
	{"runAsNonRoot", topic.Privilege, rule.High, "run-as-non-root", "Containers do not run as root", "Root in a container is root on the node after the first escape.", "CWE-250", "Set securityContext.runAsNonRoot to true on the pod."},
	{"runAsUser", topic.Privilege, rule.High, "run-as-user-root", "No container asks for user 0", "User 0 is root, whatever else is said.", "CWE-250", "Set runAsUser to a number above 10000."},
	{"seccompProfile_restricted", topic.Isolation, rule.Medium, "seccomp", "A seccomp profile is set", "Without one, most clusters run containers unfiltered: hundreds of system calls that nobody needs.", "CWE-693", "Set securityContext.seccompProfile.type to RuntimeDefault on the pod."},
	{"capabilities_restricted", topic.Privilege, rule.High, "capabilities-kept", "All capabilities are dropped", "The default set lets a process forge packets, change owners and bind low ports.", "CWE-250", "Set securityContext.capabilities.drop to [ALL]; add at most NET_BIND_SERVICE."},
}

// podSecurity returns a rule for each Pod Security check. A check that a later
// version of the library adds has no row above and is looked at by a test.
func podSecurity() []Rule {
	known := map[policy.CheckID]policy.CheckPodFn{}
	for _, c := range policy.DefaultChecks() {
		known[c.ID] = c.Versions[len(c.Versions)-1].CheckPod
	}
	var out []Rule
	for _, s := range standards {
		run := known[s.check]
		if run == nil {
			continue
		}
		out = append(out, eachPod(s.topic.Of(rule.Meta{
			ID: "kubernetes-" + s.id, Severity: s.severity, Title: s.title, Why: s.why, CWE: []string{s.cwe}, Fix: s.fix,
			Guides: s.guides(),
			Verify: "Label the namespace pod-security.kubernetes.io/warn=restricted and apply with --dry-run=server: the API server warns.",
		}), func(w *workload) ([]rule.Finding, error) {
			meta, spec, err := w.typed()
			if err != nil {
				return nil, err
			}
			res := run(meta, spec)
			if res.Allowed {
				return nil, nil
			}
			return []rule.Finding{w.at(res.ForbiddenReason+": "+res.ForbiddenDetail, w.named(res.ForbiddenDetail), w.spec)}, nil
		}))
	}
	return out
}

// named returns the first container whose name stands in quotes in a text.
func (w *workload) named(detail string) *yamltree.Node {
	for _, c := range w.containers(true) {
		if name := c.Get("name").Value(); name != "" && strings.Contains(detail, `"`+name+`"`) {
			return c
		}
	}
	return nil
}

// typed returns the pods as the Kubernetes library has them.
func (w *workload) typed() (*metav1.ObjectMeta, *corev1.PodSpec, error) {
	var pod struct {
		Metadata metav1.ObjectMeta `json:"metadata"`
		Spec     corev1.PodSpec    `json:"spec"`
	}
	text, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": w.meta.Get("annotations").Plain()},
		"spec":     w.spec.Plain(),
	})
	if err == nil {
		err = json.Unmarshal(text, &pod)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s:%d: %s is no pod that the API server would take: %w", w.File, w.spec.Line, w.called(), err)
	}
	return &pod.Metadata, &pod.Spec, nil
}
