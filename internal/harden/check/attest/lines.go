package attest

import "github.com/portcullis-dev/portcullis/internal/harden/check/rule"

// How long statements count at most, in days: a little longer than the time
// after which the line is due again.
const (
	week    = 10
	month   = 35
	quarter = 100
	year    = 370
)

// line is a line of a checklist.
type line struct {
	name, title, why, verify string
	days                     int
	guides, owasp            []string
}

func id(l line) string { return rule.Attestation.Prefix() + l.name }

// lines are those of the checklists that nothing here can see.
var lines = [...]line{
	{"rotation-tested", "Rotation of keys is documented and was tried", "A rotation that nobody has tried fails on the day on which a key has leaked.", "Ask for the page that describes it, and the day on which it was last done.", year, []string{"S0-52"}, []string{"MCP01:2025"}},
	{"privilege-review", "Who may do what was reviewed", "People and programs keep rights that they no longer need.", "Read the output of 'portcullis access report' with the owners of the tools.", quarter, []string{"S0-52", "S3-50"}, []string{"MCP02:2025", "API5:2023"}},
	{"encryption-at-rest", "Disks and backups are encrypted", "Whoever gets a disk, a snapshot or a backup reads keys and records.", "Look at the settings of the volumes, snapshots and backups.", year, []string{"S0-53"}, []string{"API8:2023"}},
	{"certificates-watched", "Somebody is told before a certificate ends", "An ended certificate stops all calls, or teaches people to click past warnings.", "Find the alert on the time to the end of certificates, and who gets it.", year, []string{"S0-53"}, []string{"API8:2023"}},
	{"injection-tested", "The servers behind were tested for SQL and command injection", "The gateway checks the form of arguments, not what a server does with them.", "Read the report of the test of each server.", year, []string{"S0-54"}, []string{"MCP05:2025"}},
	{"firewall-reviewed", "Firewall rules were reviewed", "Rules that were added for a day stay for years.", "Compare the rules with the addresses and ports that are needed.", quarter, []string{"S0-55"}, []string{"API8:2023"}},
	{"alerts-tested", "An alert reached somebody", "A channel that was never tried is found broken when it matters.", "Send one with 'portcullis alert test' and ask who got it.", quarter, []string{"S0-56", "S3-51"}, []string{"MCP08:2025"}},
	{"logs-free-of-secrets", "Logs of the servers behind were searched for secrets and personal data", "The gateway cleans its own log, not those of the servers.", "Search the logs of the servers for keys and addresses.", quarter, []string{"S0-56"}, []string{"MCP01:2025", "MCP10:2025"}},
	{"environment-documented", "What the environment has to hold is documented", "Whoever sets up the next machine guesses, and guesses weakly.", "Compare .env.example, or the page that lists the variables, with what is set.", year, []string{"S0-57"}, []string{"API8:2023"}},
	{"secret-manager", "Secrets come from a manager, which says who read them", "Secrets in files are copied, and nobody knows by whom.", "Find the manager's record of the last read of each secret.", year, []string{"S0-44", "S0-57"}, []string{"MCP01:2025"}},
	{"dependency-policy", "There is a policy on dependencies, and it is followed", "Anything that somebody likes becomes part of what runs.", "Read the policy, and the last three dependencies that were added.", year, []string{"S0-58"}, []string{"MCP04:2025"}},
	{"vulnerabilities-mended", "Vulnerabilities were mended in time: 24 hours, 7, 30 and 90 days", "Known vulnerabilities are what most intruders use.", "List open vulnerabilities with the day on which each was found.", month, []string{"S0-47", "S0-58"}, []string{"MCP04:2025"}},
	{"images-scanned", "Images were scanned before they ran", "An image brings everything that its base had.", "Find the report of the scan for the digest that runs.", month, []string{"S3-50"}, []string{"MCP04:2025"}},
	{"penetration-test", "Somebody from outside has tried to break in", "Those who built it do not see what they did not think of.", "Read the report, and what became of each item.", year, []string{"S3-51", "S3-52"}, []string{"API8:2023"}},
	{"penetration-test-quarterly", "This quarter's test of the outside was done", "What is exposed changes with every release.", "Read the report of the quarter.", quarter, []string{"S3-52"}, []string{"API8:2023"}},
	{"security-audit", "The deployment was audited", "A second pair of eyes finds what was agreed on and not done.", "Read the report of the audit.", quarter, []string{"S1-22", "S3-51", "S3-52"}, []string{"API8:2023"}},
	{"restore-tested", "A backup was restored, and the audit log verified after it", "A backup that was never restored is a hope.", "Ask for the day and the time that it took, and run 'portcullis audit verify' on it.", quarter, []string{"S3-51"}, []string{"API8:2023"}},
	{"incident-plan", "The plan for incidents is written, with names that answer", "In an incident nobody has time to find out who decides.", "Call the contacts of the plan.", quarter, []string{"S0-60", "S3-51"}, []string{"MCP08:2025"}},
	{"incident-exercise", "The plan for incidents was exercised", "What was never done is done wrongly in a hurry.", "Ask for the notes of the exercise.", year, []string{"S0-60"}, []string{"MCP08:2025"}},
	{"monitoring-watched", "Somebody looks at the monitoring", "Dashboards that nobody looks at show nothing.", "Ask who looked last, and what was done.", month, []string{"S3-50", "S3-51"}, []string{"MCP08:2025"}},
	{"compliance", "What the law and contracts ask for was held against what is", "Fines and contracts do not ask what was known.", "Read the list of duties, with the state of each.", year, []string{"S3-51", "S3-52"}, []string{"API8:2023"}},
	{"documentation", "The documentation tells how it is now", "People act on what is written.", "Follow the page on operations once.", quarter, []string{"S3-51"}, []string{"API9:2023"}},
	{"team-trained", "The team was trained", "Most intrusions begin with a person who did not know.", "Ask for the list of who took part.", month, []string{"S3-51", "S3-52"}, []string{"API8:2023"}},
	{"log-review", "The log was read this week", "What no detector knows is seen by people only.", "Ask for the notes, and run 'portcullis audit search' over the week.", week, []string{"S3-52"}, []string{"MCP08:2025"}},
	{"vulnerability-review", "New vulnerabilities were looked at this week", "Between a release and an attack there are days.", "Ask for the output of this week's scan.", week, []string{"S0-46", "S3-52"}, []string{"MCP04:2025"}},
	{"credentials-rotated", "Credentials were rotated this month", "What leaked unnoticed stops working.", "Look at the ages in 'portcullis wallet list' and 'portcullis key list'.", month, []string{"S3-52"}, []string{"MCP01:2025"}},
	{"guides-reviewed", "The guides and this configuration were reviewed this quarter", "Advice and threats change, and what was right a year ago is not.", "Ask for the notes of the review.", quarter, []string{"S0-61"}, []string{"API8:2023"}},
	{"servers-known", "All MCP servers and agents in use are known", "Servers that somebody started for a day, outside the gateway, are guarded by nobody.", "Compare the routes with what clients are configured to use.", quarter, []string{"S1-22"}, []string{"MCP09:2025", "API9:2023"}},
}

// Rules returns a rule for each line.
func Rules() []rule.Rule[*Book] {
	out := make([]rule.Rule[*Book], 0, len(lines))
	for _, l := range lines {
		out = append(out, rule.Rule[*Book]{
			Meta: rule.Meta{
				ID: id(l), Kind: rule.Attestation, Severity: rule.Info, Title: l.title, Why: l.why, Guides: l.guides, OWASP: l.owasp,
				Verify: l.verify, Fix: "Do it, then say so: portcullis check attest " + id(l) + " --owner NAME --until DAY.",
			},
			Check: look(id(l)),
		})
	}
	return out
}
