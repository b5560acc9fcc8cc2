package detect

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/detect/alert"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/email"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// Types of channels.
const (
	PagerDuty = "pagerduty"
	Slack     = "slack"
	StatsD    = "statsd"
	Webhook   = "webhook"
	Email     = "email"
)

// Alerts is [detect.alerts].
type Alerts struct {
	Events      []string       `toml:"events" list:"text" example:"[\"API_KEY_USED_AFTER_ROTATION\"]" doc:"Events that make alerts beside those that always do: anomalies, incidents, secrets that are not rotated, a damaged audit log, sinks that fail, tools that changed, duties that are due."`
	GroupBy     []string       `toml:"group_by" list:"text" enum:"type|metric|route|resource|subject|severity" doc:"What is the same in all of these is one alert, if it comes within group_window."`
	GroupWindow time.Duration  `toml:"group_window" doc:"How long after its beginning others join an alert. \"0s\" is never."`
	Settle      time.Duration  `toml:"settle" doc:"How long something must be over until that is told."`
	Forget      time.Duration  `toml:"forget" doc:"Alerts about what has no end are resolved when nothing came for so long."`
	GiveUp      time.Duration  `toml:"give_up" doc:"How long a message is tried."`
	Channels    []AlertChannel `toml:"channel" doc:"A way to people. Repeat the table for each one. Without any there are no alerts."`
	Routes      []AlertRoute   `toml:"route" doc:"Which channels hear of what. The first that matches decides; what none matches goes to all channels."`
}

// AlertChannel is [[detect.alerts.channel]].
type AlertChannel struct {
	Name        string        `toml:"name" required:"true" example:"\"on-call\"" doc:"Name in routes, logs, metrics and commands: small letters, digits, dashes and underscores."`
	Type        string        `toml:"type" required:"true" enum:"pagerduty|slack|statsd|webhook|email" example:"\"pagerduty\"" doc:"Kind of server."`
	MinSeverity string        `toml:"min_severity" enum:"auto|INFO|WARN|ERROR|CRITICAL" doc:"Not what is less. auto is CRITICAL for pagerduty, WARN for the others."`
	MaxPerHour  int64         `toml:"max_per_hour" doc:"Messages that begin something; critical alerts have as many of their own. What is above goes into one message about all of it. 0 is 10 for email, 30 for the others."`
	Timeout     time.Duration `toml:"timeout" doc:"How long one message may take."`
	Personal    bool          `toml:"personal" doc:"Whether messages name the caller. Else they hold the name that stands in the sealed audit log."`

	URL        string   `toml:"url" example:"\"https://hooks.example.com/alerts\"" doc:"For webhook: where alerts are posted. For pagerduty: in place of https://events.pagerduty.com/v2/enqueue."`
	RoutingKey string   `toml:"routing_key" secret:"true" example:"\"secret://env/PAGERDUTY_ROUTING_KEY\"" doc:"For pagerduty: reference to the routing key of the service's integration."`
	Webhook    string   `toml:"webhook" secret:"true" example:"\"secret://env/SLACK_WEBHOOK_URL\"" doc:"For slack: reference to the address of the incoming webhook."`
	Room       string   `toml:"room" example:"\"#alerts\"" doc:"For slack: where it is shown, if the webhook leaves the choice."`
	Secret     string   `toml:"secret" secret:"true" example:"\"secret://env/ALERT_WEBHOOK_SECRET\"" doc:"For webhook: reference to the shared secret of the signature, at least 32 characters."`
	Token      string   `toml:"token" secret:"true" example:"\"secret://env/ALERT_WEBHOOK_TOKEN\"" doc:"For webhook: reference to a bearer token."`
	Address    string   `toml:"address" example:"\"${STATSD_HOST}:8125\"" doc:"For statsd and email: host and port. Without a port 8125 for statsd, 587 for email."`
	Prefix     string   `toml:"prefix" doc:"For statsd: before the names of counters."`
	Tags       []string `toml:"tags" list:"text" example:"[\"env:production\"]" doc:"For statsd: tags in the way of DogStatsD. None is plain StatsD."`
	From       string   `toml:"from" example:"\"portcullis@example.com\"" doc:"For email: sender."`
	To         []string `toml:"to" list:"text" example:"[\"ops@example.com\"]" doc:"For email: who gets it."`
	Username   string   `toml:"username" example:"\"portcullis\"" doc:"For email: who logs in at the server."`
	Password   string   `toml:"password" secret:"true" example:"\"secret://env/SMTP_PASSWORD\"" doc:"For email: reference to the password."`
	TLS        string   `toml:"tls" enum:"starttls|implicit" doc:"For email: how encryption begins. A server that is not on this machine must offer it."`
	CA         string   `toml:"ca" example:"\"/etc/portcullis/alerts-ca.pem\"" doc:"PEM file of the roots to trust instead of the system's."`
}

