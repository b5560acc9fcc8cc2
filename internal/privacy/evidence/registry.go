package evidence

import (
	"time"

	"github.com/portcullis-dev/portcullis"
)

const (
	day      = 24 * time.Hour
	year     = 365 * day
	sixYears = 6 * year // 45 CFR 164.316(b)(2)(i)
)

// registry returns the controls of a framework in their order.
func registry(f Framework) []control {
	switch f {
	case GDPR:
		return gdpr()
	case SOC2:
		return soc2()
	case HIPAA:
		return hipaa()
	}
	return nil
}

func types(t ...portcullis.EventType) []portcullis.EventType { return t }

func gdpr() []control {
	return []control{
		{"gdpr-art-5", "Art. 5(1)(f), 5(2)", "Integrity, confidentiality and accountability", "Signed audit log, sealed personal data, calls refused without a record",
			types(portcullis.EventCallFinished, portcullis.EventGatewayStarted),
			func(f *Facts) (State, []string) { return all(f.signed(), f.sealed(), f.refusing()) }},
		{"gdpr-art-5-storage", "Art. 5(1)(e)", "Storage limitation", "Retention of each class of records",
			types(portcullis.EventAuditSegmentRemoved),
			func(f *Facts) (State, []string) { return all(f.bounded()) }},
		{"gdpr-art-6", "Art. 6", "Lawfulness of processing", "Purposes, and consents that routes and tools ask for",
			types(portcullis.EventConsentGranted),
			func(f *Facts) (State, []string) {
				return atMostPartly("On which basis data is used behind and beside these routes, the gateway cannot see.", f.agreed())
			}},
		{"gdpr-art-7", "Art. 7", "Conditions for consent: shown, and withdrawn as easily", "History of consents with version and evidence; PUT and DELETE on one path; withdrawal ends running streams",
			types(portcullis.EventConsentGranted, portcullis.EventConsentWithdrawn),
			func(f *Facts) (State, []string) { return all(f.agreed()) }},
		{"gdpr-art-15", "Art. 15, 20", "Access and portability", "Export of what is held about a person",
			types("DATA_EXPORTED"), recorded("DATA_EXPORTED", "An export")},
		{"gdpr-art-17", "Art. 17", "Erasure", "Keys of persons that are destroyed",
			types("DATA_ERASED"),
			func(f *Facts) (State, []string) { return all(f.sealed(), f.seen("DATA_ERASED", "an erasure")) }},
		{"gdpr-art-25", "Art. 25", "Data protection by design and by default", "Authentication on every route, content rules, field filters",
			types(portcullis.EventContentRewritten, portcullis.EventContentBlocked),
			func(f *Facts) (State, []string) { return all(f.callersKnown(), f.read(), f.sealed()) }},
		{"gdpr-art-28", "Art. 28", "Contracts with processors", "Nothing of the gateway", nil, nil},
		{"gdpr-art-30", "Art. 30", "Record of processing activities", "Nothing of the gateway but what the configuration shows", nil, nil},
		{"gdpr-art-32", "Art. 32", "Security of processing", "TLS, encryption at rest, limits, pinned tools",
			types(portcullis.EventAuthFailure, portcullis.EventRateLimitExceeded, portcullis.EventAuthzDenied),
			func(f *Facts) (State, []string) {
				return all(f.transit(), f.upstreams(), f.stored(), f.callersKnown(), f.limited())
			}},
		{"gdpr-art-33", "Art. 33, 34", "Notification of a breach", "Detection, alerts and incidents",
			types(portcullis.EventAnomalyDetected, portcullis.EventIncidentOpened, portcullis.EventIncidentClosed),
			func(f *Facts) (State, []string) {
				return atMostPartly("Whether authorities and persons are told in time, the gateway cannot see.", f.alerted())
			}},
		{"gdpr-art-35", "Art. 35", "Data protection impact assessment", "Nothing of the gateway", nil, nil},
	}
}

