package pagerduty_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/detect/alert"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/alerttest"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/pagerduty"
)

const key = "0123456789abcdef0123456789abcdef"

// double keeps incidents as PagerDuty does, and refuses what its schema does
// not know.
type double struct {
	t      *testing.T
	status int
	open   map[string]string // dedup_key → severity
	last   map[string]any
	bad    string
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.status != 0 {
		w.WriteHeader(d.status)
		return
	}
	var ev struct {
		RoutingKey string `json:"routing_key"`
		Action     string `json:"event_action"`
		Dedup      string `json:"dedup_key"`
		Client     string `json:"client"`
		Payload    *struct {
			Summary   string         `json:"summary"`
			Source    string         `json:"source"`
			Severity  string         `json:"severity"`
			Timestamp string         `json:"timestamp"`
			Component string         `json:"component"`
			Group     string         `json:"group"`
			Class     string         `json:"class"`
			Custom    map[string]any `json:"custom_details"`
		} `json:"payload"`
	}
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	d.bad = ""
	switch err := dec.Decode(&ev); {
	case err != nil:
		d.bad = err.Error()
	case r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json":
		d.bad = "no JSON"
	case len(ev.RoutingKey) != 32 || len(ev.Dedup) > 255 || ev.Dedup == "":
		d.bad = "routing_key or dedup_key"
	case ev.Action == "trigger":
		p := ev.Payload
		if p == nil || p.Summary == "" || len(p.Summary) > 1024 || p.Source == "" || !slices.Contains([]string{"critical", "error", "warning", "info"}, p.Severity) {
			d.bad = "payload"
			break
		}
		d.open[ev.Dedup], d.last = p.Severity, p.Custom
		d.last["summary"] = p.Summary
	case ev.Action == "acknowledge" || ev.Action == "resolve":
		if _, ok := d.open[ev.Dedup]; !ok || ev.Payload != nil {
			d.bad = "no such incident, or a payload"
		}
		if ev.Action == "resolve" {
			delete(d.open, ev.Dedup)
		}
	default:
		d.bad = "event_action"
	}
	if d.bad != "" {
		d.t.Errorf("the service refuses: %s", d.bad)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	if _, err := w.Write([]byte(`{"status":"success","message":"Event processed for ` + key + `","dedup_key":"x"}`)); err != nil {
		d.t.Error(err)
	}
}

func channel(t *testing.T) (*double, *pagerduty.Channel) {
	d := &double{t: t, open: map[string]string{}}
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	return d, pagerduty.New(pagerduty.Config{URL: s.URL + "/v2/enqueue", Key: alerttest.Secret(key), Post: alerttest.Post(s.Client())})
}

func TestOneIncidentFromBeginningToEnd(t *testing.T) {
	d, c := channel(t)
	for _, step := range []struct {
		kind alert.Kind
		open int
	}{{alert.Trigger, 1}, {alert.Trigger, 1}, {alert.Acknowledge, 1}, {alert.Resolve, 0}, {alert.Test, 1}} {
		r, err := c.Send(t.Context(), alerttest.Message(step.kind))
		if err != nil || r.Code != 202 || strings.Contains(r.Said, key) || len(d.open) != step.open {
			t.Fatalf("%s: %+v, %v, %v", step.kind, r, err, d.open)
		}
		if step.kind == alert.Trigger && (d.open["portcullis-4b1f09c2a8d3e715"] != "critical" || d.last["summary"] != "Anomaly detected in bytes_out" || d.last["expected"] != "100.50 ± 20.25") {
			t.Errorf("%v %v", d.open, d.last)
		}
	}
	if _, err := c.Send(t.Context(), alerttest.Hostile()); err != nil {
		t.Error(err)
	}
}

func TestSeverities(t *testing.T) {
	d, c := channel(t)
	for from, want := range map[string]string{"CRITICAL": "critical", "ERROR": "error", "WARN": "warning", "INFO": "info", "": "info"} {
		m := alerttest.Message(alert.Trigger)
		m.Severity = alertSeverity(from)
		if _, err := c.Send(t.Context(), m); err != nil || d.open["portcullis-"+m.ID] != want {
			t.Errorf("%q: %v, %v", from, d.open, err)
		}
	}
}

func TestFailures(t *testing.T) {
	d, c := channel(t)
	for _, status := range []int{429, 500, 503, 400} {
		d.status = status
		r, err := c.Send(t.Context(), alerttest.Message(alert.Trigger))
		if err == nil || r.Code != status || strings.Contains(err.Error(), key) {
			t.Errorf("%d: %+v, %v", status, r, err)
		}
	}
	none := pagerduty.New(pagerduty.Config{Key: func() (string, error) { return "", errors.New("its lease has ended") }, Post: alerttest.Post(http.DefaultClient)})
	_, err := none.Send(t.Context(), alerttest.Message(alert.Trigger))
	if f, ok := errors.AsType[*alert.Failure](err); !ok || f.Fault != alert.Misconfigured {
		t.Error(err)
	}
}

func alertSeverity(s string) portcullis.Severity { return portcullis.Severity(s) }
