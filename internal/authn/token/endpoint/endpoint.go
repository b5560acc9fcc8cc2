// Package endpoint is sessions over HTTP: a refresh token becomes the next one
// (RFC 6749 section 6), and a token is given up (RFC 7009).
//
// Both stand behind a pipeline that admits anyone: the token in the body is the
// credential, and all that it can do is this.
package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
)

// Paths of the endpoints, and the largest body that makes sense.
const (
	TokenPath  = "/auth/token"
	RevokePath = "/auth/revoke"
	MaxBody    = 16 << 10
)

// Sessions is what the endpoints need; *token.Service has it.
type Sessions interface {
	Refresh(ctx context.Context, text string, by portcullis.Actor) (token.Grant, token.Session, error)
	RevokeByHolder(ctx context.Context, text string, by portcullis.Actor) error
}

// TokenReply is the answer to a login or a refresh (RFC 6749 section 5.1).
type TokenReply struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
	SessionID    string `json:"session_id"` // our addition
}

// NewReply is the answer that gives a grant to its holder.
func NewReply(g token.Grant, scopes []string) TokenReply {
	return TokenReply{
		AccessToken: g.AccessToken, TokenType: "Bearer", ExpiresIn: int64(g.ExpiresIn.Seconds()),
		RefreshToken: g.RefreshToken, Scope: strings.Join(scopes, " "), SessionID: g.SessionID,
	}
}

// refusal is an error of RFC 6749 section 5.2.
type refusal struct {
	status int
	Code   string `json:"error"`
	Text   string `json:"error_description,omitempty"`
}

func invalidRequest(text string) *refusal {
	return &refusal{http.StatusBadRequest, "invalid_request", text}
}

func tryAgain() *refusal {
	return &refusal{http.StatusServiceUnavailable, "temporarily_unavailable", "try again later"}
}

// Token returns the handler of [TokenPath].
func Token(s Sessions, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form, bad := readForm(r)
		if bad == nil {
			bad = checkGrant(form)
		}
		if bad != nil {
			answer(w, log, bad.status, bad)
			return
		}
		g, sn, err := s.Refresh(r.Context(), form.Get("refresh_token"), caller(r))
		switch {
		case err == nil:
			answer(w, log, http.StatusOK, NewReply(g, sn.Scopes))
		case errors.Is(err, token.ErrGrant):
			answer(w, log, http.StatusBadRequest, &refusal{Code: "invalid_grant"})
		default:
			log.ErrorContext(r.Context(), "refreshing a session", "error", err)
			answer(w, log, http.StatusServiceUnavailable, tryAgain())
		}
	})
}

func checkGrant(form url.Values) *refusal {
	switch {
	case form.Get("grant_type") == "":
		return invalidRequest("grant_type is missing")
	case form.Get("grant_type") != "refresh_token":
		return &refusal{http.StatusBadRequest, "unsupported_grant_type", "want refresh_token"}
	case form.Get("refresh_token") == "":
		return invalidRequest("refresh_token is missing")
	case form.Get("scope") != "":
		return &refusal{http.StatusBadRequest, "invalid_scope", "the scopes of a session do not change"}
	}
	return nil
}

// Revoke returns the handler of [RevokePath]. Unknown tokens are answered like
// others, so that nobody can find out which exist (RFC 7009 section 2.2).
func Revoke(s Sessions, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form, bad := readForm(r)
		if bad == nil && form.Get("token") == "" {
			bad = invalidRequest("token is missing")
		}
		if bad != nil {
			answer(w, log, bad.status, bad)
			return
		}
		if err := s.RevokeByHolder(r.Context(), form.Get("token"), caller(r)); err != nil {
			log.ErrorContext(r.Context(), "revoking a token", "error", err)
			answer(w, log, http.StatusServiceUnavailable, tryAgain())
			return
		}
		answer(w, log, http.StatusOK, struct{}{})
	})
}

// readForm reads the parameters of the body, never those of the URL, where
// tokens end up in logs. A parameter that is there twice is refused (RFC 6749
// section 3.2).
func readForm(r *http.Request) (url.Values, *refusal) {
	if r.URL.RawQuery != "" {
		return nil, invalidRequest("parameters belong in the body")
	}
	types := r.Header["Content-Type"]
	if len(types) != 1 {
		return nil, invalidRequest("want one Content-Type")
	}
	media, _, err := mime.ParseMediaType(types[0])
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, invalidRequest("want application/x-www-form-urlencoded")
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil || len(b) > MaxBody {
		return nil, invalidRequest("the body cannot be read")
	}
	form, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, invalidRequest("the body is not a form")
	}
	for _, values := range form {
		if len(values) > 1 {
			return nil, invalidRequest("a parameter is there twice")
		}
	}
	return form, nil
}

// caller is who is known before a token is read.
func caller(r *http.Request) portcullis.Actor {
	var by portcullis.Actor
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		by.IP = from.Addr()
	}
	return by
}

func answer(w http.ResponseWriter, log *slog.Logger, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		log.Debug("answering about a token", "error", err)
	}
}
