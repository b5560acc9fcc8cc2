// Package login is POST /auth/login: a name and a password in, a session out.
//
// The credential is the body, so the authenticator parses it, with a reader of
// its own: small, bounded, strict. What is wrong with a login is refused like
// any other call, with answer and event in one place; the handler runs only for
// who proved the password.
package login

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/authn/challenge"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/authn/token/endpoint"
	"github.com/portcullis-dev/portcullis/internal/protocol/problem"
)

// Path is where people and programs log in.
const Path = "/auth/login"

const (
	name = "login"
	// rate bounds each address, good logins and bad.
	rate    = "60/1m per address"
	maxBody = 8 << 10
)

// Users checks passwords; *basic.Service has it.
type Users interface {
	Check(ctx context.Context, a basic.Attempt) (portcullis.Principal, error)
	Current(ctx context.Context, who portcullis.Principal) (bool, error)
}

// Sessions opens sessions and ends them.
type Sessions interface {
	Open(ctx context.Context, l token.Login) (token.Grant, error)
	EndSessions(ctx context.Context, subject, reason string, by portcullis.Actor) error
}

// Endpoint returns the endpoint of [Path].
func Endpoint(users Users, sessions Sessions, log *slog.Logger) gateway.Endpoint {
	return gateway.Endpoint{
		Name: name, Path: Path, Methods: []string{http.MethodPost}, Rate: rate, MaxBody: maxBody, JSON: true, BodyKey: true,
		Auth: []portcullis.Authenticator{authenticator{users}}, Handler: &handler{users, sessions, log},
	}
}

type authenticator struct{ users Users }

// Name returns "password".
func (authenticator) Name() string { return "password" }

// Authenticate implements [portcullis.Authenticator].
func (a authenticator) Authenticate(ctx context.Context, c *portcullis.Conn) (portcullis.Principal, error) {
	h := c.HTTP.Header
	if len(h["Authorization"])+len(h["X-Api-Key"]) > 0 {
		return portcullis.Principal{}, malformed("Send one credential: the name and the password in the body", "a credential beside the body")
	}
	body, err := io.ReadAll(c.HTTP.Body) // in memory already, and bounded
	if err != nil {
		return portcullis.Principal{}, malformed("", "reading the body")
	}
	attempt, ok := read(body)
	if !ok {
		return portcullis.Principal{}, malformed(`Want {"username":"…","password":"…"}`, "no name and password")
	}
	attempt.Client = c.Client
	who, err := a.users.Check(ctx, attempt)
	if err != nil {
		return portcullis.Principal{}, explained(err)
	}
	return who, nil
}

// request is the body. The guide's clients call the name "email".
type request struct {
	Username string `json:"username"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

// read reads a body with exactly one name and a password, no other member, no
// member twice, and nothing behind it. An error of the decoder would quote what
// it found, so there is none.
func read(body []byte) (basic.Attempt, bool) {
	var r request
	if err := json.Unmarshal(body, &r, json.RejectUnknownMembers(true)); err != nil {
		return basic.Attempt{}, false
	}
	a := basic.Attempt{Name: r.Username + r.Email, Password: r.Password}
	ok := (r.Username == "") != (r.Email == "") && r.Password != "" && !strings.ContainsFunc(a.Name+a.Password, control)
	return a, ok
}

func control(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

func malformed(public, detail string) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindMalformed, Reason: "input_rejected", Public: public,
		Event: portcullis.EventInputRejected, Detail: "login: " + detail, Attempted: portcullis.Actor{Method: basic.Method},
	}
}

// explained says what was wrong in the member that the guide's clients read,
// too (S3-41). The challenge is that of what a login is good for: one of Basic
// would make browsers open a dialogue over a login form.
func explained(err error) error {
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindUnauthenticated {
		return err
	}
	out := *e
	out.Data = map[string]any{"error": e.Public}
	out.Header = (*challenge.Resource)(nil).Missing()
	return &out
}

// handler opens the session of a caller who proved a password.
type handler struct {
	users    Users
	sessions Sessions
	log      *slog.Logger
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who := gateway.PrincipalFrom(r.Context())
	by := portcullis.Actor{ID: who.ID, Method: who.Method, KeyID: who.KeyID}
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		by.IP = from.Addr()
	}
	grant, err := h.open(r.Context(), who, by)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	b, err := json.Marshal(endpoint.NewReply(grant, who.Scopes))
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.answer(w, r, http.StatusOK, "application/json", b)
}

// errOutdated says that the user was changed while logging in.
var errOutdated = errors.New("the user was changed during the login")

// open opens a session and then looks whether what was proved still holds: a
// password that is changed between the check and the opening ends the sessions
// there are, and this one would be left.
func (h *handler) open(ctx context.Context, who portcullis.Principal, by portcullis.Actor) (token.Grant, error) {
	grant, err := h.sessions.Open(ctx, token.Login{
		Subject: who.ID, Name: who.Name, Method: who.Method, Roles: who.Roles, Scopes: who.Scopes, By: by,
	})
	if err != nil {
		return token.Grant{}, err
	}
	current, err := h.users.Current(ctx, who)
	if err == nil && current {
		return grant, nil
	}
	if err == nil {
		err = errOutdated
	}
	ctx = context.WithoutCancel(ctx)
	return token.Grant{}, errors.Join(err, h.sessions.EndSessions(ctx, who.ID, errOutdated.Error(), by))
}

func (h *handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, token.ErrInvalid) { // who has no role and no scope has nothing that a session could carry
		e := &portcullis.Error{Kind: portcullis.KindForbidden, Reason: "forbidden", Public: "Insufficient permissions"}
		h.log.WarnContext(r.Context(), "no session after a login", "request_id", r.Header.Get("X-Request-Id"), "error", err)
		h.answer(w, r, e.Kind.Status(), problem.ContentType, problem.Append(nil, e, r.Header.Get("X-Request-Id")))
		return
	}
	e := &portcullis.Error{Kind: portcullis.KindUnavailable, Reason: "unavailable", Public: "Try again later", RetryAfter: time.Second}
	h.log.ErrorContext(r.Context(), "no session after a login", "request_id", r.Header.Get("X-Request-Id"), "error", err)
	w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter/time.Second)))
	h.answer(w, r, e.Kind.Status(), problem.ContentType, problem.Append(nil, e, r.Header.Get("X-Request-Id")))
}

func (h *handler) answer(w http.ResponseWriter, r *http.Request, status int, media string, body []byte) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		h.log.DebugContext(r.Context(), "answering a login", "error", err)
	}
}
