package alert_test

import (
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/detect/alert"
)

// TestNotifications: each notification of an incident is an alert of its own,
// and reaches the channels that it names whatever the rules say.
func TestNotifications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		team, person := &double{}, &double{}
		c := settings(spec("team", team), spec("person", person))
		c.Rules = []alert.Rule{{Channels: []string{"team"}}}
		d := start(t, alert.Options{}, c)
		defer d.stop()
		notify := func(text, channels string) {
			d.see(portcullis.Event{
				Type: portcullis.EventIncidentAction, Severity: portcullis.SeverityCritical, Outcome: portcullis.OutcomeSuccess, Action: "notify", Resource: "incident:i1",
				Reason: text, Details: []slog.Attr{slog.String("incident", "i1"), slog.String("channels", channels)},
			})
			settled(time.Second)
		}
		notify("call in", "person nobody")
		notify("it is over", "")
		settled(time.Minute)
		if got, want := team.told(), []string{"trigger CRITICAL Incident: call in", "trigger CRITICAL Incident: it is over"}; !slices.Equal(got, want) {
			t.Errorf("the team hears %q", got)
		}
		if got, want := person.told(), []string{"trigger CRITICAL Incident: call in"}; !slices.Equal(got, want) {
			t.Errorf("the person hears %q", got)
		}
	})
}
