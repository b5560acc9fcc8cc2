// Package tokens is the part of the administration API that lists and revokes
// sessions and issues access tokens, and the calls of its clients.
package tokens

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/authn/token/endpoint"
)

// Sessions is what the API needs; *token.Service has it.
type Sessions interface {
	List(ctx context.Context, subject string) ([]token.SessionView, error)
	Issue(ctx context.Context, i token.Issue) (token.Grant, error)
	Revoke(ctx context.Context, id, reason string, by portcullis.Actor) (kind string, err error)
	RevokeSubject(ctx context.Context, subject, reason string, by portcullis.Actor) (int, error)
	RevokeAll(ctx context.Context, reason string, by portcullis.Actor) (int, error)
}

// IssueToken asks for an access token.
type IssueToken struct {
	Subject string   `json:"subject" minLength:"1" maxLength:"255" doc:"Principal the token speaks for"`
	Name    string   `json:"name,omitempty" maxLength:"255" doc:"For people"`
	Scopes  []string `json:"scopes,omitempty" maxItems:"256" doc:"tools:NAME, tools:*, prompts:…, resources:…"`
	Roles   []string `json:"roles,omitempty" maxItems:"256"`
	TTL     string   `json:"ttl,omitempty" doc:"Life such as 10m; empty = 15m, or identity.session.issue_ttl_max if that is less"`
}

// RevokeTokens says what to revoke: one of id, subject and all.
type RevokeTokens struct {
	ID      string `json:"id,omitempty" maxLength:"512" doc:"Of a session, or the jti of a token"`
	Subject string `json:"subject,omitempty" maxLength:"255" doc:"All sessions of this principal"`
	All     bool   `json:"all,omitempty" doc:"Every session of this gateway"`
	Reason  string `json:"reason,omitempty" maxLength:"200" doc:"For the audit log"`
}

// RevokedTokens says what was revoked.
type RevokedTokens struct {
	ID      string `json:"id,omitempty"`
	Kind    string `json:"kind" enum:"session,token" doc:"token: one of another issuer"`
	Subject string `json:"subject,omitempty"`
	Count   int    `json:"count"`
}

const (
	path       = "/api/v1/tokens"
	revokePath = path + "/revoke"
)

// Group adds sessions and tokens to the API.
func Group(sessions Sessions) admin.Group {
	return func(api huma.API, s *admin.Server) {
		h := handlers{sessions, s}
		huma.Register(api, huma.Operation{OperationID: "list-tokens", Method: http.MethodGet, Path: path, Summary: "List sessions and issued tokens that may be used now, oldest first"}, h.list)
		huma.Register(api, huma.Operation{OperationID: "issue-token", Method: http.MethodPost, Path: path, Summary: "Issue an access token; the reply is the only place that shows it", DefaultStatus: http.StatusCreated}, h.issue)
		huma.Register(api, huma.Operation{OperationID: "revoke-tokens", Method: http.MethodPost, Path: revokePath, Summary: "Revoke sessions with their tokens, or the token of another issuer, at once and for ever"}, h.revoke)
	}
}

type handlers struct {
	sessions Sessions
	server   *admin.Server
}

func (h handlers) list(ctx context.Context, in *struct {
	Subject string `query:"subject" maxLength:"255" doc:"Only those of this principal"`
}) (*admin.Body[[]token.SessionView], error) {
	list, err := h.sessions.List(ctx, in.Subject)
	if err != nil {
		return nil, h.fail(ctx, err)
	}
	return &admin.Body[[]token.SessionView]{Body: list}, nil
}

func (h handlers) issue(ctx context.Context, in *admin.Body[IssueToken]) (*admin.Body[endpoint.TokenReply], error) {
	req := token.Issue{Subject: in.Body.Subject, Name: in.Body.Name, Roles: in.Body.Roles, Scopes: in.Body.Scopes, By: admin.Actor(ctx)}
	if in.Body.TTL != "" {
		ttl, err := time.ParseDuration(in.Body.TTL)
		if err != nil || ttl <= 0 {
			return nil, huma.Error422UnprocessableEntity(`ttl: want a duration such as "10m"`)
		}
		req.TTL = ttl
	}
	g, err := h.sessions.Issue(ctx, req)
	if err != nil {
		return nil, h.fail(ctx, err)
	}
	return &admin.Body[endpoint.TokenReply]{Body: endpoint.NewReply(g, req.Scopes)}, nil
}

func (h handlers) revoke(ctx context.Context, in *admin.Body[RevokeTokens]) (*admin.Body[RevokedTokens], error) {
	r, by := in.Body, admin.Actor(ctx)
	out := RevokedTokens{ID: r.ID, Subject: r.Subject, Kind: token.KindSession, Count: 1}
	var err error
	switch {
	case r.ID != "" && r.Subject == "" && !r.All:
		out.Kind, err = h.sessions.Revoke(ctx, r.ID, r.Reason, by)
	case r.Subject != "" && r.ID == "" && !r.All:
		out.Count, err = h.sessions.RevokeSubject(ctx, r.Subject, r.Reason, by)
	case r.All && r.ID == "" && r.Subject == "":
		out.Count, err = h.sessions.RevokeAll(ctx, r.Reason, by)
	default:
		return nil, huma.Error422UnprocessableEntity("want one of id, subject and all")
	}
	if err != nil {
		return nil, h.fail(ctx, err)
	}
	return &admin.Body[RevokedTokens]{Body: out}, nil
}

func (h handlers) fail(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, token.ErrInvalid):
		return huma.Error422UnprocessableEntity(err.Error())
	case errors.Is(err, token.ErrOff):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, token.ErrNotFound):
		return huma.Error404NotFound("no such session")
	}
	return h.server.Internal(ctx, err)
}

// List lists sessions: all, or those of a subject.
func List(ctx context.Context, c *admin.Client, subject string) ([]token.SessionView, error) {
	return admin.Ask[[]token.SessionView](ctx, c, http.MethodGet, path+"?subject="+url.QueryEscape(subject), nil)
}

// Give issues an access token; the result shows it.
func Give(ctx context.Context, c *admin.Client, i IssueToken) (endpoint.TokenReply, error) {
	return admin.Ask[endpoint.TokenReply](ctx, c, http.MethodPost, path, i)
}

// End revokes.
func End(ctx context.Context, c *admin.Client, r RevokeTokens) (RevokedTokens, error) {
	return admin.Ask[RevokedTokens](ctx, c, http.MethodPost, revokePath, r)
}
