package shape

// StateName returns the name that version 1.0 has for a state of any version.
func StateName(s string) string {
	switch s {
	case "submitted":
		return "TASK_STATE_SUBMITTED"
	case "working":
		return "TASK_STATE_WORKING"
	case "input-required":
		return "TASK_STATE_INPUT_REQUIRED"
	case "auth-required":
		return "TASK_STATE_AUTH_REQUIRED"
	case "completed":
		return "TASK_STATE_COMPLETED"
	case "canceled", "TASK_STATE_CANCELLED":
		return "TASK_STATE_CANCELED"
	case "failed":
		return "TASK_STATE_FAILED"
	case "rejected":
		return "TASK_STATE_REJECTED"
	case "unknown":
		return "TASK_STATE_UNSPECIFIED"
	}
	return s
}

// Terminal reports whether a state, named as version 1.0 does, is one that a
// task does not leave.
func Terminal(state string) bool {
	switch state {
	case "TASK_STATE_COMPLETED", "TASK_STATE_FAILED", "TASK_STATE_CANCELED", "TASK_STATE_REJECTED":
		return true
	}
	return false
}

// Waiting reports whether a state, named as version 1.0 does, waits for the
// caller.
func Waiting(state string) bool {
	return state == "TASK_STATE_INPUT_REQUIRED" || state == "TASK_STATE_AUTH_REQUIRED"
}
