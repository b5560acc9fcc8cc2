// Package sinks is the part of the admin API where operators look at the sinks
// of the audit journal, test them and send dead letters again.
package sinks

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
)

const base = "/api/v1/audit/sinks"

// Set is what the API needs; *sink.Set has it.
type Set interface {
	Views() []sink.View
	Test(ctx context.Context, name string) (id string, err error)
	Retry(ctx context.Context, name string) (sink.Retried, error)
}

// Tested is what became of a test.
type Tested struct {
	Sink    string `json:"sink"`
	EventID string `json:"event_id" doc:"Id of the test event, to look for at the other end"`
	Sent    bool   `json:"sent"`
	Error   string `json:"error,omitempty"`
}

// Retried is what became of dead letters.
type Retried struct {
	Sink string `json:"sink"`
	sink.Retried
	Error string `json:"error,omitempty" doc:"Why it ended before the last one"`
}

type named struct {
	Name string `path:"name" maxLength:"64" pattern:"^[a-z0-9_-]+$"`
}

// Group adds the operations to the API.
func Group(set Set) admin.Group {
	return func(api huma.API, s *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "list-sinks", Method: http.MethodGet, Path: base, Summary: "List the sinks of the audit journal, with lag and last error"},
			func(context.Context, *struct{}) (*admin.Body[[]sink.View], error) {
				return &admin.Body[[]sink.View]{Body: set.Views()}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "test-sink", Method: http.MethodPost, Path: base + "/{name}/test", Summary: "Send one marked event through a sink, past its filter and its queue"},
			func(ctx context.Context, in *named) (*admin.Body[Tested], error) {
				id, err := set.Test(ctx, in.Name)
				if errors.Is(err, sink.ErrUnknown) {
					return nil, unknown()
				}
				out := Tested{Sink: in.Name, EventID: id, Sent: err == nil}
				if err != nil {
					out.Error = sink.Explain(err)
				}
				return &admin.Body[Tested]{Body: out}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "retry-sink", Method: http.MethodPost, Path: base + "/{name}/retry", Summary: "Send the dead letters of a sink again"},
			func(ctx context.Context, in *named) (*admin.Body[Retried], error) {
				got, err := set.Retry(ctx, in.Name)
				if errors.Is(err, sink.ErrUnknown) {
					return nil, unknown()
				}
				out := Retried{Sink: in.Name, Retried: got}
				if err != nil {
					out.Error = sink.Explain(err)
				}
				return &admin.Body[Retried]{Body: out}, nil
			})
	}
}

func unknown() error {
	return huma.Error404NotFound("there is no such sink: 'portcullis audit sinks' lists those of the configuration")
}

// List asks for all sinks.
func List(ctx context.Context, c *admin.Client) ([]sink.View, error) {
	return admin.Ask[[]sink.View](ctx, c, http.MethodGet, base, nil)
}

// Test sends one marked event.
func Test(ctx context.Context, c *admin.Client, name string) (Tested, error) {
	return admin.Ask[Tested](ctx, c, http.MethodPost, base+"/"+url.PathEscape(name)+"/test", nil)
}

// Retry sends dead letters again.
func Retry(ctx context.Context, c *admin.Client, name string) (Retried, error) {
	return admin.Ask[Retried](ctx, c, http.MethodPost, base+"/"+url.PathEscape(name)+"/retry", nil)
}
