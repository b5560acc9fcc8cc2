package format

import (
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// ecsVersion is the version of the Elastic Common Schema.
const ecsVersion = "8.17.0"

// ecs writes documents of the Elastic Common Schema. Details have no field of
// their own there: they are labels, which are flat and text.
type ecs struct{ info Info }

func (f ecs) Append(dst []byte, e *portcullis.Event) ([]byte, error) {
	m, _ := Lookup(e.Type)
	o := object{b: dst}
	o.begin()
	o.str("@timestamp", timestamp(e.Time))
	o.obj("ecs", func() { o.str("version", ecsVersion) })
	o.str("message", m.Title)
	f.event(&o, e, &m)
	o.obj("log", func() { o.str("level", strings.ToLower(string(e.Severity))) })
	if e.Actor.IP.IsValid() {
		o.obj("source", func() { o.str("ip", e.Actor.IP.WithZone("").String()) })
		o.obj("related", func() {
			o.strs("ip", e.Actor.IP.WithZone("").String())
			if e.Actor.ID != "" {
				o.strs("user", e.Actor.ID)
			}
		})
	}
	o.obj("user", func() { o.str("id", e.Actor.ID) })
	o.obj("user_agent", func() { o.str("original", e.Actor.UserAgent) })
	o.obj("http", func() {
		o.obj("request", func() { o.str("id", e.RequestID) })
		if code, ok := number(e.Details, "status"); ok {
			o.obj("response", func() { o.int("status_code", code) })
		}
	})
	o.obj("trace", func() { o.str("id", e.TraceID) })
	o.obj("service", func() {
		o.str("name", e.Service)
		o.str("environment", e.Environment)
		o.str("version", f.info.Version)
	})
	o.obj("observer", func() {
		o.str("vendor", Vendor)
		o.str("product", f.info.Product)
		o.str("version", f.info.Version)
		o.str("hostname", f.info.Host)
		o.str("type", "gateway")
	})
	f.labels(&o, e)
	o.end()
	return o.b, nil
}

func (ecs) event(o *object, e *portcullis.Event, m *Meaning) {
	o.obj("event", func() {
		o.str("id", e.ID)
		kind := "event"
		if m.Alert() {
			kind = "alert"
		}
		o.str("kind", kind)
		o.strs("category", m.Category...)
		o.strs("type", m.Kind...)
		o.str("code", string(e.Type))
		o.str("action", strings.ReplaceAll(strings.ToLower(string(e.Type)), "_", "-"))
		outcome := "unknown"
		if e.Outcome == portcullis.OutcomeSuccess || e.Outcome == portcullis.OutcomeFailure {
			outcome = string(e.Outcome)
		}
		o.str("outcome", outcome)
		o.int("severity", ecsSeverity(e.Severity))
		o.str("reason", e.Reason)
		o.str("module", "portcullis")
		o.str("dataset", "portcullis.audit")
		if e.RiskScore != 0 {
			o.int("risk_score", int64(e.RiskScore))
		}
		if took, ok := number(e.Details, "duration_us"); ok && took >= 0 && took < 1<<50 {
			o.int("duration", took*1000)
		}
	})
}

// ecsSeverity is the number that the detection rules of Elastic give to low,
// medium, high and critical.
func ecsSeverity(s portcullis.Severity) int64 {
	switch s {
	case portcullis.SeverityInfo:
		return 21
	case portcullis.SeverityWarn:
		return 47
	case portcullis.SeverityError:
		return 73
	case portcullis.SeverityCritical:
		return 99
	}
	return 0
}

// labels writes what ECS has no field for. Details go as one text, so that
// names which callers choose never become fields of an index.
func (ecs) labels(o *object, e *portcullis.Event) {
	o.obj("labels", func() {
		o.str("outcome", string(e.Outcome))
		o.str("auth_method", e.Actor.Method)
		o.str("key_id", e.Actor.KeyID)
		o.str("route", e.Route)
		o.str("resource", e.Resource)
		o.str("action", e.Action)
		o.str("details", detailsText(e.Details))
	})
}
