package running

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

const day = 24 * time.Hour

// Rules returns the rules.
func Rules() []rule.Rule[*State] {
	return slices.Concat(keyRules(), logRules(), sinkRules(), serviceRules(), operatorRules())
}

func keys(s *State) *[]Key { return s.Keys }

func keyRules() []rule.Rule[*State] {
	return []rule.Rule[*State]{
		{
			Meta: rule.Meta{
				ID: "gateway-key-endless", Kind: rule.Gateway, Severity: rule.Medium, Title: "Every key ends or rotates",
				Why:    "A key that leaked works until somebody notices.",
				Guides: []string{"S0-52", "S3-52"}, OWASP: []string{"MCP01:2025", "API2:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T1"}, CWE: []string{"CWE-324"},
				Verify: "'portcullis key list' shows a key without an end whose schedule is never.", Fix: "Rotate it to a schedule: portcullis key rotate ID, or create one with --expires.",
			},
			Check: each(keys, func(_ *State, k Key, out *found) {
				if k.Expires == nil && (k.Schedule == "never" || k.Schedule == "") {
					out.add("key:"+k.ID, "The key %s never ends and never rotates.", k.Name)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "gateway-key-old", Kind: rule.Gateway, Severity: rule.Medium, Title: "No key is older than half a year",
				Why:    "The longer a key is used, the more places it has been copied to.",
				Guides: []string{"S0-52", "S3-52"}, OWASP: []string{"MCP01:2025"}, Threats: []string{"MCP-T1"}, CWE: []string{"CWE-324"},
				Verify: "'portcullis key list' shows a key that was created more than 180 days ago.", Fix: "Rotate it, so that a new one is created: portcullis key rotate ID.",
			},
			Check: each(keys, func(s *State, k Key, out *found) {
				if age := s.Now.Sub(k.Created); age > 180*day {
					out.add("key:"+k.ID, "The key %s is %d days old.", k.Name, age/day)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "gateway-key-unused", Kind: rule.Gateway, Severity: rule.Low, Title: "Every key is used",
				Why:    "Nobody misses a key that nobody uses, so nobody notices when somebody else does.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP01:2025", "MCP02:2025"}, Threats: []string{"MCP-T1"}, CWE: []string{"CWE-286"},
				Verify: "'portcullis key list' shows a key that was not used for 90 days.", Fix: "Revoke the key: portcullis key revoke ID.",
			},
			Check: each(keys, func(s *State, k Key, out *found) {
				last := k.Created
				if k.Used != nil {
					last = *k.Used
				}
				if idle := s.Now.Sub(last); idle > 90*day {
					out.add("key:"+k.ID, "The key %s was not used for %d days.", k.Name, idle/day)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "gateway-key-wide", Kind: rule.Gateway, Severity: rule.Medium, Title: "No key both administers and calls all tools",
				Why:    "A program that only calls tools can change who may call them; if its key leaks, so can the thief.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP02:2025", "API5:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T2", "MCP-T9"}, CWE: []string{"CWE-250", "CWE-269"},
				Verify: "'portcullis key list' shows a key with the scope manage and another.", Fix: "Make two keys, one with --scopes manage, and revoke this one.",
			},
			Check: each(keys, func(_ *State, k Key, out *found) {
				if slices.Contains(k.Scopes, "manage") && slices.ContainsFunc(k.Scopes, func(s string) bool { return strings.HasSuffix(s, ":*") || s == "*" }) {
					out.add("key:"+k.ID, "The key %s may administer and call everything.", k.Name)
				}
			}),
		},
	}
}

// logRules are about the audit log and its disk.
func logRules() []rule.Rule[*State] {
	return []rule.Rule[*State]{
		{
			Meta: rule.Meta{
				ID: "gateway-log-damaged", Kind: rule.Gateway, Severity: rule.Critical, Title: "The audit log is whole",
				Why:    "Records were changed or lost: what happened can no longer be proved, and somebody may have wanted that.",
				Guides: []string{"S0-56", "S1-22"}, OWASP: []string{"MCP08:2025"}, CoSAI: rule.L2, Threats: []string{"MCP-T6", "MCP-T12"}, CWE: []string{"CWE-354"},
				Verify: "'portcullis audit verify' says no, or 'portcullis audit retention' shows damaged segments.", Fix: "Keep the data folder as it is, find out why segments are damaged with 'portcullis audit verify', and follow docs/incident-response.md.",
			},
			Check: log(func(l *Log, out *found) {
				for _, s := range l.Damaged {
					out.add("segment:"+s, "The segment %s is damaged.", s)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "gateway-disk-low", Kind: rule.Gateway, Severity: rule.High, Title: "There is room for the log",
				Why:    "Without room nothing can be recorded, and what cannot be recorded is refused.",
				Guides: []string{"S0-56"}, OWASP: []string{"MCP08:2025", "API4:2023"}, Threats: []string{"MCP-T10", "MCP-T12"}, CWE: []string{"CWE-400"},
				Verify: "df on the data folder shows less than a tenth free.", Fix: "Make room, or move the data folder to a larger disk.",
			},
			Check: func(_ context.Context, s *State) ([]rule.Finding, error) {
				if s.Log == nil || s.Log.DiskSize == 0 {
					return nil, errUntold
				}
				var out found
				if s.Log.DiskFree < s.Log.DiskSize/10 {
					out.add("data folder", "%d of %d MiB are free.", s.Log.DiskFree>>20, s.Log.DiskSize>>20)
				}
				return out, nil
			},
		},
		{
			Meta: rule.Meta{
				ID: "gateway-clock-behind", Kind: rule.Gateway, Severity: rule.Medium, Title: "The clock has not gone backwards",
				Why:    "Times of records, ends of keys and tokens cannot be trusted, and nothing is removed.",
				Guides: []string{"S0-56"}, OWASP: []string{"MCP08:2025"}, Threats: []string{"MCP-T12"}, CWE: []string{"CWE-778"},
				Verify: "'portcullis audit retention' says that the clock is behind.", Fix: "Set the clock, and let a time service keep it.",
			},
			Check: log(func(l *Log, out *found) {
				if l.ClockBehind {
					out.add("clock", "The machine's clock went backwards.")
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "gateway-retention-held", Kind: rule.Gateway, Severity: rule.Low, Title: "Nothing holds retention up",
				Why:    "Records stay longer than was promised to those whom they are about, and fill the disk.",
				Guides: []string{"S0-42"}, OWASP: []string{"MCP10:2025"}, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-459"},
				Verify: "'portcullis audit retention' names a consumer that it waits for.", Fix: "Mend the sink or reader that lags, or take it out of the configuration.",
			},
			Check: log(func(l *Log, out *found) {
				if l.Waiting != "" {
					out.add("retention", "Records wait for %s.", l.Waiting)
				}
			}),
		},
	}
}

// sinkRules are about what goes to others.
func sinkRules() []rule.Rule[*State] {
	return []rule.Rule[*State]{
		{
			Meta: rule.Meta{
				ID: "gateway-sink-failing", Kind: rule.Gateway, Severity: rule.High, Title: "Events arrive where they are sent",
				Why:    "Who watches there sees nothing, and takes it for quiet.",
				Guides: []string{"S0-56", "S3-51"}, OWASP: []string{"MCP08:2025"}, Threats: []string{"MCP-T12"}, CWE: []string{"CWE-778"},
				Verify: "'portcullis audit sinks' shows a sink that has failed for more than five minutes.", Fix: "Read its last error, mend the way there, and try with 'portcullis audit sinks test NAME'.",
			},
			Check: each(func(s *State) *[]Sink { return s.Sinks }, func(_ *State, k Sink, out *found) {
				if k.Failing > 5*time.Minute {
					out.add("sink:"+k.Name, "The sink %s has failed for %s: %s", k.Name, k.Failing.Round(time.Minute), k.Error)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "gateway-sink-lost", Kind: rule.Gateway, Severity: rule.Medium, Title: "No event was lost on its way",
				Why:    "The copy elsewhere has gaps that only the log here can fill.",
				Guides: []string{"S0-56"}, OWASP: []string{"MCP08:2025"}, Threats: []string{"MCP-T12"}, CWE: []string{"CWE-778"},
				Verify: "'portcullis audit sinks' shows dead letters or missed records.", Fix: "Send dead letters again with 'portcullis audit sinks retry NAME'; export what was missed.",
			},
			Check: each(func(s *State) *[]Sink { return s.Sinks }, func(_ *State, k Sink, out *found) {
				if k.Missed > 0 || k.Dead > 0 {
					out.add("sink:"+k.Name, "%d events of %s are laid aside, and %d records were removed unsent.", k.Dead, k.Name, k.Missed)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "gateway-channel-failing", Kind: rule.Gateway, Severity: rule.High, Title: "Alerts reach somebody",
				Why:    "Nobody hears of what the gateway notices.",
				Guides: []string{"S0-56", "S3-51"}, OWASP: []string{"MCP08:2025"}, Threats: []string{"MCP-T12"}, CWE: []string{"CWE-778"},
				Verify: "'portcullis alert channels' shows failures in a row.", Fix: "Read the last error, mend the channel, and try it with 'portcullis alert test NAME'.",
			},
			Check: each(func(s *State) *[]Channel { return s.Channels }, func(_ *State, c Channel, out *found) {
				if c.Failures > 0 {
					out.add("channel:"+c.Name, "The last %d messages through %s failed: %s", c.Failures, c.Name, c.Error)
				}
			}),
		},
	}
}

// serviceRules are about whether the gateway works.
func serviceRules() []rule.Rule[*State] {
	return []rule.Rule[*State]{
		{
			Meta: rule.Meta{
				ID: "gateway-not-ready", Kind: rule.Gateway, Severity: rule.High, Title: "All parts of the gateway work",
				Why:    "Calls are refused, or something that guards them is down.",
				Guides: []string{"S0-59", "S3-51"}, OWASP: []string{"API8:2023"}, Threats: []string{"MCP-T10"}, CWE: []string{"CWE-703"},
				Verify: "GET /ready answers 503 with the names of the parts.", Fix: "Read the gateway's log about the part that is failing, such as the store, and mend that.",
			},
			Check: look(func(s *State, out *found) {
				for _, part := range s.Failing {
					out.add("part:"+part, "The part %s is not ready.", part)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "gateway-certificate-ends", Kind: rule.Gateway, Severity: rule.High, Title: "The certificate is good for two weeks more",
				Why:    "Behind its end all calls fail, or people learn to click past warnings.",
				Guides: []string{"S0-53"}, OWASP: []string{"API8:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T7"}, CWE: []string{"CWE-324"},
				Verify: "openssl x509 -enddate on server.tls.cert.", Fix: "Get a new certificate and write it to the same file: it is taken by itself.",
			},
			Check: func(_ context.Context, s *State) ([]rule.Finding, error) {
				switch {
				case s.Certificate == nil:
					return nil, fmt.Errorf("the gateway has no certificate of its own: %w", rule.ErrNotApplicable)
				case s.Certificate.Ends.IsZero():
					return nil, errUntold
				}
				var out found
				if left := s.Certificate.Ends.Sub(s.Now); left < 0 {
					out.add(s.Certificate.File, "It has ended on %s.", s.Certificate.Ends.Format("2006-01-02"))
				} else if left < 14*day {
					out.add(s.Certificate.File, "It ends in %d days.", left/day)
				}
				return out, nil
			},
		},
	}
}

// operatorRules are about what waits for an operator.
func operatorRules() []rule.Rule[*State] {
	return []rule.Rule[*State]{
		{
			Meta: rule.Meta{
				ID: "gateway-tools-held", Kind: rule.Gateway, Severity: rule.Low, Title: "No tool waits for an operator for a week",
				Why:    "Tools that changed are held until somebody looks; what waits long teaches people to look away.",
				Guides: []string{"S0-54"}, OWASP: []string{"MCP03:2025"}, Threats: []string{"MCP-T6"}, CWE: []string{"CWE-345"},
				Verify: "'portcullis tools list --state held' shows tools.", Fix: "Look at 'portcullis tools diff' and approve or quarantine each of the tools.",
			},
			Check: each(func(s *State) *[]Tool { return s.Tools }, func(s *State, t Tool, out *found) {
				if wait := s.Now.Sub(t.Since); wait > 7*day {
					out.add("tool:"+t.Route+"/"+t.Name, "The tool %s of %s has waited for %d days: %s", t.Name, t.Route, wait/day, t.Why)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "gateway-incidents-open", Kind: rule.Gateway, Severity: rule.Medium, Title: "Incidents are looked at within a day",
				Why:    "What was noticed and left alone goes on.",
				Guides: []string{"S0-60", "S3-52"}, OWASP: []string{"MCP08:2025"}, Threats: []string{"MCP-T12"}, CWE: []string{"CWE-778"},
				Verify: "'portcullis incident status' shows incidents that were opened more than a day ago.", Fix: "Look at each incident, then close it with a reason: portcullis incident close ID.",
			},
			Check: each(func(s *State) *[]Incident { return s.Incidents }, func(s *State, i Incident, out *found) {
				if open := s.Now.Sub(i.Opened); open > day {
					out.add("incident:"+i.ID, "The incident %s (%s) has been open for %d days.", i.ID, i.Rule, open/day)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "gateway-containment-long", Kind: rule.Gateway, Severity: rule.Info, Title: "Nobody is contained for more than a month",
				Why:    "What holds for good belongs into the configuration, or the key is revoked.",
				Guides: []string{"S0-60"}, OWASP: []string{"API8:2023"}, Threats: []string{"MCP-T2"},
				Verify: "'portcullis incident status' shows one that ends more than 30 days after its begin.", Fix: "Revoke the key, or deny the address in security.deny_ips, and release the containment.",
			},
			Check: each(func(s *State) *[]Containment { return s.Containment }, func(_ *State, c Containment, out *found) {
				if c.Until.Sub(c.At) > 30*day {
					out.add("containment:"+c.ID, "The containment %s holds until %s.", c.ID, c.Until.Format("2006-01-02"))
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "gateway-maintenance-on", Kind: rule.Gateway, Severity: rule.Low, Title: "The gateway is open",
				Why:    "All calls are refused; somebody may have forgotten to open it again.",
				Guides: []string{"S0-60"}, OWASP: []string{"API8:2023"}, Threats: []string{"MCP-T10"},
				Verify: "'portcullis incident maintenance status' says on.", Fix: "Open it: portcullis incident maintenance off.",
			},
			Check: look(func(s *State, out *found) {
				if s.Closed {
					out.add("maintenance", "Maintenance is on.")
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "gateway-version-old", Kind: rule.Gateway, Severity: rule.Low, Title: "The program that runs is the one that is installed",
				Why:    "An update that was installed and not started protects nobody.",
				Guides: []string{"S0-58", "S1-22"}, OWASP: []string{"MCP04:2025"}, Threats: []string{"MCP-T11"}, CWE: []string{"CWE-1104"},
				Verify: "The version of the gateway differs from 'portcullis version'.", Fix: "Restart the gateway, so that it runs this version.",
			},
			Check: look(func(s *State, out *found) {
				if s.Version != s.Binary {
					out.add("version", "The gateway is %s, and %s is installed.", s.Version, s.Binary)
				}
			}),
		},
	}
}
