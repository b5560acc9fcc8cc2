package format

import (
	"slices"

	"github.com/portcullis-dev/portcullis"
)

// class is a class of OCSF events.
type class struct {
	uid      int64
	name     string
	category string // its uid is uid / 1000
}

// The classes in use.
const (
	accountChange    = 3001
	authentication   = 3002
	authorizeSession = 3003
	entityManagement = 3004
	detection        = 2004
	httpActivity     = 4002
	appLifecycle     = 6002
	apiActivity      = 6003
)

var classes = []class{
	{detection, "Detection Finding", "Findings"},
	{accountChange, "Account Change", "Identity & Access Management"},
	{authentication, "Authentication", "Identity & Access Management"},
	{authorizeSession, "Authorize Session", "Identity & Access Management"},
	{entityManagement, "Entity Management", "Identity & Access Management"},
	{httpActivity, "HTTP Activity", "Network Activity"},
	{appLifecycle, "Application Lifecycle", "Application Activity"},
	{apiActivity, "API Activity", "Application Activity"},
}

// Activities of OCSF; the same number means other things in other classes.
const (
	actCreate, actRead, actUpdate, actDelete = 1, 2, 3, 4 // API Activity, Entity Management
	actEnroll, actUnenroll                   = 6, 7       // Entity Management
	actEnable, actDisable, actSuspend        = 8, 9, 12   // Entity Management
	actLogon, actLogoff                      = 1, 2       // Authentication
	actPrivileges                            = 1          // Authorize Session
	accCreate, accEnable, accPassword        = 1, 2, 3    // Account Change
	accDisable, accDelete                    = 5, 6       // Account Change
	appStart, appStop, appEnable, appDisable = 3, 4, 6, 7 // Application Lifecycle
	findCreate, findUpdate, findClose        = 1, 2, 3    // Detection Finding
	actOther                                 = 99         // named by what the row says
)

// Meaning is what an event type says in the forms of this package.
type Meaning struct {
	Type  portcullis.EventType
	Title string // a short sentence for people, the name of CEF and the message of ECS and OCSF

	Class    int64  // class_uid of OCSF
	Activity int64  // activity_id of OCSF
	Does     string // activity_name of OCSF

	Category []string // event.category of ECS
	Kind     []string // event.type of ECS
}

// Alert reports whether events of the type are findings about what was seen,
// not activities.
func (m *Meaning) Alert() bool { return m.Class == detection }

// The combinations of event.category and event.type of ECS in use.
var (
	ecsAPI       = []string{"api"}
	ecsAuth      = []string{"authentication"}
	ecsIAM       = []string{"iam"}
	ecsConfig    = []string{"configuration"}
	ecsSession   = []string{"session"}
	ecsProcess   = []string{"process"}
	ecsWeb       = []string{"web"}
	ecsIntrusion = []string{"intrusion_detection"}

	isStart    = []string{"start"}
	isEnd      = []string{"end"}
	isDenied   = []string{"denied"}
	isInfo     = []string{"info"}
	isChange   = []string{"change"}
	isCreation = []string{"creation"}
	isDeletion = []string{"deletion"}
	isAccess   = []string{"access"}
	isUserNew  = []string{"user", "creation"}
	isUser     = []string{"user", "change"}
	isUserGone = []string{"user", "deletion"}
)

