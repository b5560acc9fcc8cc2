package manifest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// most is a number from which a bound is none.
const most = 1e9

// bound reports whether a value is a number that bounds something.
func bound(n *yamltree.Node) bool {
	text := strings.TrimRight(strings.ToLower(strings.TrimSpace(n.Value())), "smhdk ")
	text = strings.TrimSuffix(strings.TrimSuffix(strings.ReplaceAll(text, "_", ""), "usd"), "/minute")
	v, err := strconv.ParseFloat(strings.TrimPrefix(text, "$"), 64)
	return err == nil && v > 0 && v < most
}

// bounds makes a check of a limit that has several names: one of them has to be
// there, and none may be a number that limits nothing.
func bounds(message string, names ...string) func(f *File, out *found) {
	return func(f *File, out *found) {
		good := false
		for _, v := range f.values {
			if v.schema || !slices.Contains(names, v.name) || v.node.IsTable() || v.node.IsList() {
				continue
			}
			if m := filledIn.FindStringSubmatch(v.node.Value()); m != nil && m[1] == "" {
				good = true // it is given where the agent runs
				continue
			}
			if bound(v.node) {
				good = true
			} else {
				out.add(v.node, "The bound bounds nothing.", v.raw+": "+v.node.Value())
			}
		}
		if !good && len(out.list) == 0 {
			out.add(f.top(), message, "")
		}
	}
}

func boundRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: about{
				id: "cost-unbounded", severity: rule.Medium, topic: topic.Resources, title: "Tokens and cost have an upper bound",
				why:    "A loop, or a stranger, spends the budget of a month in a night.",
				verify: "constraints.cost has neither maxTokensPerDay nor maxCostPerDay, or the number is 0, negative or beyond any use.", fix: "Write constraints.cost.maxTokensPerDay and maxCostPerDay.",
				guides: list("R3-1", "R3-3"), cwe: list("CWE-770"),
			}.meta(),
			Check: means(bounds("Tokens and cost have no upper bound.", "maxtokensperday", "maxcostperday", "maxtokensperrequest", "maxcost", "maxcostperrequest", "maxtokenspermonth", "dailybudget", "monthlybudget", "budget", "budgettokens", "maxinputtokens", "maxtotaltokens", "costlimit", "tokenlimit")),
		},
		{
			Meta: about{
				id: "calls-unbounded", severity: rule.Medium, topic: topic.Resources, title: "Calls and turns have an upper bound",
				why:    "The agent calls its tools in a loop, and whatever they do is done as often.",
				verify: "Neither max_tool_calls nor a rate such as requests_per_minute is there, or its number bounds nothing.", fix: "Write safety.guardrails.max_tool_calls and safety.rate_limiting.requests_per_minute.",
				guides: list("R3-2", "R3-3"), cwe: list("CWE-770", "CWE-834"),
			}.meta(),
			Check: means(bounds("Calls have no upper bound.", "maxtoolcalls", "maxcalls", "requestsperminute", "requestspersecond", "requestsperhour", "maxactionsperday", "maxrequestsperminute", "maxturns", "maxiterations", "maxsteps", "maxtoolcallsperturn", "recursionlimit")),
		},
		{
			Meta: about{
				id: "time-unbounded", severity: rule.Low, topic: topic.Resources, title: "A run of the agent ends at some time",
				why:    "A run that hangs holds its memory, its locks and its sessions.",
				verify: "Neither max_execution_time_seconds nor timeoutSeconds is there, or its number bounds nothing.", fix: "Write safety.guardrails.max_execution_time_seconds.",
				guides: list("R3-2"), cwe: list("CWE-400"),
			}.meta(),
			Check: means(bounds("A run of the agent has no end.", "maxexecutiontimeseconds", "maxexecutionseconds", "timeoutseconds", "timeout", "timeoutms", "maxdurationseconds", "maxruntimeseconds", "workflowtimeout", "timeoutperiod")),
		},
	}
}
