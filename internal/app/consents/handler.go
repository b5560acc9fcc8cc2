package consents

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	api "github.com/portcullis-dev/portcullis/internal/admin/consents"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/privacy/consent"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/problem"
)

// maxBody is the largest request, in bytes.
const maxBody = 4 << 10

// handler answers callers about their own consents, and nobody about others'.
type handler struct{ book *consent.Book }

// ask is the body of PUT.
type ask struct {
	Version  string `json:"policy_version"`
	Evidence string `json:"evidence"`
}

// ServeHTTP implements http.Handler.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who := gateway.PrincipalFrom(r.Context())
	if who.IsZero() {
		refuse(w, r, portcullis.KindUnauthenticated, "unauthenticated", "")
		return
	}
	purpose := strings.Trim(strings.TrimPrefix(r.URL.Path, Path), "/")
	by := portcullis.Actor{ID: who.ID, Method: who.Method, KeyID: who.KeyID}
	switch r.Method {
	case http.MethodPut:
		h.grant(w, r, purpose, by)
	case http.MethodDelete:
		h.withdraw(w, r, purpose, by)
	default:
		h.show(w, r, purpose, by)
	}
}

func (h handler) show(w http.ResponseWriter, r *http.Request, purpose string, by portcullis.Actor) {
	list, err := h.book.Statuses(r.Context(), by.ID)
	if err != nil {
		refuse(w, r, portcullis.KindInternal, "internal", "")
		return
	}
	if purpose == "" {
		out := struct {
			Consents []api.Status `json:"consents"`
		}{[]api.Status{}}
		for _, s := range list {
			out.Consents = append(out.Consents, api.StatusOf(s))
		}
		answer(w, out)
		return
	}
	for _, s := range list {
		if s.Purpose.Name == purpose {
			answer(w, api.StatusOf(s))
			return
		}
	}
	refuse(w, r, portcullis.KindNotFound, "not_found", "There is no such purpose")
}

func (h handler) grant(w http.ResponseWriter, r *http.Request, purpose string, by portcullis.Actor) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	var in ask
	if err != nil || len(body) == 0 || jsonrpc.ReadObject(body, jsonrpc.DefaultLimits()) != nil || json.Unmarshal(body, &in) != nil || in.Version == "" {
		refuse(w, r, portcullis.KindMalformed, "input_rejected", `Name the version of the policy: {"policy_version":"…"}`)
		return
	}
	_, err = h.book.Grant(r.Context(), consent.Consent{Principal: by.ID, Purpose: purpose, Version: in.Version, Evidence: in.Evidence}, by)
	switch {
	case err == nil:
		h.show(w, r, purpose, by)
	case errors.Is(err, consent.ErrPurpose):
		refuse(w, r, portcullis.KindNotFound, "not_found", "There is no such purpose")
	case errors.Is(err, consent.ErrVersion):
		refuse(w, r, portcullis.KindMalformed, "policy_version", "Another version of the policy is in force")
	case errors.Is(err, consent.ErrInvalid):
		refuse(w, r, portcullis.KindMalformed, "input_rejected", "The evidence is too long, or not one line of text")
	default:
		refuse(w, r, portcullis.KindUnavailable, "unavailable", "")
	}
}

// withdraw ends a consent. That there is none is fine: nothing is agreed to
// behind it either way.
func (h handler) withdraw(w http.ResponseWriter, r *http.Request, purpose string, by portcullis.Actor) {
	_, err := h.book.Withdraw(r.Context(), by.ID, purpose, by)
	if err != nil && !errors.Is(err, consent.ErrNotGiven) {
		refuse(w, r, portcullis.KindUnavailable, "unavailable", "The consent does not count any more, but that could not be stored: try again")
		return
	}
	h.show(w, r, purpose, by)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // the caller may be gone
}

func refuse(w http.ResponseWriter, r *http.Request, k portcullis.Kind, reason, public string) {
	w.Header().Set("Content-Type", problem.ContentType)
	w.Header().Set("Cache-Control", "no-store")
	if k == portcullis.KindUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	if public == "" {
		public = http.StatusText(k.Status())
	}
	w.WriteHeader(k.Status())
	_, _ = w.Write(problem.Append(nil, &portcullis.Error{Kind: k, Reason: reason, Public: public, RetryAfter: retry(k)}, obs.RequestID(r.Context()))) // the caller may be gone
}

func retry(k portcullis.Kind) time.Duration {
	if k == portcullis.KindUnavailable {
		return 5 * time.Second
	}
	return 0
}