// meanings has a row for every event type, on purpose: a test fails for a type
// that is declared anywhere in the gateway and not told of here.
var meanings = []Meaning{
	{"CALL_STARTED", "Call forwarded", apiActivity, actOther, "Start", ecsAPI, isStart},
	{"CALL_FINISHED", "Call finished", apiActivity, actOther, "Finish", ecsAPI, isEnd},
	{"CALL_REFUSED", "Call refused", httpActivity, actOther, "Refuse", ecsWeb, []string{"access", "denied"}},

	{"AUTH_SUCCESS", "Caller authenticated", authentication, actLogon, "Logon", ecsAuth, isStart},
	{"AUTH_FAILURE", "Authentication failed", authentication, actLogon, "Logon", ecsAuth, isStart},
	{"INVALID_API_KEY", "Invalid API key", authentication, actLogon, "Logon", ecsAuth, isStart},
	{"API_KEY_USED_AFTER_ROTATION", "API key used after its rotation", authentication, actLogon, "Logon", ecsAuth, isInfo},
	{"ZKP_AUTH_SUCCESS", "Zero-knowledge login", authentication, actLogon, "Logon", ecsAuth, isStart},
	{"ZKP_AUTH_FAILURE", "Zero-knowledge login failed", authentication, actLogon, "Logon", ecsAuth, isStart},
	{"AUTHZ_DENIED", "Call denied by authorization", apiActivity, actOther, "Deny", ecsAPI, isDenied},
	{"UNAUTHORIZED_ACCESS_ATTEMPT", "Unauthorized access attempt", httpActivity, actOther, "Refuse", ecsWeb, []string{"access", "denied"}},
	{"RATE_LIMIT_EXCEEDED", "Rate limit exceeded", httpActivity, actOther, "Refuse", ecsWeb, []string{"access", "denied"}},

	{"API_KEY_CREATED", "API key created", entityManagement, actCreate, "Create", ecsIAM, isCreation},
	{"API_KEY_ROTATED", "API key rotated", entityManagement, actUpdate, "Update", ecsIAM, isChange},
	{"API_KEY_CLAIMED", "Rotated API key fetched", entityManagement, actRead, "Read", ecsIAM, isInfo},
	{"API_KEY_DEPRECATED", "API key deprecated", entityManagement, actUpdate, "Update", ecsIAM, isChange},
	{"API_KEY_REVOKED", "API key revoked", entityManagement, actDelete, "Delete", ecsIAM, isDeletion},

	{"USER_CREATED", "User created", accountChange, accCreate, "Create", ecsIAM, isUserNew},
	{"USER_PASSWORD_CHANGED", "Password changed", accountChange, accPassword, "Password Change", ecsIAM, isUser},
	{"USER_ROLES_CHANGED", "Roles or scopes changed", accountChange, actOther, "Roles Change", ecsIAM, isUser},
	{"USER_DISABLED", "User disabled", accountChange, accDisable, "Disable", ecsIAM, isUser},
	{"USER_ENABLED", "User enabled", accountChange, accEnable, "Enable", ecsIAM, isUser},
	{"USER_REMOVED", "User removed", accountChange, accDelete, "Delete", ecsIAM, isUserGone},
	{"ZKP_ENROLLED", "Zero-knowledge key enrolled", entityManagement, actEnroll, "Enroll", ecsIAM, isCreation},
	{"ZKP_REMOVED", "Zero-knowledge key removed", entityManagement, actUnenroll, "Unenroll", ecsIAM, isDeletion},

	{"SESSION_OPENED", "Session opened", authorizeSession, actPrivileges, "Assign Privileges", ecsSession, isStart},
	{"SESSION_REFRESHED", "Session refreshed", authorizeSession, actPrivileges, "Assign Privileges", ecsSession, isInfo},
	{"SESSION_REVOKED", "Session or token revoked", authentication, actLogoff, "Logoff", ecsSession, isEnd},
	{"TOKEN_ISSUED", "Token issued", authorizeSession, actPrivileges, "Assign Privileges", ecsSession, isStart},

	{"SECRET_READ", "Secret read", entityManagement, actRead, "Read", ecsConfig, isAccess},
	{"SECRET_WRITTEN", "Secret written", entityManagement, actUpdate, "Update", ecsConfig, isChange},
	{"SECRET_ROTATED", "Secret rotated", entityManagement, actUpdate, "Update", ecsConfig, isChange},
	{"SECRET_VERIFIED", "Secret verified with its provider", entityManagement, actOther, "Verify", ecsConfig, isInfo},
	{"SECRET_ROTATION_DUE", "Secret is due for rotation", entityManagement, actOther, "Remind", ecsConfig, isInfo},
	{"SECRET_ROTATION_FAILED", "Secret could not be rotated", entityManagement, actOther, "Fail", ecsConfig, isInfo},
	{"CONFIG_CHANGED", "Configuration changed", entityManagement, actUpdate, "Update", ecsConfig, isChange},
	{"MAINTENANCE_ON", "Maintenance on", appLifecycle, appDisable, "Disable", ecsConfig, isChange},
	{"MAINTENANCE_OFF", "Maintenance off", appLifecycle, appEnable, "Enable", ecsConfig, isChange},
	{"BACKUP_CREATED", "Backup created", entityManagement, actRead, "Read", ecsConfig, isAccess},
	{"BACKUP_VERIFIED", "Backup restored for a drill", entityManagement, actOther, "Verify", ecsConfig, isInfo},
	{"BACKUP_RESTORED", "Data folder restored from a backup", appLifecycle, actOther, "Restore", ecsConfig, isChange},
	{"DUTY_DUE", "Duty is due", entityManagement, actOther, "Remind", ecsConfig, isInfo},
	{"DUTY_OVERDUE", "Duty is overdue", entityManagement, actOther, "Remind", ecsConfig, isInfo},
	{"DUTY_SIGNED", "Duty signed off", entityManagement, actOther, "Sign", ecsConfig, isInfo},
	{"GATEWAY_STARTED", "Gateway started", appLifecycle, appStart, "Start", ecsProcess, isStart},
	{"GATEWAY_STOPPED", "Gateway stopped", appLifecycle, appStop, "Stop", ecsProcess, isEnd},

	{"INPUT_REJECTED", "Input rejected", apiActivity, actOther, "Reject", ecsAPI, isDenied},
	{"CONTAINED_CALL_REFUSED", "Call of a contained caller refused", apiActivity, actOther, "Refuse", ecsAPI, isDenied},
	{"CONTENT_BLOCKED", "Content blocked", detection, findCreate, "Create", ecsIntrusion, isDenied},
	{"CONTENT_REWRITTEN", "Content rewritten", detection, findCreate, "Create", ecsIntrusion, isInfo},
	{"CONTENT_FLAGGED", "Content flagged", detection, findCreate, "Create", ecsIntrusion, isInfo},
	{"TOOL_CHANGED", "Tool is not the approved one", detection, findCreate, "Create", ecsIntrusion, isInfo},
	{"TOOL_APPROVED", "Tool approved", entityManagement, actEnable, "Enable", ecsConfig, isChange},
	{"TOOL_QUARANTINED", "Tool quarantined", entityManagement, actSuspend, "Suspend", ecsConfig, isChange},
	{"CARD_CHANGED", "Agent card is not the approved one", detection, findCreate, "Create", ecsIntrusion, isInfo},
	{"CARD_REFUSED", "Agent card refused", detection, findCreate, "Create", ecsIntrusion, isDenied},
	{"PUSH_REGISTERED", "Notifications of an agent asked for", entityManagement, actCreate, "Create", ecsAPI, isInfo},
	{"PUSH_REMOVED", "Notifications of an agent not wanted any more", entityManagement, actDelete, "Delete", ecsAPI, isInfo},
	{"PUSH_REFUSED", "Target of notifications refused", detection, findCreate, "Create", ecsIntrusion, isDenied},
	{"PUSH_DELAYED", "Notification not delivered yet", appLifecycle, actOther, "Fail", ecsProcess, isInfo},
	{"PUSH_DEAD", "Notification cannot be delivered", appLifecycle, actOther, "Give up", ecsProcess, isInfo},
	{"PUSH_REPLAYED", "Notifications sent again", appLifecycle, actOther, "Replay", ecsProcess, isInfo},
	{"TAINT_LIFTED", "Taint lifted", entityManagement, actUpdate, "Update", ecsIAM, isChange},

	{"APPROVAL_REQUESTED", "Approval requested", entityManagement, actCreate, "Create", ecsIAM, isInfo},
	{"APPROVAL_GRANTED", "Approval granted", entityManagement, actOther, "Grant", ecsIAM, isInfo},
	{"APPROVAL_DENIED", "Approval denied", entityManagement, actOther, "Deny", ecsIAM, isInfo},
	{"APPROVAL_USED", "Approval used", entityManagement, actOther, "Use", ecsIAM, isInfo},

	{"CONSENT_GRANTED", "Consent granted", entityManagement, actCreate, "Create", ecsIAM, isCreation},
	{"CONSENT_WITHDRAWN", "Consent withdrawn", entityManagement, actDelete, "Delete", ecsIAM, isDeletion},
	{"DATA_ACCESSED", "Personal data accessed", apiActivity, actRead, "Read", ecsAPI, isAccess},
	{"BREAK_GLASS_GRANTED", "Emergency access to health information granted", entityManagement, actCreate, "Create", ecsIAM, isCreation},
	{"BREAK_GLASS_ENDED", "Emergency access to health information ended", entityManagement, actDelete, "Delete", ecsIAM, isDeletion},
	{"REPORT_MADE", "Report for auditors made", apiActivity, actRead, "Read", ecsAPI, isAccess},
	{"DATA_EXPORTED", "Personal data exported", apiActivity, actRead, "Read", ecsAPI, isAccess},
	{"DATA_RECTIFIED", "Personal data put right or restricted", apiActivity, actUpdate, "Update", ecsAPI, isChange},
	{"DATA_ERASED", "Personal data erased", apiActivity, actDelete, "Delete", ecsAPI, isDeletion},

	{"ANOMALY_DETECTED", "Anomaly detected", detection, findCreate, "Create", ecsIntrusion, isInfo},
	{"INCIDENT_OPENED", "Incident opened", detection, findCreate, "Create", ecsIntrusion, isInfo},
	{"INCIDENT_ACTION", "Action on an incident", detection, findUpdate, "Update", ecsIntrusion, isInfo},
	{"INCIDENT_CLOSED", "Incident closed", detection, findClose, "Close", ecsIntrusion, isInfo},
	{"SINK_FAILING", "Events do not reach a sink", appLifecycle, actOther, "Fail", ecsProcess, isInfo},
	{"SINK_RECOVERED", "Events reach a sink again", appLifecycle, actOther, "Recover", ecsProcess, isInfo},
	{"SINK_REFUSED", "A sink refuses events", appLifecycle, actOther, "Refuse", ecsProcess, isInfo},
	{"SINK_MISSED", "A sink missed events", appLifecycle, actOther, "Miss", ecsProcess, isInfo},
	{"SINK_TEST", "Test of a sink", appLifecycle, actOther, "Test", ecsProcess, isInfo},
	{"AUDIT_SEGMENT_REMOVED", "Records of the audit log removed", appLifecycle, actOther, "Remove", ecsConfig, isDeletion},
	{"AUDIT_HOLD_SET", "Hold on audit records set", entityManagement, actCreate, "Create", ecsConfig, isChange},
	{"AUDIT_HOLD_LIFTED", "Hold on audit records lifted", entityManagement, actDelete, "Delete", ecsConfig, isChange},
	{"ALERT_SENT", "Alert sent", appLifecycle, actOther, "Send", ecsProcess, isInfo},
	{"ALERT_FAILED", "Alert not taken by a channel", appLifecycle, actOther, "Fail", ecsProcess, isInfo},
	{"ALERT_ACKNOWLEDGED", "Alert acknowledged", apiActivity, actUpdate, "Update", ecsConfig, isChange},
	{"ALERT_SILENCED", "Alerts silenced", apiActivity, actCreate, "Create", ecsConfig, isChange},
	{"ALERT_SILENCE_REMOVED", "Silence of alerts removed", apiActivity, actDelete, "Delete", ecsConfig, isChange},
	{"AUDIT_LOG_DAMAGED", "Audit log damaged", detection, findCreate, "Create", ecsIntrusion, isInfo},
}

// Lookup returns what an event type means. A type that nobody declared is some
// activity of the API, so that its events are not lost on the way.
func Lookup(t portcullis.EventType) (Meaning, bool) {
	i := slices.IndexFunc(meanings, func(m Meaning) bool { return m.Type == t })
	if i < 0 {
		return Meaning{t, string(t), apiActivity, actOther, string(t), ecsAPI, isInfo}, false
	}
	return meanings[i], true
}

// Types returns all event types, in the order of the table.
func Types() []portcullis.EventType {
	out := make([]portcullis.EventType, len(meanings))
	for i := range meanings {
		out[i] = meanings[i].Type
	}
	return out
}

// classOf returns a class by its number.
func classOf(uid int64) class {
	return classes[slices.IndexFunc(classes, func(c class) bool { return c.uid == uid })]
}

// Near returns the event type that a name was perhaps meant to be, "" when none
// is near.
func Near(t portcullis.EventType) portcullis.EventType {
	best, least := portcullis.EventType(""), 1+max(2, len(t)/3)
	for i := range meanings {
		if d := distance(string(t), string(meanings[i].Type)); d < least {
			best, least = meanings[i].Type, d
		}
	}
	return best
}

// distance is how many letters must be added, taken away or changed to make b
// of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
