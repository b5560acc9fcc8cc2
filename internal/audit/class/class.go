// Package class says how long an event of the audit log is kept: which of the
// three classes of retention it belongs to. The table stands in Of, and for
// readers in docs/retention.md.
package class

import (
	"fmt"

	portcullis "github.com/portcullis-dev/portcullis"
)

// Class is a class of retention.
type Class string

// The classes, shortest kept first.
const (
	// Access is who called what, when all was well.
	Access Class = "access"
	// Security is what was refused, failed or looked odd.
	Security Class = "security"
	// Audit is what people changed, and whatever no other class names.
	Audit Class = "audit"
)

// All returns the classes, shortest kept first.
func All() []Class { return []Class{Access, Security, Audit} }

// Parse returns the class of that name.
func Parse(name string) (Class, error) {
	switch c := Class(name); c {
	case Access, Security, Audit:
		return c, nil
	}
	return "", fmt.Errorf("class %q: want access, security or audit", name)
}

// Of returns the class of an event type. A type that nobody gave a class is
// kept longest.
func Of(t portcullis.EventType) Class {
	if c, ok := lookup(t); ok {
		return c
	}
	return Audit
}

// lookup is the table. Its test finds types that are in no row.
func lookup(t portcullis.EventType) (Class, bool) {
	switch t {
	case portcullis.EventCallStarted, portcullis.EventCallFinished, portcullis.EventAuthSuccess,
		portcullis.EventZKPAuthSuccess, portcullis.EventSessionOpened, portcullis.EventSessionRefreshed,
		portcullis.EventApprovalUsed, portcullis.EventContentRewritten,
		portcullis.EventPushRegistered, portcullis.EventPushRemoved:
		return Access, true

	case portcullis.EventAuthFailure, portcullis.EventAuthzDenied, portcullis.EventInvalidAPIKey,
		portcullis.EventAPIKeyStale, portcullis.EventZKPAuthFailure, portcullis.EventRateLimitExceeded,
		portcullis.EventUnauthorizedAccess, portcullis.EventInputRejected, portcullis.EventContentBlocked,
		portcullis.EventContentFlagged, portcullis.EventCallRefused, portcullis.EventToolChanged,
		portcullis.EventCardChanged, portcullis.EventCardRefused,
		portcullis.EventPushRefused, portcullis.EventPushDelayed, portcullis.EventPushDead,
		"ANOMALY_DETECTED", "CONTAINED_CALL_REFUSED",
		"ALERT_SENT", "ALERT_FAILED", "SINK_FAILING", "SINK_MISSED", "SINK_RECOVERED", "SINK_REFUSED":
		return Security, true

	case portcullis.EventAPIKeyCreated, portcullis.EventAPIKeyRotated, portcullis.EventAPIKeyClaimed,
		portcullis.EventAPIKeyDeprecated, portcullis.EventAPIKeyRevoked,
		portcullis.EventUserCreated, portcullis.EventUserPasswordChanged, portcullis.EventUserRolesChanged,
		portcullis.EventUserDisabled, portcullis.EventUserEnabled, portcullis.EventUserRemoved,
		portcullis.EventZKPEnrolled, portcullis.EventZKPRemoved,
		portcullis.EventConfigChanged, portcullis.EventSessionRevoked, portcullis.EventTokenIssued,
		portcullis.EventSecretRead, portcullis.EventSecretWritten, portcullis.EventSecretRotated,
		portcullis.EventToolApproved, portcullis.EventToolQuarantined,
		portcullis.EventMaintenanceOn, portcullis.EventMaintenanceOff,
		portcullis.EventApprovalRequested, portcullis.EventApprovalGranted, portcullis.EventApprovalDenied,
		portcullis.EventTaintLifted, portcullis.EventPushReplayed, portcullis.EventGatewayStarted, portcullis.EventGatewayStopped,
		portcullis.EventBackupCreated, portcullis.EventBackupVerified, portcullis.EventBackupRestored,
		portcullis.EventDutyDue, portcullis.EventDutyOverdue, portcullis.EventDutySigned,
		portcullis.EventAuditSegmentRemoved, portcullis.EventAuditHoldSet, portcullis.EventAuditHoldLifted,
		"ALERT_ACKNOWLEDGED", "ALERT_SILENCED", "ALERT_SILENCE_REMOVED", "AUDIT_LOG_DAMAGED", "SECRET_ROTATION_DUE", "SECRET_ROTATION_FAILED", "SECRET_VERIFIED", "SINK_TEST",
		portcullis.EventConsentGranted, portcullis.EventConsentWithdrawn, portcullis.EventDataAccessed,
		portcullis.EventBreakGlassGranted, portcullis.EventBreakGlassEnded, portcullis.EventReportMade,
		portcullis.EventDataExported, portcullis.EventDataErased, portcullis.EventDataRectified,
		"INCIDENT_OPENED", "INCIDENT_ACTION", "INCIDENT_CLOSED":
		return Audit, true
	}
	return "", false
}
