package detect

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

func channelNamed(name, kind string) AlertChannel {
	c := DefaultAlertChannel()
	c.Name, c.Type = name, kind
	return c
}

func TestChannelNeedsWhatItNeeds(t *testing.T) {
	for kind, want := range map[string]string{
		PagerDuty: "routing_key: needed", Slack: "webhook: needed", StatsD: "address: needed", Webhook: "secret: needed", Email: "to: needed",
	} {
		if err := channelNamed("a", kind).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	c := channelNamed("A", Slack)
	c.Webhook, c.Password = "secret://env/X", "secret://env/Y"
	err := c.Validate()
	for _, want := range []string{"name: ", "password: has no effect"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if n := len(c.References()); n != 2 {
		t.Errorf("%d references", n)
	}
}

func TestAlertsNameTheirChannels(t *testing.T) {
	a := DefaultAlerts()
	a.Events = []string{"ALERT_FAILED", "no event"}
	a.Channels = []AlertChannel{channelNamed("x", Slack), channelNamed("x", Slack), channelNamed("s", StatsD)}
	r := DefaultAlertRoute()
	r.Channels, r.Escalate = []string{"nobody", "s"}, []string{"nowhere"}
	a.Routes = []AlertRoute{r}
	err := a.Validate()
	for _, want := range []string{
		"events[0]: \"ALERT_FAILED\": there are no alerts about alerts", "events[1]: ", "channel[1].name: \"x\": channel[0] has it too",
		"route[0].channels[0]: \"nobody\"", "route[0].channels[1]: \"s\": counts all", "route[0].escalate[0]: \"nowhere\"",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestWhatIsNotSaid(t *testing.T) {
	for kind, want := range map[string]struct {
		severity portcullis.Severity
		perHour  int
		address  string
	}{PagerDuty: {portcullis.SeverityCritical, 30, "h:587"}, StatsD: {portcullis.SeverityWarn, 30, "h:8125"}, Email: {portcullis.SeverityWarn, 10, "h:587"}} {
		c := channelNamed("a", kind)
		c.Address = "h"
		if c.Severity() != want.severity || c.PerHour() != want.perHour || c.HostPort() != want.address {
			t.Errorf("%s: %s %d %s", kind, c.Severity(), c.PerHour(), c.HostPort())
		}
	}
	c := channelNamed("a", StatsD)
	for in, out := range map[string]string{"h:9": "h:9", "::1": "[::1]:8125", "[::1]": "[::1]:8125", "[::1]:9": "[::1]:9"} {
		if c.Address = in; c.HostPort() != out {
			t.Errorf("%q is %q", in, c.HostPort())
		}
	}
}
