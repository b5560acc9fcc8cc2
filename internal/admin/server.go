package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
)

// Keys is what the API needs of key management; *apikey.Service has it.
type Keys interface {
	Create(ctx context.Context, req apikey.CreateRequest) (apikey.Created, error)
	List(ctx context.Context, page apikey.Page) ([]apikey.View, error)
	Show(ctx context.Context, id string) (apikey.View, error)
	Revoke(ctx context.Context, id, reason string, by portcullis.Actor) (apikey.View, error)
	Verify(ctx context.Context, text string) (apikey.Verification, error)
	Rotate(ctx context.Context, id string, o apikey.RotateOptions) (apikey.Rotated, error)
	RotateDue(ctx context.Context, by portcullis.Actor) ([]apikey.Rotated, error)
	RotateAll(ctx context.Context, o apikey.RotateOptions) ([]apikey.Rotated, error)
}

// Process is what the API needs of the running gateway.
type Process interface {
	Status(ctx context.Context) Status
	Maintenance() Maintenance
	SetMaintenance(ctx context.Context, m Maintenance, by portcullis.Actor) error
	Pipeline() []gateway.RoutePipeline
	Config() (map[string]any, error) // secrets masked
	Reload(ctx context.Context) (Reloaded, error)
}

// Status is what the gateway says of itself.
type Status struct {
	Version     string       `json:"version" doc:"Version of the binary"`
	StartedAt   string       `json:"started_at" doc:"RFC 3339, UTC"`
	URL         string       `json:"url,omitempty" doc:"Public listener; empty when only the command line is served"`
	AdminURL    string       `json:"admin_url,omitempty" doc:"Admin listener"`
	Ready       bool         `json:"ready"`
	Failing     []string     `json:"failing,omitempty" doc:"Parts that are not ready"`
	Maintenance Maintenance  `json:"maintenance"`
	Routes      []RouteState `json:"routes"`
}

// RouteState is one route as it is served.
type RouteState struct {
	Name     string `json:"name"`
	Path     string `json:"path"`
	Upstream string `json:"upstream"`
}

// Maintenance is the state of the maintenance switch.
type Maintenance struct {
	On         bool   `json:"on"`
	Reason     string `json:"reason,omitempty" maxLength:"200" doc:"For the audit log; callers do not see it"`
	RetryAfter int    `json:"retry_after_seconds,omitempty" minimum:"0" maximum:"86400" doc:"Sent to callers as Retry-After"`
}

// Reloaded is the result of a reload.
type Reloaded struct {
	Changed []string `json:"changed" doc:"Fields that changed"`
}

// Group adds the operations of one feature to the API. Groups of features live
// in packages of their own below this one, with the calls of their clients.
type Group func(api huma.API, s *Server)

// New returns the handler of the API.
func New(version string, log *slog.Logger, metrics http.Handler, groups ...Group) http.Handler {
	mux := http.NewServeMux()
	conf := huma.DefaultConfig("Portcullis admin API", version)
	conf.OpenAPIPath, conf.DocsPath, conf.SchemasPath = "/api/v1/openapi", "", ""
	conf.CreateHooks = nil // no $schema members in replies
	conf.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	api := humago.New(mux, conf)
	s := &Server{log}
	for _, add := range groups {
		add(api, s)
	}
	mux.Handle("GET /metrics", metrics)
	return mux
}

// schemaName names a type in the description of the API: with its package, as
// more than one has a View.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	pkg := path.Base(t.PkgPath())
	if t.Name() == "" || t.PkgPath() == "" || pkg == "admin" || strings.HasPrefix(t.Name(), "Body[") {
		return name
	}
	return strings.ToUpper(pkg[:1]) + pkg[1:] + name
}

// KeyGroup adds the management of API keys.
func KeyGroup(keys Keys, notices Notices) Group {
	return func(api huma.API, s *Server) {
		s.registerKeys(api, keys)
		s.registerRotation(api, keys, notices)
	}
}

// ProcessGroup adds the state of the running gateway.
func ProcessGroup(p Process) Group {
	return func(api huma.API, s *Server) { s.registerProcess(api, p) }
}

// Server is what groups share.
type Server struct{ log *slog.Logger }

// Internal logs a failure and tells the caller nothing of it.
func (s *Server) Internal(ctx context.Context, err error) error {
	s.log.ErrorContext(ctx, "admin call failed", "error", err)
	return huma.Error500InternalServerError("internal error")
}

// Actor is the principal on whose behalf the call runs.
func Actor(ctx context.Context) portcullis.Actor {
	who := gateway.PrincipalFrom(ctx)
	return portcullis.Actor{ID: who.ID, Method: who.Method, KeyID: who.KeyID}
}

type keyID struct {
	ID string `path:"id" minLength:"32" maxLength:"32" pattern:"^[0-9a-f]{32}$" doc:"Id of the key"`
}

// Body is a request or reply with a body.
type Body[T any] struct{ Body T }

