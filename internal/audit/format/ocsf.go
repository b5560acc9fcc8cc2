package format

import (
	"cmp"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// ocsfVersion is the version of the schema that events are written in.
const ocsfVersion = "1.8.0"

// ocsf writes events of the Open Cybersecurity Schema Framework. Each event
// type has its class in the table of [Lookup]; what a class has no attribute
// for is in unmapped.
type ocsf struct{ info Info }

func (f ocsf) Append(dst []byte, e *portcullis.Event) ([]byte, error) {
	m, _ := Lookup(e.Type)
	w := ocsfEvent{object: object{b: dst}, info: &f.info, e: e, m: &m}
	w.begin()
	w.classification()
	w.outcome()
	w.str("message", m.Title)
	w.metadata()
	switch m.Class {
	case detection:
		w.finding()
	case accountChange:
		w.account()
	case authentication:
		w.authentication()
	case authorizeSession:
		w.session()
	case entityManagement:
		w.entity()
	case httpActivity:
		w.http()
	case appLifecycle:
		w.obj("app", func() { w.product() })
		w.actor()
	default:
		w.api()
	}
	w.unmapped()
	w.end()
	return w.b, nil
}

type ocsfEvent struct {
	object
	info *Info
	e    *portcullis.Event
	m    *Meaning
}

func (w *ocsfEvent) classification() {
	c := classOf(w.m.Class)
	id, name := w.activity()
	w.int("class_uid", c.uid)
	w.str("class_name", c.name)
	w.int("category_uid", c.uid/1000)
	w.str("category_name", c.category)
	w.int("activity_id", id)
	w.str("activity_name", name)
	w.int("type_uid", c.uid*100+id)
	w.str("type_name", c.name+": "+cmp.Or(ocsfCaption(id), name))
	severity, caption := int64(99), string(w.e.Severity)
	switch w.e.Severity {
	case portcullis.SeverityInfo:
		severity, caption = 1, "Informational"
	case portcullis.SeverityWarn:
		severity, caption = 3, "Medium"
	case portcullis.SeverityError:
		severity, caption = 4, "High"
	case portcullis.SeverityCritical:
		severity, caption = 5, "Critical"
	}
	w.int("severity_id", severity)
	w.str("severity", caption)
	w.int("time", millis(w.e.Time))
}

// activity is what the row of the table says, unless the action tells more.
func (w *ocsfEvent) activity() (int64, string) {
	switch {
	case w.m.Class == apiActivity && w.m.Activity == actOther && readOnly(w.e.Action):
		return actRead, "Read"
	case w.m.Class == apiActivity && w.m.Activity == actOther && strings.HasPrefix(w.e.Action, "DELETE "):
		return actDelete, "Delete"
	case w.m.Class == apiActivity && w.m.Activity == actOther:
		return actOther, cmp.Or(w.e.Action, w.m.Does)
	case w.m.Class == entityManagement && w.e.Action == "remove":
		return actDelete, "Delete"
	}
	return w.m.Activity, w.m.Does
}

// readOnly reports a method of MCP, A2A or HTTP that changes nothing by
// definition.
func readOnly(action string) bool {
	if strings.HasPrefix(action, "GET ") || strings.HasPrefix(action, "HEAD ") {
		return true
	}
	switch action {
	case "tools/list", "resources/list", "resources/templates/list", "resources/read", "prompts/list", "prompts/get",
		"completion/complete", "server/discover", "ping", "tasks/get", "tasks/list", "GetTask", "ListTasks":
		return true
	}
	return false
}

func ocsfCaption(id int64) string {
	if id == actOther {
		return "Other"
	}
	return ""
}

// outcome writes the status family. Findings have a state of work instead.
func (w *ocsfEvent) outcome() {
	id, caption := int64(99), cmp.Or(string(w.e.Outcome), "unknown")
	switch {
	case w.m.Class == detection:
		id, caption = w.m.Activity, [...]string{1: "New", 2: "In Progress", 3: "Resolved"}[w.m.Activity]
		if id == findClose {
			id = 4
		}
	case w.e.Outcome == portcullis.OutcomeSuccess:
		id, caption = 1, "Success"
	case w.e.Outcome == portcullis.OutcomeFailure:
		id, caption = 2, "Failure"
	}
	w.int("status_id", id)
	w.str("status", caption)
	w.str("status_code", detail(w.e.Details, "status"))
	w.str("status_detail", w.e.Reason)
}

func (w *ocsfEvent) metadata() {
	w.obj("metadata", func() {
		w.str("version", ocsfVersion)
		w.obj("product", w.product)
		w.str("uid", w.e.ID)
		w.str("event_code", string(w.e.Type))
		w.str("correlation_uid", w.e.RequestID)
		w.str("original_time", timestamp(w.e.Time))
		w.str("log_name", "audit")
		w.str("log_provider", w.info.Host)
		if w.m.Class == appLifecycle {
			w.strs("profiles", "host")
		}
	})
}

func (w *ocsfEvent) product() {
	w.str("name", w.info.Product)
	w.str("vendor_name", Vendor)
	w.str("version", w.info.Version)
}

// user writes who the actor is; OCSF wants a name of somebody.
func (w *ocsfEvent) user() {
	if w.e.Actor.ID == "" {
		w.str("name", "anonymous")
	}
	w.str("uid", w.e.Actor.ID)
	w.str("credential_uid", w.e.Actor.KeyID)
}

func (w *ocsfEvent) actor() {
	w.obj("actor", func() { w.obj("user", w.user) })
}

// endpoint writes where the call came from. What the gateway does by itself
// comes from the gateway.
func (w *ocsfEvent) endpoint() {
	w.obj("src_endpoint", func() {
		if ip := w.e.Actor.IP; ip.IsValid() {
			w.str("ip", ip.WithZone("").String())
			return
		}
		w.str("svc_name", cmp.Or(w.e.Service, w.info.Product))
	})
}

func (w *ocsfEvent) request() {
	w.obj("http_request", func() {
		w.str("uid", w.e.RequestID)
		w.str("user_agent", w.e.Actor.UserAgent)
	})
}

func (w *ocsfEvent) response() {
	if code, ok := number(w.e.Details, "status"); ok {
		w.obj("http_response", func() { w.int("code", code) })
	}
}

func (w *ocsfEvent) service() {
	w.obj("service", func() { w.str("name", cmp.Or(w.e.Route, w.e.Service, w.info.Product)) })
}

// resources writes what the event is about.
func (w *ocsfEvent) resources() {
	w.list("resources", func() {
		kind, name := split(w.e.Resource)
		w.str("name", name)
		w.str("type", kind)
	})
}

func (w *ocsfEvent) api() {
	w.actor()
	w.endpoint()
	w.obj("api", func() {
		w.str("operation", cmp.Or(w.e.Action, string(w.e.Type), "unknown"))
		w.service()
		if w.e.RequestID != "" {
			w.obj("request", func() { w.str("uid", w.e.RequestID) })
		}
	})
	w.resources()
	w.request()
	w.response()
}

func (w *ocsfEvent) http() {
	w.endpoint()
	w.obj("http_request", func() {
		w.str("uid", cmp.Or(w.e.RequestID, w.e.ID, "unknown"))
		w.str("user_agent", w.e.Actor.UserAgent)
	})
	w.response()
}

func (w *ocsfEvent) authentication() {
	w.obj("user", w.user)
	w.actor()
	w.endpoint()
	w.service()
	w.str("auth_protocol", w.e.Actor.Method)
	if w.e.Actor.Method != "" {
		w.int("auth_protocol_id", 99)
	}
	w.bool("is_remote", w.e.Actor.IP.IsValid())
	w.request()
}

func (w *ocsfEvent) session() {
	w.obj("user", w.user)
	w.actor()
	w.endpoint()
	w.obj("session", func() { w.str("uid", w.e.Resource) })
	privileges := words(w.e.Details, "scopes", "roles")
	if len(privileges) == 0 {
		privileges = []string{cmp.Or(detail(w.e.Details, "scopes", "roles", "scope"), "session")}
	}
	w.strs("privileges", privileges...)
	w.request()
}

func (w *ocsfEvent) account() {
	w.obj("user", func() {
		_, id := split(w.e.Resource)
		w.str("uid", cmp.Or(id, "unknown"))
		w.str("name", detail(w.e.Details, "name"))
	})
	w.actor()
	w.endpoint()
	w.request()
}

func (w *ocsfEvent) entity() {
	w.obj("entity", func() {
		kind, name := split(w.e.Resource)
		w.str("uid", w.e.Resource)
		w.str("name", cmp.Or(name, detail(w.e.Details, "field", "name"), string(w.e.Type), "unknown"))
		w.str("type", kind)
	})
	w.actor()
	w.endpoint()
	w.str("comment", w.e.Reason)
	w.request()
}

func (w *ocsfEvent) finding() {
	w.obj("finding_info", func() {
		w.str("uid", cmp.Or(detail(w.e.Details, "incident"), w.e.ID, "unknown"))
		w.str("title", w.m.Title)
		w.str("desc", w.e.Reason)
		w.strs("types", string(w.e.Type))
		w.int("created_time", millis(w.e.Time))
		if rule := detail(w.e.Details, "rule", "guard"); rule != "" {
			w.obj("analytic", func() {
				w.str("name", rule)
				w.int("type_id", 1) // a rule
			})
		}
	})
	w.list("evidences", func() {
		w.actor()
		w.endpoint()
		if w.e.Action != "" {
			w.obj("api", func() {
				w.str("operation", w.e.Action)
				w.service()
			})
		}
		w.request()
	})
	w.resources()
	w.bool("is_alert", w.e.Severity != portcullis.SeverityInfo)
}

// unmapped writes what the schema has no place for.
func (w *ocsfEvent) unmapped() {
	w.obj("unmapped", func() {
		w.str("outcome", string(w.e.Outcome))
		w.str("method", w.e.Actor.Method)
		w.str("route", w.e.Route)
		w.str("resource", w.e.Resource)
		w.str("action", w.e.Action)
		w.str("trace_id", w.e.TraceID)
		w.str("environment", w.e.Environment)
		w.str("service", w.e.Service)
		if w.m.Class == httpActivity || w.m.Class == appLifecycle {
			w.obj("actor", func() {
				w.str("id", w.e.Actor.ID)
				w.str("key_id", w.e.Actor.KeyID)
				if w.e.Actor.IP.IsValid() {
					w.str("ip", w.e.Actor.IP.String())
				}
				w.str("user_agent", w.e.Actor.UserAgent)
			})
		}
		if w.e.RiskScore != 0 {
			w.int("risk_score", int64(w.e.RiskScore))
		}
		w.details("details", w.e.Details)
	})
}
