package gateway

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/access"
	"github.com/portcullis-dev/portcullis/gateway/refusal"
	"github.com/portcullis-dev/portcullis/internal/edge"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Endpoint is a path of the public listener that this process answers itself,
// behind a pipeline of its own: edge guards, authentication, journal. Whoever
// authenticates may call it; the handler decides what they get.
type Endpoint struct {
	Name    string // in logs, metrics and events
	Path    string
	Below   bool // also all paths below Path
	Hidden  bool // what lies below Path is a secret: the log knows Path only
	Methods []string
	Rate    string // per address, as in the configuration
	MaxBody int64  // bytes
	JSON    bool   // whether the body has to be declared as JSON
	BodyKey bool   // the credential is the body: Auth reads it, the handler gets none
	Auth    []portcullis.Authenticator
	Callers bool     // Auth is whatever routes take; a route that anyone may call proves nobody
	Headers []string // of requests, that the handler reads besides those that always travel
	Handler http.Handler
}

// endpoint builds the route of an endpoint.
func (b *builder) endpoint(e Endpoint, prev *Table) (*route, error) {
	rules := []string{e.Rate}
	rate, err := b.rate(e.Name, rules, prev)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", e.Name, err)
	}
	body, err := edge.NewBody(edge.BodyConfig{Methods: e.Methods, MaxBody: e.MaxBody, JSON: e.JSON})
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", e.Name, err)
	}
	guards, err := b.entrance.Guards(nil, rate, body)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(e.Path, "/api/") {
		version, err := edge.NewVersion("1")
		if err != nil {
			return nil, fmt.Errorf("endpoint %q: %w", e.Name, err)
		}
		guards = append(guards, version)
	}
	limits := jsonrpc.DefaultLimits()
	limits.MaxBytes = int(e.MaxBody)
	rt := b.newRoute(e.Name, e.Path, limits)
	rt.rate, rt.rateRules = rate, rules
	auth, says := e.Auth, refusal.Challenges{}
	if e.Callers {
		if auth, says, err = b.callers.All(); err != nil {
			return nil, err
		}
	}
	rt.pipe = &pipeline{
		edge: guards, authn: auth, says: says, contain: b.Contain.Login(), authz: []portcullis.Authorizer{access.AnyCaller{}}, record: b.Recorder,
		decode: plainDecoder{e.logged()}, forward: Handler(e.Handler), bodyKey: e.BodyKey, own: true, wants: e.Headers,
	}
	return rt, nil
}

// logged is what the log calls all paths of an endpoint, "" if each by its own
// name.
func (e *Endpoint) logged() string {
	if e.Hidden {
		return e.Path
	}
	return ""
}
