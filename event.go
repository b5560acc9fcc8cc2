package portcullis

import (
	"log/slog"
	"net/netip"
	"time"
)

// EventType names an audit event. The names are a contract with SIEM rules.
type EventType string

// Event types that the front door writes. CALL_STARTED is the intent, written
// before a call is forwarded; CALL_FINISHED is its outcome.
const (
	EventCallStarted  EventType = "CALL_STARTED"
	EventCallFinished EventType = "CALL_FINISHED"
	EventAuthSuccess  EventType = "AUTH_SUCCESS"
	EventAuthFailure  EventType = "AUTH_FAILURE"
	EventAuthzDenied  EventType = "AUTHZ_DENIED"

	EventInvalidAPIKey    EventType = "INVALID_API_KEY"
	EventAPIKeyCreated    EventType = "API_KEY_CREATED"
	EventAPIKeyRotated    EventType = "API_KEY_ROTATED"
	EventAPIKeyClaimed    EventType = "API_KEY_CLAIMED" // the secret of a successor was fetched
	EventAPIKeyDeprecated EventType = "API_KEY_DEPRECATED"
	EventAPIKeyRevoked    EventType = "API_KEY_REVOKED"
	EventAPIKeyStale      EventType = "API_KEY_USED_AFTER_ROTATION"

	EventUserCreated         EventType = "USER_CREATED"
	EventUserPasswordChanged EventType = "USER_PASSWORD_CHANGED"
	EventUserRolesChanged    EventType = "USER_ROLES_CHANGED" // roles or scopes
	EventUserDisabled        EventType = "USER_DISABLED"
	EventUserEnabled         EventType = "USER_ENABLED"
	EventUserRemoved         EventType = "USER_REMOVED"

	EventZKPAuthSuccess EventType = "ZKP_AUTH_SUCCESS"
	EventZKPAuthFailure EventType = "ZKP_AUTH_FAILURE"
	EventZKPEnrolled    EventType = "ZKP_ENROLLED" // a public key stands for a user from now on
	EventZKPRemoved     EventType = "ZKP_REMOVED"

	EventRateLimitExceeded EventType = "RATE_LIMIT_EXCEEDED"

	EventConfigChanged      EventType = "CONFIG_CHANGED"
	EventUnauthorizedAccess EventType = "UNAUTHORIZED_ACCESS_ATTEMPT"
	EventInputRejected      EventType = "INPUT_REJECTED"
	EventContentBlocked     EventType = "CONTENT_BLOCKED"
	EventContentRewritten   EventType = "CONTENT_REWRITTEN" // a rule masked, redacted, cleaned or replaced something
	EventContentFlagged     EventType = "CONTENT_FLAGGED"   // a rule noted something and let it pass

	EventSessionOpened    EventType = "SESSION_OPENED"
	EventSessionRefreshed EventType = "SESSION_REFRESHED"
	EventSessionRevoked   EventType = "SESSION_REVOKED" // a session, or a token of another issuer
	EventTokenIssued      EventType = "TOKEN_ISSUED"    // by an operator
	EventSecretRotated    EventType = "SECRET_ROTATED"
	EventSecretRead       EventType = "SECRET_READ"    // not each call: first, changed, failed
	EventSecretWritten    EventType = "SECRET_WRITTEN" // made, changed or removed

	EventSecretVerified       EventType = "SECRET_VERIFIED"        // its provider was asked about a value
	EventSecretRotationDue    EventType = "SECRET_ROTATION_DUE"    // a provider key grows old, and a person has to give another
	EventSecretRotationFailed EventType = "SECRET_ROTATION_FAILED" // the old key stays active

	EventToolChanged     EventType = "TOOL_CHANGED"     // a server shows a tool that is not the approved one
	EventToolApproved    EventType = "TOOL_APPROVED"    // an operator approved a version of a tool
	EventToolQuarantined EventType = "TOOL_QUARANTINED" // an operator holds a tool

	EventAnomalyDetected EventType = "ANOMALY_DETECTED" // something is unlike before; details say what and how much
	EventCardChanged     EventType = "CARD_CHANGED"     // an agent shows a card that is not the approved one
	EventCardRefused     EventType = "CARD_REFUSED"     // an agent's card cannot be used: the last good one stays

	EventPushRegistered EventType = "PUSH_REGISTERED" // a caller is to be notified of a task
	EventPushRemoved    EventType = "PUSH_REMOVED"    // and is not any more
	EventPushRefused    EventType = "PUSH_REFUSED"    // a target of notifications is none that may be sent to
	EventPushDelayed    EventType = "PUSH_DELAYED"    // a notification was not delivered at first; it is tried again
	EventPushDead       EventType = "PUSH_DEAD"       // a notification cannot be delivered: it is a dead letter
	EventPushReplayed   EventType = "PUSH_REPLAYED"   // an operator sends dead letters again

	EventMaintenanceOn  EventType = "MAINTENANCE_ON"
	EventMaintenanceOff EventType = "MAINTENANCE_OFF"
	EventCallRefused    EventType = "CALL_REFUSED" // refusals that no other type names

	EventApprovalRequested EventType = "APPROVAL_REQUESTED" // a call waits for another person
	EventApprovalGranted   EventType = "APPROVAL_GRANTED"
	EventApprovalDenied    EventType = "APPROVAL_DENIED"
	EventApprovalUsed      EventType = "APPROVAL_USED"

	EventTaintLifted EventType = "TAINT_LIFTED" // what a caller read does not count any more: an operator said so

	EventSinkFailing         EventType = "SINK_FAILING"          // events do not reach a sink
	EventSinkRecovered       EventType = "SINK_RECOVERED"        // they do again
	EventSinkRefused         EventType = "SINK_REFUSED"          // a sink does not take some events: they are dead letters
	EventSinkMissed          EventType = "SINK_MISSED"           // records were removed before a sink had sent them
	EventSinkTest            EventType = "SINK_TEST"             // what 'audit sinks test' sends; never in the journal
	EventAuditSegmentRemoved EventType = "AUDIT_SEGMENT_REMOVED" // records of the audit log are removed: their time is over
	EventAuditHoldSet        EventType = "AUDIT_HOLD_SET"        // records are kept although their time may be over
	EventAuditHoldLifted     EventType = "AUDIT_HOLD_LIFTED"

	EventIncidentOpened EventType = "INCIDENT_OPENED"
	EventIncidentAction EventType = "INCIDENT_ACTION" // something was contained, or released
	EventIncidentClosed EventType = "INCIDENT_CLOSED"
	EventCallContained  EventType = "CONTAINED_CALL_REFUSED" // a caller that is contained called

	EventConsentGranted    EventType = "CONSENT_GRANTED"
	EventConsentWithdrawn  EventType = "CONSENT_WITHDRAWN"
	EventDataAccessed      EventType = "DATA_ACCESSED"       // marked data is about to be read, or what is held about a person is shown
	EventDataExported      EventType = "DATA_EXPORTED"       // what is held about a person was taken along
	EventDataErased        EventType = "DATA_ERASED"         // pending: a person is being erased; success: everywhere
	EventDataRectified     EventType = "DATA_RECTIFIED"      // what a person wishes to have put right or restricted was noted
	EventBreakGlassGranted EventType = "BREAK_GLASS_GRANTED" // somebody may read protected health information in an emergency
	EventBreakGlassEnded   EventType = "BREAK_GLASS_ENDED"
	EventReportMade        EventType = "REPORT_MADE" // a report for auditors was collected

	EventBackupCreated  EventType = "BACKUP_CREATED"  // pending: the root key is about to be copied
	EventBackupVerified EventType = "BACKUP_VERIFIED" // a drill restored a backup into a scratch folder
	EventBackupRestored EventType = "BACKUP_RESTORED" // what was written after the backup is lost
	EventDutyDue        EventType = "DUTY_DUE"        // people have something to do that comes back
	EventDutyOverdue    EventType = "DUTY_OVERDUE"    // they have not done it
	EventDutySigned     EventType = "DUTY_SIGNED"     // somebody says that it is done

	EventGatewayStarted EventType = "GATEWAY_STARTED"
	EventGatewayStopped EventType = "GATEWAY_STOPPED"
)

