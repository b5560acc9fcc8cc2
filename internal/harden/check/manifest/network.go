package manifest

import (
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

// anyHost is a list entry that stands for about every host: *, *.com, a whole
// address space.
var anyHost = regexp.MustCompile(`^(?:https?://)?(?:\*+|\*\.\*|\*\.[a-z]{2,6}|0\.0\.0\.0/0|::/0|any|all)(?::\*|:\d+)?/?\**$`)

func networkRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: about{
				id: "egress-any", severity: rule.High, topic: topic.Exposure, title: "The agent reaches only the hosts that it needs",
				why:    "What a prompt makes the agent read, it can send anywhere.",
				verify: "egress_policy is allow-all, or a list of allowed hosts has *, *.com or 0.0.0.0/0.", fix: "Name the hosts, and set egress_policy to allow-list.",
				guides: list("S3-16", "R3-1"), cwe: list("CWE-923"),
			}.meta(),
			Check: values(func(v value, out *found) {
				if v.schema || !v.node.IsText() {
					return
				}
				text := strings.ToLower(strings.TrimSpace(v.node.Value()))
				switch v.name {
				case "egresspolicy", "egress", "networkpolicy", "outbound":
					if slices.Contains([]string{"allow-all", "allowall", "all", "any", "open", "unrestricted", "*"}, text) || anyHost.MatchString(text) {
						out.add(v.node, "The agent may reach every host.", v.node.Value())
					}
				case "alloweddomains", "allowedhosts", "allowedurls", "allowedips", "allowedcidrs", "allowlist", "egressallow", "allowedorigins":
					if anyHost.MatchString(text) {
						out.add(v.node, "The entry stands for about every host.", v.node.Value())
					}
				}
			}),
		},
		{
			Meta: about{
				id: "egress-undeclared", severity: rule.Low, topic: topic.Exposure, title: "The hosts that the agent reaches are named",
				why:    "Nobody can hold the agent to a list that is not there.",
				verify: "security.network_access is missing, or has neither allowed_domains nor deny-all.", fix: "Write security.network_access with egress_policy allow-list and the hosts.",
				guides: list("S3-16", "R3-1"), cwe: list("CWE-923"),
			}.meta(),
			Check: means(func(f *File, out *found) {
				for _, n := range f.sections("security", "network_access") {
					if !n.Get("allowed_domains").Empty() || n.Get("egress_policy").Value() == "deny-all" {
						return
					}
				}
				out.add(f.top(), "The hosts that the agent reaches are not named.", "")
			}),
		},
		{
			Meta: about{
				id: "sandbox-off", severity: rule.Medium, topic: topic.Isolation, title: "The agent runs in a sandbox",
				why:    "What a prompt makes the agent do is done to the machine that it runs on.",
				verify: "security.sandboxing.required is false, or its type is none.", fix: "Set required to true, and the type to container, vm or wasm.",
				guides: list("S0-59", "R3-1"), cwe: list("CWE-653"), mends: true,
			}.meta(),
			Check: sees(sandboxOff),
			Mend:  flips(sandboxOff),
		},
		{
			Meta: about{
				id: "privileged", severity: rule.High, topic: topic.Privilege, title: "The agent has no rights over its machine",
				why:    "Whoever gets the agent to run something has the machine.",
				verify: "privileged, hostNetwork, hostPID or allowPrivilegeEscalation is true, or the agent runs as root.", fix: "Take the setting out; run the agent as a user of its own.",
				guides: list("S3-17", "S0-59"), cwe: list("CWE-250"), mends: true,
			}.meta(),
			Check: sees(privileged),
			Mend:  flips(privileged),
		},
	}
}

func sandboxOff(f *File, out *found) {
	for _, v := range f.values {
		if v.schema {
			continue
		}
		n := v.node
		switch v.name {
		case "sandboxing", "sandbox", "sandboxed":
			switch {
			case n.IsTable():
				for _, name := range []string{"required", "enabled"} {
					if s := n.Get(name); no(s) {
						out.add(s, "The agent may run without a sandbox.", name+": "+s.Value())
					}
				}
				if t := n.Get("type"); no(t) {
					out.add(t, "The agent may run without a sandbox.", "type: "+t.Value())
				}
			case no(n):
				out.add(n, "The agent may run without a sandbox.", v.raw+": "+n.Value())
			}
		case "isolation":
			if v.under("access") && no(n) {
				out.add(n, "The agent is not kept apart from others.", "isolation: "+n.Value())
			}
		}
	}
}

func privileged(f *File, out *found) {
	for _, v := range f.values {
		if v.schema {
			continue
		}
		n := v.node
		wrong := false
		switch v.name {
		case "privileged", "allowprivilegeescalation", "hostnetwork", "hostpid", "hostipc", "runasroot", "root", "sudo":
			wrong = yes(n)
		case "runasnonroot":
			wrong = no(n)
		case "runasuser", "uid":
			wrong = n.Value() == "0"
		case "user", "runas":
			wrong = v.under("runtime", "container", "securitycontext", "deployment", "sandboxing") && (n.Value() == "root" || n.Value() == "0")
		case "add", "capadd":
			wrong = n.Value() != "" && slices.Contains([]string{"ALL", "SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "DAC_OVERRIDE", "SYS_MODULE"}, strings.TrimPrefix(strings.ToUpper(n.Value()), "CAP_"))
		}
		if wrong {
			out.add(n, "The agent has rights over its machine.", v.raw+": "+n.Value())
		}
	}
}