func (s *Server) registerKeys(api huma.API, keys Keys) {
	huma.Register(api, huma.Operation{OperationID: "create-key", Method: http.MethodPost, Path: "/api/v1/keys", Summary: "Create a key; the reply is the only place that shows it", DefaultStatus: http.StatusCreated},
		func(ctx context.Context, in *Body[CreateKey]) (*Body[apikey.Revealed], error) {
			req, err := in.Body.request()
			if err != nil {
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
			req.By = Actor(ctx)
			made, err := keys.Create(ctx, req)
			if err != nil {
				return nil, s.keyError(ctx, err)
			}
			return &Body[apikey.Revealed]{made.Reveal()}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "list-keys", Method: http.MethodGet, Path: "/api/v1/keys", Summary: "List keys, oldest first"},
		func(ctx context.Context, in *struct {
			After string `query:"after" doc:"Id of the last key seen"`
			Limit int    `query:"limit" minimum:"0" maximum:"10000" doc:"0 = all"`
		}) (*Body[[]apikey.View], error) {
			list, err := keys.List(ctx, apikey.Page{After: in.After, Limit: in.Limit})
			if err != nil {
				return nil, s.keyError(ctx, err)
			}
			if list == nil {
				list = []apikey.View{}
			}
			return &Body[[]apikey.View]{list}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "show-key", Method: http.MethodGet, Path: "/api/v1/keys/{id}", Summary: "Show a key"},
		func(ctx context.Context, in *keyID) (*Body[apikey.View], error) {
			v, err := keys.Show(ctx, in.ID)
			if err != nil {
				return nil, s.keyError(ctx, err)
			}
			return &Body[apikey.View]{v}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "revoke-key", Method: http.MethodPost, Path: "/api/v1/keys/{id}/revoke", Summary: "Revoke a key, at once and for ever"},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" minLength:"32" maxLength:"32" pattern:"^[0-9a-f]{32}$" doc:"Id of the key"`
			Body struct {
				Reason string `json:"reason" maxLength:"200" required:"false"`
			}
		}) (*Body[apikey.View], error) {
			v, err := keys.Revoke(ctx, in.ID, in.Body.Reason, Actor(ctx))
			if err != nil {
				return nil, s.keyError(ctx, err)
			}
			return &Body[apikey.View]{v}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "verify-key", Method: http.MethodPost, Path: "/api/v1/keys/verify", Summary: "Say whether a key would be accepted, without using it"},
		func(ctx context.Context, in *Body[struct {
			Key string `json:"key" maxLength:"200"`
		}]) (*Body[apikey.Verification], error) {
			v, err := keys.Verify(ctx, in.Body.Key)
			if err != nil {
				return nil, s.keyError(ctx, err)
			}
			return &Body[apikey.Verification]{v}, nil
		})
}

func (s *Server) keyError(ctx context.Context, err error) error {
	var done *apikey.RotatedError
	switch {
	case errors.As(err, &done):
		return huma.Error409Conflict(done.Error())
	case errors.Is(err, apikey.ErrNotFound):
		return huma.Error404NotFound("no such key")
	case errors.Is(err, apikey.ErrInvalid):
		return huma.Error422UnprocessableEntity(err.Error())
	case errors.Is(err, apikey.ErrConflict):
		return huma.Error409Conflict("the key was changed meanwhile")
	}
	return s.Internal(ctx, err)
}

func (s *Server) registerProcess(api huma.API, p Process) {
	huma.Register(api, huma.Operation{OperationID: "status", Method: http.MethodGet, Path: "/api/v1/status", Summary: "What is running"},
		func(ctx context.Context, _ *struct{}) (*Body[Status], error) {
			return &Body[Status]{p.Status(ctx)}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "pipeline", Method: http.MethodGet, Path: "/api/v1/pipeline", Summary: "The guards of each route, in order"},
		func(context.Context, *struct{}) (*Body[[]gateway.RoutePipeline], error) {
			return &Body[[]gateway.RoutePipeline]{p.Pipeline()}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "config", Method: http.MethodGet, Path: "/api/v1/config", Summary: "The configuration in force, secrets masked"},
		func(ctx context.Context, _ *struct{}) (*Body[map[string]any], error) {
			c, err := p.Config()
			if err != nil {
				return nil, s.Internal(ctx, err)
			}
			return &Body[map[string]any]{c}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "reload", Method: http.MethodPost, Path: "/api/v1/config/reload", Summary: "Read the configuration file again"},
		func(ctx context.Context, _ *struct{}) (*Body[Reloaded], error) {
			r, err := p.Reload(ctx)
			if err != nil {
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
			return &Body[Reloaded]{r}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "get-maintenance", Method: http.MethodGet, Path: "/api/v1/maintenance", Summary: "State of the maintenance switch"},
		func(context.Context, *struct{}) (*Body[Maintenance], error) {
			return &Body[Maintenance]{p.Maintenance()}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "set-maintenance", Method: http.MethodPut, Path: "/api/v1/maintenance", Summary: "Refuse all calls with 503, or take them again"},
		func(ctx context.Context, in *Body[Maintenance]) (*Body[Maintenance], error) {
			if err := p.SetMaintenance(ctx, in.Body, Actor(ctx)); err != nil {
				return nil, s.Internal(ctx, err)
			}
			return &Body[Maintenance]{p.Maintenance()}, nil
		})
}