// Severity of an event, in the words of the guides.
type Severity string

// Severities, least first.
const (
	SeverityInfo     Severity = "INFO"
	SeverityWarn     Severity = "WARN"
	SeverityError    Severity = "ERROR"
	SeverityCritical Severity = "CRITICAL"
)

// Outcome of what the event tells.
type Outcome string

// Outcomes.
const (
	OutcomeSuccess Outcome = "success"
	OutcomeFailure Outcome = "failure"
	OutcomePending Outcome = "pending" // an intent whose outcome follows
)

// Actor is who caused an event.
type Actor struct {
	ID        string     // principal id, or what was attempted
	Method    string     // authentication method
	KeyID     string     // id of the credential
	IP        netip.Addr // client address
	UserAgent string     // as sent, length-capped
	Geo       Geo        // where the address is; added behind the journal, for those who read events

	// In the audit log the personal ones of the above, ID, IP and UserAgent, are
	// sealed: Subject is a keyed hash of ID, by which events are found, and Sealed
	// holds the three. Whoever may read them opens the event first.
	Subject string
	Sealed  string
}

// Geo is where an address is, as far as a database knows.
type Geo struct {
	Country string // ISO 3166-1 alpha-2
	Region  string
	City    string
	ASN     uint32 // number of the network
	Org     string // who runs the network
}

// IsZero reports whether nothing is known.
func (g Geo) IsZero() bool { return g == Geo{} }

// Event is one audit record. It never holds a credential or content. Details
// are small scalar facts; a journal encodes them as one JSON object.
type Event struct {
	ID          string // UUIDv7; the journal fills it when empty
	Time        time.Time
	Type        EventType
	Severity    Severity
	Outcome     Outcome
	Actor       Actor
	Route       string
	Resource    string // "tool:echo"
	Action      string // "tools/call"
	Reason      string
	RequestID   string
	TraceID     string
	Environment string
	Service     string
	RiskScore   int
	Details     []slog.Attr
}

// Security reports whether the event is security-relevant: it is flushed to
// disk at once and kept for the security retention class.
func (e *Event) Security() bool {
	return e.Type != EventCallStarted && e.Type != EventCallFinished && e.Type != EventAuthSuccess
}