func soc2() []control {
	return []control{
		{"soc2-cc6.1", "CC6.1", "Logical access: identification and authentication", "Authentication on every route, rules and policies, secrets at rest",
			types(portcullis.EventAuthSuccess, portcullis.EventAuthFailure),
			func(f *Facts) (State, []string) { return all(f.callersKnown(), f.stored(), f.adminClosed()) }},
		{"soc2-cc6.2", "CC6.2", "Registration and removal of users", "Keys and users with expiry, revocation and events",
			types(portcullis.EventAPIKeyCreated, portcullis.EventAPIKeyRevoked, portcullis.EventUserCreated, portcullis.EventUserRemoved),
			recorded(portcullis.EventAPIKeyCreated, "The making of a key")},
		{"soc2-cc6.3", "CC6.3", "Roles and least privilege", "Roles, scopes, rules and policies",
			types(portcullis.EventAuthzDenied, portcullis.EventUserRolesChanged),
			func(f *Facts) (State, []string) { return all(f.callersKnown(), f.ruled()) }},
		{"soc2-cc6.6", "CC6.6", "Protection against threats from outside", "Edge guards, limits, content rules",
			types(portcullis.EventRateLimitExceeded, portcullis.EventInputRejected, portcullis.EventContentBlocked),
			func(f *Facts) (State, []string) { return all(f.limited(), f.read()) }},
		{"soc2-cc6.7", "CC6.7", "Transmission of information", "TLS in, and out",
			nil, func(f *Facts) (State, []string) { return all(f.transit(), f.upstreams()) }},
		{"soc2-cc6.8", "CC6.8", "Unauthorized software", "Pinned tools and agent cards",
			types(portcullis.EventToolChanged, portcullis.EventToolApproved),
			func(f *Facts) (State, []string) { return all(f.pinned()) }},
		{"soc2-cc7.2", "CC7.2", "Monitoring for anomalies", "Audit log, detection, alerts, sinks",
			types(portcullis.EventAnomalyDetected),
			func(f *Facts) (State, []string) { return all(f.signed(), f.alerted(), f.elsewhere()) }},
		{"soc2-cc7.3", "CC7.3, CC7.4", "Evaluation of and response to incidents", "Incidents and containments",
			types(portcullis.EventIncidentOpened, portcullis.EventIncidentAction, portcullis.EventIncidentClosed),
			func(f *Facts) (State, []string) {
				return all(f.alerted(), f.seen(portcullis.EventIncidentClosed, "an incident that was closed"))
			}},
		{"soc2-cc8.1", "CC8.1", "Change management", "Every change of the configuration is an event",
			types(portcullis.EventConfigChanged, portcullis.EventGatewayStarted),
			func(f *Facts) (State, []string) { return all(f.signed()) }},
		{"soc2-a1.1", "A1.1", "Capacity", "Limits on rates, sizes and connections",
			nil, func(f *Facts) (State, []string) { return all(f.limited()) }},
		{"soc2-a1.2", "A1.2, A1.3", "Backup and recovery, tested", "Nothing that the gateway has seen", nil, nil},
		{"soc2-pi1.4", "PI1.4", "Outputs are complete and accurate", "A log that shows what was removed or changed",
			nil, func(f *Facts) (State, []string) { return all(f.signed(), f.witnessed(), f.refusing()) }},
		{"soc2-c1.1", "C1.1", "Confidential information is protected", "Content rules, sealed personal data",
			types(portcullis.EventContentRewritten, portcullis.EventContentBlocked),
			func(f *Facts) (State, []string) { return all(f.read(), f.sealed(), f.stored()) }},
		{"soc2-p2.1", "P2.1", "Choice and consent", "Consents that routes and tools ask for",
			types(portcullis.EventConsentGranted, portcullis.EventConsentWithdrawn),
			func(f *Facts) (State, []string) { return all(f.agreed()) }},
		{"soc2-cc1.4", "CC1.4", "Training", "Nothing of the gateway", nil, nil},
	}
}