// AlertRoute is [[detect.alerts.route]].
type AlertRoute struct {
	Types       []string      `toml:"types" list:"text" example:"[\"ANOMALY_DETECTED\"]" doc:"Only these events."`
	MinSeverity string        `toml:"min_severity" enum:"INFO|WARN|ERROR|CRITICAL" doc:"Not what is less."`
	Routes      []string      `toml:"routes" list:"text" example:"[\"files\"]" doc:"Only what is about these routes of the gateway."`
	Principals  []string      `toml:"principals" list:"text" example:"[\"user:alice\"]" doc:"Only what these callers did."`
	Metrics     []string      `toml:"metrics" list:"text" example:"[\"bytes_out\"]" doc:"Only anomalies of these metrics."`
	Channels    []string      `toml:"channels" list:"text" required:"true" example:"[\"on-call\", \"team\"]" doc:"Who hears of it. [] is nobody."`
	Escalate    []string      `toml:"escalate" list:"text" example:"[\"lead\"]" doc:"Channels that are asked one after the other while nobody acknowledges a critical alert."`
	After       time.Duration `toml:"escalate_after" doc:"How long each time."`
	Continue    bool          `toml:"continue" doc:"Routes below are looked at too."`
}

// DefaultAlerts returns the defaults of [detect.alerts].
func DefaultAlerts() Alerts {
	return Alerts{
		GroupBy: alert.DefaultGroupBy(), GroupWindow: alert.DefaultGroupWindow, Settle: alert.DefaultSettle,
		Forget: alert.DefaultForget, GiveUp: alert.DefaultGiveUp,
	}
}

// DefaultAlertChannel returns the defaults of [[detect.alerts.channel]].
func DefaultAlertChannel() AlertChannel {
	return AlertChannel{MinSeverity: "auto", Timeout: alert.DefaultTimeout, Prefix: "mcp.anomaly.", TLS: "starttls"}
}

// DefaultAlertRoute returns the defaults of [[detect.alerts.route]].
func DefaultAlertRoute() AlertRoute {
	return AlertRoute{MinSeverity: "INFO", After: 15 * time.Minute}
}

// Severity returns the least severity that a channel is told of.
func (c AlertChannel) Severity() portcullis.Severity {
	switch {
	case c.MinSeverity != "auto":
		return portcullis.Severity(c.MinSeverity)
	case c.Type == PagerDuty:
		return portcullis.SeverityCritical
	}
	return portcullis.SeverityWarn
}

// PerHour returns how many messages may begin something in an hour.
func (c AlertChannel) PerHour() int {
	switch {
	case c.MaxPerHour > 0:
		return int(c.MaxPerHour)
	case c.Type == Email:
		return 10
	}
	return 30
}

// HostPort returns the address with its port.
func (c AlertChannel) HostPort() string {
	if _, _, err := net.SplitHostPort(c.Address); err == nil {
		return c.Address
	}
	port := "587"
	if c.Type == StatsD {
		port = "8125"
	}
	return net.JoinHostPort(strings.Trim(c.Address, "[]"), port)
}

