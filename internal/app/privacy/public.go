package privacy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/internal/config"
	configprivacy "github.com/portcullis-dev/portcullis/internal/config/privacy"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
)

// Paths of the public listener.
const (
	pathData    = "/api/v1/user/data"
	pathExport  = "/api/v1/user/export"
	pathAccount = "/api/v1/user/account"

	pathAPI = "/api"

	// headerConfirm says that a person means it. A page of another origin cannot
	// send it.
	headerConfirm = "X-Confirm-Erasure"
)

// Endpoints implements part.Publishing.
func (p *Part) Endpoints(cfg *config.Config) []gateway.Endpoint {
	if !cfg.Privacy.Rights.SelfService || len(cfg.Routes) == 0 {
		return nil
	}
	const maxBody = 1 << 10
	one := func(name, path, method string, h http.HandlerFunc) gateway.Endpoint {
		return gateway.Endpoint{
			Name: name, Path: path, Methods: []string{method}, Rate: cfg.Privacy.Rights.Rate, MaxBody: maxBody, Callers: true,
			Headers: []string{headerConfirm}, Handler: h,
		}
	}
	other := one("user-versions", pathAPI, http.MethodGet, unknownPath)
	other.Below, other.Methods = true, []string{http.MethodGet, http.MethodDelete, http.MethodPut, http.MethodPost}
	if slices.ContainsFunc(cfg.Routes, func(r config.Route) bool { return r.Path == pathAPI }) { // it is the route's
		other = one("user-versions", pathAPI+"/v1/user", http.MethodGet, unknownPath)
	}
	return []gateway.Endpoint{
		other,
		one("user-data", pathData, http.MethodGet, func(w http.ResponseWriter, r *http.Request) { p.answer(w, r, false) }),
		one("user-export", pathExport, http.MethodGet, func(w http.ResponseWriter, r *http.Request) { p.answer(w, r, true) }),
		one("user-account", pathAccount, http.MethodDelete, p.deleteAccount),
	}
}

// unknownPath answers what lies below /api and is nothing of ours: another
// version of the API, or nothing at all.
func unknownPath(w http.ResponseWriter, r *http.Request) {
	version, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, pathAPI+"/"), "/")
	if len(version) > 1 && version[0] == 'v' && version != "v1" && strings.Trim(version[1:], "0123456789") == "" {
		problem(w, http.StatusBadRequest, "unknown_api_version", "This version of the API is not known: 1 is")
		return
	}
	problem(w, http.StatusNotFound, "not_found", "Not found")
}

func problem(w http.ResponseWriter, status int, reason, title string) {
	body, err := json.Marshal(map[string]any{"type": "about:blank", "title": title, "status": status, "reason": reason})
	if err != nil {
		body = []byte(`{}`)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever left does not read it
}

func reply(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		problem(w, http.StatusInternalServerError, "internal", "Internal error")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // whoever left does not read it
}

// caller is who calls, as a person and as an actor. The call itself proves that
// they are known, so nobody is unknown.
func (p *Part) caller(ctx context.Context) (subject.Person, portcullis.Principal, error) {
	who := gateway.PrincipalFrom(ctx)
	if who.ID == "" {
		return subject.Person{}, who, errors.New("no caller")
	}
	person, err := p.identify(ctx, who.ID, true)
	if errors.Is(err, subject.ErrUnknown) {
		err = nil
	}
	return person, who, err
}

// answer shows callers what is held about them, and about nobody else.
func (p *Part) answer(w http.ResponseWriter, r *http.Request, export bool) {
	person, who, err := p.caller(r.Context())
	var out subject.Export
	if err == nil {
		out, err = p.show(r.Context(), &person, export, portcullis.Actor{ID: who.ID, Method: who.Method, KeyID: who.KeyID})
	}
	if err != nil {
		p.env.Log.ErrorContext(r.Context(), "collecting what is held about a caller", "error", err)
		problem(w, http.StatusInternalServerError, "internal", "Internal error")
		return
	}
	if export {
		w.Header().Set("Content-Disposition", `attachment; filename="user-data.json"`)
	}
	reply(w, http.StatusOK, out)
}

// ambient reports whether a browser sends a credential by itself.
func ambient(method string) bool { return method == "basic" || method == "mtls" }

// deleteAccount erases callers.
func (p *Part) deleteAccount(w http.ResponseWriter, r *http.Request) {
	person, who, err := p.caller(r.Context())
	if err != nil {
		p.env.Log.ErrorContext(r.Context(), "erasing a caller", "error", err)
		problem(w, http.StatusInternalServerError, "internal", "Internal error")
		return
	}
	must := ambient(who.Method) || p.cfg.Load().Privacy.Rights.Confirm == configprivacy.ConfirmAlways
	if must && r.Header.Get(headerConfirm) != "erase" {
		problem(w, http.StatusPreconditionRequired, "confirmation_required", "This cannot be undone: send the header "+headerConfirm+": erase")
		return
	}
	s, err := p.erase(r.Context(), person, bySubject, portcullis.Actor{ID: who.ID, Method: who.Method, KeyID: who.KeyID})
	if err != nil {
		p.env.Log.ErrorContext(r.Context(), "erasing a caller", "error", err)
		problem(w, http.StatusInternalServerError, "internal", "Internal error")
		return
	}
	status, message := http.StatusOK, "Account deleted"
	if s.State != subject.Finished.String() { // the account is; something waits
		status = http.StatusAccepted
	}
	reply(w, status, map[string]any{"message": message, "erasure": s})
}