func hipaa() []control {
	return []control{
		{"hipaa-164.308-a1", "164.308(a)(1)(ii)(D)", "Review of information system activity", "Audit log, detection, sinks",
			types(portcullis.EventDataAccessed, portcullis.EventAnomalyDetected),
			func(f *Facts) (State, []string) { return all(f.signed(), f.alerted()) }},
		{"hipaa-164.308-a3", "164.308(a)(3)", "Workforce security: clearance and termination", "Nothing of the gateway but revoked keys and users",
			types(portcullis.EventAPIKeyRevoked, portcullis.EventUserDisabled), nil},
		{"hipaa-164.308-a4", "164.308(a)(4)", "Access authorization", "The role that reads what is marked",
			types(portcullis.EventUnauthorizedAccess),
			func(f *Facts) (State, []string) { return all(f.marked(), f.callersKnown()) }},
		{"hipaa-164.308-a5", "164.308(a)(5)", "Awareness and training", "Nothing of the gateway", nil, nil},
		{"hipaa-164.308-a6", "164.308(a)(6)", "Security incidents", "Incidents and containments, alerts",
			types(portcullis.EventIncidentOpened, portcullis.EventIncidentClosed),
			func(f *Facts) (State, []string) {
				return all(f.alerted(), f.seen(portcullis.EventIncidentClosed, "an incident that was closed"))
			}},
		{"hipaa-164.308-a7", "164.308(a)(7)", "Contingency plan: backup, recovery", "Nothing that the gateway has seen", nil, nil},
		{"hipaa-164.308-b", "164.308(b)", "Business associate contracts", "Nothing of the gateway", nil, nil},
		{"hipaa-164.310", "164.310", "Physical safeguards", "Nothing of the gateway", nil, nil},
		{"hipaa-164.312-a1", "164.312(a)(1), (a)(2)(i)", "Access control, unique identification", "Authentication on every route, the role for what is marked",
			types(portcullis.EventAuthSuccess, portcullis.EventUnauthorizedAccess),
			func(f *Facts) (State, []string) { return all(f.callersKnown(), f.marked()) }},
		{"hipaa-164.312-a2ii", "164.312(a)(2)(ii)", "Emergency access procedure", "Break-glass grants with reason, end and alert",
			types(portcullis.EventBreakGlassGranted, portcullis.EventBreakGlassEnded),
			func(f *Facts) (State, []string) { return all(f.marked(), f.alerted()) }},
		{"hipaa-164.312-a2iv", "164.312(a)(2)(iv)", "Encryption at rest", "What the gateway stores of calls is sealed",
			nil, func(f *Facts) (State, []string) { return all(f.stored(), f.sealed()) }},
		{"hipaa-164.312-b", "164.312(b)", "Audit controls", "Every read of what is marked is recorded with its purpose before it happens",
			types(portcullis.EventDataAccessed),
			func(f *Facts) (State, []string) {
				return all(f.marked(), f.purposeful(), f.refusing(), f.signed())
			}},
		{"hipaa-164.312-c", "164.312(c)(1)", "Integrity", "Signed log, witnesses",
			nil, func(f *Facts) (State, []string) { return all(f.signed(), f.witnessed()) }},
		{"hipaa-164.312-d", "164.312(d)", "Person or entity authentication", "Authentication on every route",
			types(portcullis.EventAuthSuccess, portcullis.EventAuthFailure),
			func(f *Facts) (State, []string) { return all(f.callersKnown()) }},
		{"hipaa-164.312-e", "164.312(e)(1)", "Transmission security", "TLS in, and out",
			nil, func(f *Facts) (State, []string) { return all(f.transit(), f.upstreams()) }},
		{"hipaa-164.316-b", "164.316(b)(2)(i)", "Documentation kept for six years", "Retention of what people changed and of reads",
			nil, func(f *Facts) (State, []string) {
				return all(f.keeps("audit", sixYears, "six years are asked for"))
			}},
		{"hipaa-164.502-b", "164.502(b)", "Minimum necessary", "Fields that only some roles get",
			types(portcullis.EventDataAccessed, portcullis.EventContentRewritten),
			func(f *Facts) (State, []string) { return all(f.marked(), f.fields()) }},
	}
}

// recorded judges by whether something was done at all: nothing else shows that
// it can be.
func recorded(t portcullis.EventType, what string) func(*Facts) (State, []string) {
	return func(f *Facts) (State, []string) {
		if r, ok := f.Records[t]; ok {
			return InPlace, []string{what + " is in the audit log, the last of " + r.Time.UTC().Format(time.DateOnly) + "."}
		}
		return NotObserved, []string{what + " was not seen in the audit log."}
	}
}