// References lists the secret references of a channel.
func (c AlertChannel) References() []secrets.Reference {
	var out []secrets.Reference
	for _, r := range []secrets.Reference{
		{Field: "routing_key", Text: c.RoutingKey}, {Field: "webhook", Text: c.Webhook}, {Field: "secret", Text: c.Secret},
		{Field: "token", Text: c.Token}, {Field: "password", Text: c.Password},
	} {
		if r.Text != "" {
			out = append(out, r)
		}
	}
	return out
}

// alertNeeds says which settings a type must have, and which others it can have.
func alertNeeds(kind string) (must, may []string) {
	switch kind {
	case PagerDuty:
		return []string{"routing_key"}, []string{"url", "ca"}
	case Slack:
		return []string{"webhook"}, []string{"room", "ca"}
	case StatsD:
		return []string{"address"}, []string{"prefix", "tags"}
	case Webhook:
		return []string{"url", "secret"}, []string{"token", "ca"}
	case Email:
		return []string{"address", "from", "to"}, []string{"username", "password", "tls", "ca"}
	}
	return nil, nil
}

func (c AlertChannel) given() [][2]any {
	d := DefaultAlertChannel()
	return [][2]any{
		{"url", c.URL != ""}, {"routing_key", c.RoutingKey != ""}, {"webhook", c.Webhook != ""}, {"room", c.Room != ""}, {"secret", c.Secret != ""},
		{"token", c.Token != ""}, {"address", c.Address != ""}, {"prefix", c.Prefix != d.Prefix}, {"tags", len(c.Tags) > 0}, {"from", c.From != ""},
		{"to", len(c.To) > 0}, {"username", c.Username != ""}, {"password", c.Password != ""}, {"tls", c.TLS != d.TLS}, {"ca", c.CA != ""},
	}
}

// Validate checks one channel.
func (c AlertChannel) Validate() error {
	var errs []error
	if c.Name == "" || len(c.Name) > 64 || strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		errs = append(errs, fmt.Errorf("name: %q: want up to 64 small letters, digits, dashes and underscores", c.Name))
	}
	must, may := alertNeeds(c.Type)
	for _, g := range c.given() {
		name, on := g[0].(string), g[1].(bool) //nolint:forcetypeassert // made above
		switch {
		case slices.Contains(must, name) && !on:
			errs = append(errs, fmt.Errorf("%s: needed for type = %q", name, c.Type))
		case on && !slices.Contains(must, name) && !slices.Contains(may, name) && must != nil:
			errs = append(errs, fmt.Errorf("%s: has no effect with type = %q", name, c.Type))
		}
	}
	for _, r := range c.References() {
		if _, err := source.Parse(r.Text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.Field, err))
		}
	}
	if c.MaxPerHour < 0 || c.MaxPerHour > 3600 {
		errs = append(errs, fmt.Errorf("max_per_hour: %d: want 0 to 3600", c.MaxPerHour))
	}
	errs = append(errs, field.Between("timeout", c.Timeout, time.Second, 2*time.Minute), c.checkPlace(), c.checkStatsD(), c.checkMail())
	return errors.Join(errs...)
}

func (c AlertChannel) checkPlace() error {
	if c.URL != "" {
		if err := alert.CheckURL(c.URL); err != nil {
			return fmt.Errorf("url: %w", err)
		}
	}
	if c.Address != "" {
		host, port, err := net.SplitHostPort(c.HostPort())
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || perr != nil || n == 0 || strings.ContainsAny(host, "/ @?#") {
			return fmt.Errorf("address: %q: want a host, or a host and a port", c.Address)
		}
	}
	if len(c.Room) > 80 || strings.ContainsFunc(c.Room, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("room: %q: want a name such as \"#alerts\"", c.Room)
	}
	return nil
}

func (c AlertChannel) checkStatsD() error {
	var errs []error
	plain := func(s, also string) bool {
		return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."+also) == ""
	}
	if len(c.Prefix) > 100 || !plain(c.Prefix, "") {
		errs = append(errs, fmt.Errorf("prefix: %q: want letters, digits, dashes, underscores and dots", c.Prefix))
	}
	for i, t := range c.Tags {
		if t == "" || len(t) > 100 || !plain(t, ":/") {
			errs = append(errs, fmt.Errorf("tags[%d]: %q: want a tag such as \"env:production\"", i, t))
		}
	}
	if len(c.Tags) > 20 {
		errs = append(errs, errors.New("tags: want at most 20"))
	}
	return errors.Join(errs...)
}

