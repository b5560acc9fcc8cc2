// Package alerts is the part of the admin API where operators look at alerts,
// acknowledge and silence them, and test the channels.
package alerts

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/detect/alert"
)

const (
	alertsPath   = "/api/v1/alerts"
	channelsPath = "/api/v1/alerts/channels"
	testPath     = "/api/v1/alerts/test"
	ackPath      = "/api/v1/alerts/ack"
	silencesPath = "/api/v1/alerts/silences"
)

// Desk is what the API needs. What it changes is stored when it returns.
type Desk interface {
	List(all bool) []alert.View
	Channels() []alert.ChannelView
	Silences() []alert.Silence
	Test(ctx context.Context, channel string) ([]alert.Tested, error)
	Ack(ctx context.Context, id string, by portcullis.Actor) (alert.View, error)
	AddSilence(ctx context.Context, s alert.Silence, by portcullis.Actor) (alert.Silence, error)
	RemoveSilence(ctx context.Context, id string, by portcullis.Actor) (alert.Silence, error)
}

// Ack says which alert somebody looks after.
type Ack struct {
	ID string `json:"id" minLength:"4" maxLength:"64" doc:"Id of an open alert, or its beginning"`
}

// Silence says what is not to wake anybody. All that is given must match.
type Silence struct {
	Type     string    `json:"type,omitempty" maxLength:"300" doc:"Event type"`
	Metric   string    `json:"metric,omitempty" maxLength:"300"`
	Route    string    `json:"route,omitempty" maxLength:"300"`
	Resource string    `json:"resource,omitempty" maxLength:"300"`
	Alert    string    `json:"alert,omitempty" maxLength:"64" doc:"Id of an alert"`
	Until    time.Time `json:"until"`
	Reason   string    `json:"reason" minLength:"1" maxLength:"300" doc:"For the audit log"`
}

// Test says which channel is tested.
type Test struct {
	Channel string `json:"channel,omitempty" maxLength:"64" doc:"Empty = all"`
}

// Group adds the operations to the API.
func Group(desk Desk) admin.Group {
	return func(api huma.API, s *admin.Server) {
		registerAlerts(api, s, desk)
		registerSilences(api, s, desk)
	}
}

func registerAlerts(api huma.API, s *admin.Server, desk Desk) {
	huma.Register(api, huma.Operation{OperationID: "list-alerts", Method: http.MethodGet, Path: alertsPath, Summary: "List alerts: those that are open, or all that are remembered"},
		func(_ context.Context, in *struct {
			All bool `query:"all" doc:"Those that are resolved, too"`
		}) (*admin.Body[[]alert.View], error) {
			return &admin.Body[[]alert.View]{Body: desk.List(in.All)}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "list-alert-channels", Method: http.MethodGet, Path: channelsPath, Summary: "List the channels of alerts, with their last error"},
		func(context.Context, *struct{}) (*admin.Body[[]alert.ChannelView], error) {
			return &admin.Body[[]alert.ChannelView]{Body: desk.Channels()}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "test-alerts", Method: http.MethodPost, Path: testPath, Summary: "Send one marked message through a channel, or through all"},
		func(ctx context.Context, in *admin.Body[Test]) (*admin.Body[[]alert.Tested], error) {
			out, err := desk.Test(ctx, in.Body.Channel)
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[[]alert.Tested]{Body: out}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "acknowledge-alert", Method: http.MethodPost, Path: ackPath, Summary: "Say that somebody looks after an alert: it is not escalated any more"},
		func(ctx context.Context, in *admin.Body[Ack]) (*admin.Body[alert.View], error) {
			out, err := desk.Ack(ctx, in.Body.ID, admin.Actor(ctx))
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[alert.View]{Body: out}, nil
		})
}

func registerSilences(api huma.API, s *admin.Server, desk Desk) {
	huma.Register(api, huma.Operation{OperationID: "list-silences", Method: http.MethodGet, Path: silencesPath, Summary: "List the silences in force"},
		func(context.Context, *struct{}) (*admin.Body[[]alert.Silence], error) {
			return &admin.Body[[]alert.Silence]{Body: desk.Silences()}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "add-silence", Method: http.MethodPost, Path: silencesPath, Summary: "Hold alerts back for a time", DefaultStatus: http.StatusCreated},
		func(ctx context.Context, in *admin.Body[Silence]) (*admin.Body[alert.Silence], error) {
			b := in.Body
			out, err := desk.AddSilence(ctx, alert.Silence{
				Type: b.Type, Metric: b.Metric, Route: b.Route, Resource: b.Resource, Alert: b.Alert, Until: b.Until, Reason: b.Reason,
			}, admin.Actor(ctx))
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[alert.Silence]{Body: out}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "remove-silence", Method: http.MethodDelete, Path: silencesPath + "/{id}", Summary: "End a silence before its time", DefaultStatus: http.StatusOK},
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"64"`
		}) (*admin.Body[alert.Silence], error) {
			out, err := desk.RemoveSilence(ctx, in.ID, admin.Actor(ctx))
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[alert.Silence]{Body: out}, nil
		})
}

func refusal(ctx context.Context, s *admin.Server, err error) error {
	switch {
	case errors.Is(err, alert.ErrNotFound):
		return huma.Error404NotFound(alert.ErrNotFound.Error() + ": 'portcullis alert list', 'alert silence list' and 'alert channels' show them")
	case errors.Is(err, alert.ErrInvalid):
		return huma.Error422UnprocessableEntity(err.Error())
	case errors.Is(err, alert.ErrFull):
		return huma.Error409Conflict(alert.ErrFull.Error())
	}
	return s.Internal(ctx, err)
}

// List asks for alerts.
func List(ctx context.Context, c *admin.Client, all bool) ([]alert.View, error) {
	path := alertsPath
	if all {
		path += "?all=true"
	}
	return admin.Ask[[]alert.View](ctx, c, http.MethodGet, path, nil)
}

// Channels asks for the channels.
func Channels(ctx context.Context, c *admin.Client) ([]alert.ChannelView, error) {
	return admin.Ask[[]alert.ChannelView](ctx, c, http.MethodGet, channelsPath, nil)
}

// Try sends a test.
func Try(ctx context.Context, c *admin.Client, channel string) ([]alert.Tested, error) {
	return admin.Ask[[]alert.Tested](ctx, c, http.MethodPost, testPath, Test{channel})
}

// Acknowledge says that somebody looks after an alert.
func Acknowledge(ctx context.Context, c *admin.Client, id string) (alert.View, error) {
	return admin.Ask[alert.View](ctx, c, http.MethodPost, ackPath, Ack{id})
}

// Silences asks for the silences in force.
func Silences(ctx context.Context, c *admin.Client) ([]alert.Silence, error) {
	return admin.Ask[[]alert.Silence](ctx, c, http.MethodGet, silencesPath, nil)
}

// Hush adds a silence.
func Hush(ctx context.Context, c *admin.Client, s Silence) (alert.Silence, error) {
	return admin.Ask[alert.Silence](ctx, c, http.MethodPost, silencesPath, s)
}

// Unhush ends a silence.
func Unhush(ctx context.Context, c *admin.Client, id string) (alert.Silence, error) {
	return admin.Ask[alert.Silence](ctx, c, http.MethodDelete, silencesPath+"/"+url.PathEscape(id), nil)
}
