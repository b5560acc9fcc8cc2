package slack_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/detect/alert"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/alerttest"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/slack"
)

type attachment struct {
	Title, Color, Text, Fallback string
	Markup                       []string `json:"mrkdwn_in"`
	Fields                       []struct{ Title, Value string }
}

func (a attachment) field(name string) string {
	for _, f := range a.Fields {
		if f.Title == name {
			return f.Value
		}
	}
	return ""
}

// send returns what the server got.
func send(t *testing.T, m *alert.Message) (channel string, a attachment, raw string) {
	t.Helper()
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		if _, err := io.WriteString(w, "ok"); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	c := slack.New(slack.Config{URL: alerttest.Secret(s.URL + "/services/T0/B0/s3cret"), Room: "#alerts", Post: alerttest.Post(s.Client())})
	if r, err := c.Send(t.Context(), m); err != nil || r.Code != 200 || r.Said != "ok" {
		t.Fatalf("%+v, %v", r, err)
	}
	var got struct {
		Channel     string
		Attachments []attachment
	}
	if err := json.Unmarshal(body, &got); err != nil || len(got.Attachments) != 1 {
		t.Fatalf("%s: %v", body, err)
	}
	return got.Channel, got.Attachments[0], string(body)
}

func TestAnomaly(t *testing.T) {
	channel, a, _ := send(t, alerttest.Message(alert.Trigger))
	if channel != "#alerts" || a.Title != "🚨 Anomaly detected in bytes_out" || a.Color != "danger" || a.Markup == nil || len(a.Markup) != 0 {
		t.Errorf("%s %+v", channel, a)
	}
	for name, want := range map[string]string{
		"Metric": "bytes_out", "Value": "900", "Expected": "100.50 ± 20.25", "Z-Score": "39.48", "Route": "files", "Caller": "sealed:5ubject", "Alert": "4b1f09c2a8d3e715",
	} {
		if got := a.field(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestColours(t *testing.T) {
	for _, tt := range []struct {
		kind     alert.Kind
		severity portcullis.Severity
		want     string
	}{
		{alert.Trigger, portcullis.SeverityCritical, "danger"}, {alert.Trigger, portcullis.SeverityError, "danger"},
		{alert.Trigger, portcullis.SeverityWarn, "warning"}, {alert.Resolve, portcullis.SeverityCritical, "good"},
		{alert.Digest, portcullis.SeverityWarn, "warning"}, {alert.Test, portcullis.SeverityInfo, "good"},
	} {
		m := alerttest.Message(tt.kind)
		m.Severity = tt.severity
		if _, a, _ := send(t, m); a.Color != tt.want {
			t.Errorf("%s %s is %s, want %s", tt.kind, tt.severity, a.Color, tt.want)
		}
	}
}

func TestNothingIsMarkup(t *testing.T) {
	for _, k := range []alert.Kind{alert.Trigger, alert.Digest} {
		m := alerttest.Hostile()
		m.Kind = k
		m.Details[0].Text = "<!here>"
		_, a, _ := send(t, m)
		all := a.Title + a.Text + a.Fallback
		for _, f := range a.Fields {
			all += f.Title + f.Value
		}
		if strings.ContainsAny(all, "<>") || !strings.Contains(all, "&lt;!channel&gt; &lt;https://evil.example|click&gt; &amp; *bold*") {
			t.Errorf("%s: %s", k, all)
		}
	}
}

func TestFailuresDoNotShowTheAddress(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	for _, url := range []string{s.URL + "/s3cret", "http://hooks.example.com/s3cret", "ftp://s3cret", "", "://s3cret"} {
		c := slack.New(slack.Config{URL: alerttest.Secret(url), Post: alerttest.Post(s.Client())})
		_, err := c.Send(t.Context(), alerttest.Message(alert.Trigger))
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", url, err)
		}
		if f, ok := errors.AsType[*alert.Failure](err); !ok || !strings.HasPrefix(url, s.URL) && f.Fault != alert.Misconfigured {
			t.Errorf("%q: %v", url, err)
		}
	}
}