func (c AlertChannel) checkMail() error {
	if c.Type != Email {
		return nil
	}
	var errs []error
	if c.From != "" {
		if _, err := email.ParseAddress(c.From); err != nil {
			errs = append(errs, fmt.Errorf("from: %w", err))
		}
	}
	for i, to := range c.To {
		if _, err := email.ParseAddress(to); err != nil {
			errs = append(errs, fmt.Errorf("to[%d]: %w", i, err))
		}
	}
	if len(c.To) > 50 {
		errs = append(errs, errors.New("to: want at most 50 addresses: give that of a list"))
	}
	if (c.Username == "") != (c.Password == "") {
		errs = append(errs, errors.New("username: it goes together with password"))
	}
	return errors.Join(errs...)
}

// Validate checks one route.
func (r AlertRoute) Validate() error {
	errs := []error{eventNames("types", r.Types), field.Between("escalate_after", r.After, time.Minute, 24*time.Hour)}
	if len(r.Escalate) > 10 {
		errs = append(errs, errors.New("escalate: want at most 10 channels"))
	}
	return errors.Join(errs...)
}

func eventNames(name string, list []string) error {
	var errs []error
	for i, t := range list {
		switch {
		case t == "" || strings.Trim(t, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "":
			errs = append(errs, fmt.Errorf("%s[%d]: %q: want the name of an event, such as ANOMALY_DETECTED", name, i, t))
		case strings.HasPrefix(t, "ALERT_"):
			errs = append(errs, fmt.Errorf("%s[%d]: %q: there are no alerts about alerts", name, i, t))
		}
	}
	return errors.Join(errs...)
}

// Validate checks [detect.alerts].
func (a Alerts) Validate() error {
	errs := []error{
		eventNames("events", a.Events),
		field.Between("group_window", a.GroupWindow, 0, 24*time.Hour), field.Between("settle", a.Settle, 0, time.Hour),
		field.Between("forget", a.Forget, time.Minute, 30*24*time.Hour), field.Between("give_up", a.GiveUp, time.Minute, 7*24*time.Hour),
	}
	names := map[string]int{}
	for i, c := range a.Channels {
		if first, ok := names[c.Name]; ok {
			errs = append(errs, fmt.Errorf("channel[%d].name: %q: channel[%d] has it too", i, c.Name, first))
		}
		names[c.Name] = i
	}
	for i, r := range a.Routes {
		for list, channels := range map[string][]string{"channels": r.Channels, "escalate": r.Escalate} {
			for k, name := range channels {
				at := fmt.Sprintf("route[%d].%s[%d]", i, list, k)
				if c, ok := names[name]; !ok {
					errs = append(errs, fmt.Errorf("%s: %q: there is no such channel", at, name))
				} else if a.Channels[c].Type == StatsD {
					errs = append(errs, fmt.Errorf("%s: %q: counts all anomalies, whatever routes say", at, name))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// Rules returns the routes as the engine takes them.
func (a Alerts) Rules() []alert.Rule {
	var out []alert.Rule
	for _, r := range a.Routes {
		out = append(out, alert.Rule{
			Types: types(r.Types), Severity: portcullis.Severity(r.MinSeverity), Routes: r.Routes, Principals: r.Principals, Metrics: r.Metrics,
			Channels: r.Channels, Escalate: r.Escalate, After: r.After, Continue: r.Continue,
		})
	}
	return out
}

// Types returns the events that make alerts.
func (a Alerts) Types() []portcullis.EventType { return append(alert.Defaults(), types(a.Events)...) }

func types(names []string) []portcullis.EventType {
	var out []portcullis.EventType
	for _, n := range names {
		out = append(out, portcullis.EventType(n))
	}
	return out
}
