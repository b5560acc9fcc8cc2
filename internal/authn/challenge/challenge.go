// Package challenge says to callers how they may prove who they are: the
// WWW-Authenticate header of refusals (RFC 6750, RFC 9728 section 5.1, RFC
// 9449 section 7.1) and the Protected Resource Metadata it points to (RFC
// 9728). It also holds the rule that a request carries at most one credential.
package challenge

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

const (
	realm        = `realm="portcullis"`
	wellKnown    = "/.well-known/oauth-protected-resource"
	cacheSeconds = 3600
)

// Header is the canonical name of the header that holds a challenge.
const Header = "Www-Authenticate"

// Basic is the challenge of routes that take a name and a password (RFC 7617).
const Basic = `Basic ` + realm + `, charset="UTF-8"`

// Resource is a route as OAuth clients see it. A nil Resource is a route that
// takes no access tokens; its challenges name nothing. It is immutable.
type Resource struct {
	url      string
	name     string
	issuers  []string
	scopes   []string
	dpopAlgs []string
	dpopOnly bool
	ask      func(scope string) string

	certBound bool
}

// Options describe a [Resource].
type Options struct {
	URL      string   // of the route, as callers use it: the audience of their tokens (RFC 8707)
	Name     string   // for people
	Issuers  []string // authorization servers
	Scopes   []string // that a client should ask for to begin with
	DPoPAlgs []string // algorithms of DPoP proofs
	DPoPOnly bool     // whether tokens have to be bound to a key

	CertBound bool                      // whether callers are asked for a certificate that a token may be bound to
	Ask       func(scope string) string // the issuer's name of a scope of the gateway; nil = the same
}

// New returns the resource of a route. The URL has to be absolute.
func New(o Options) (*Resource, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("resource %q: want the URL of the route", o.URL)
	}
	r := &Resource{
		url: o.URL, name: o.Name, issuers: slices.Clone(o.Issuers), scopes: slices.Clone(o.Scopes),
		dpopAlgs: slices.Clone(o.DPoPAlgs), dpopOnly: o.DPoPOnly, ask: o.Ask, certBound: o.CertBound,
	}
	if r.ask == nil {
		r.ask = func(scope string) string { return scope }
	}
	return r, nil
}

// URL returns the URL of the resource, "" of a nil Resource.
func (r *Resource) URL() string {
	if r == nil {
		return ""
	}
	return r.url
}

// MetadataPath is the path of a route's metadata on its host (RFC 9728
// section 3.1).
func MetadataPath(routePath string) string { return wellKnown + strings.TrimSuffix(routePath, "/") }

func (r *Resource) metadataURL() string {
	u, err := url.Parse(r.url)
	if err != nil { // New has parsed it before
		return ""
	}
	return u.Scheme + "://" + u.Host + MetadataPath(u.EscapedPath())
}

// Missing challenges a caller who sent no credential.
func (r *Resource) Missing() http.Header { return r.header("", "", nil) }

// Invalid challenges a caller whose token is refused.
func (r *Resource) Invalid() http.Header { return r.header("invalid_token", "", nil) }

// InvalidRequest challenges a caller who sent a credential in a wrong way.
func (r *Resource) InvalidRequest() http.Header { return r.header("invalid_request", "", nil) }

// InvalidProof challenges a caller whose DPoP proof is refused.
func (r *Resource) InvalidProof() http.Header { return r.header("", "invalid_dpop_proof", nil) }

// Insufficient challenges a caller whose credential lacks scopes: the challenge
// names all that are needed, so that a client can ask for them at once.
func (r *Resource) Insufficient(need []string) http.Header {
	return r.header("insufficient_scope", "", need)
}

func (r *Resource) header(bearerError, dpopError string, need []string) http.Header {
	var common strings.Builder
	scopes := need
	if r != nil {
		common.WriteString(`, resource_metadata="` + r.metadataURL() + `"`)
		scopes = slices.Clone(r.scopes)
		if len(need) > 0 {
			scopes = nil
			for _, s := range need {
				if asked := r.ask(s); !slices.Contains(scopes, asked) {
					scopes = append(scopes, asked)
				}
			}
		}
	}
	if len(scopes) > 0 {
		common.WriteString(`, scope="` + scopeList(scopes) + `"`)
	}
	var values []string
	if r == nil || !r.dpopOnly {
		values = append(values, "Bearer "+realm+errorParam(bearerError)+common.String())
	}
	if r != nil && (r.dpopOnly || dpopError != "") {
		e := dpopError
		if e == "" {
			e = bearerError
		}
		values = append(values, "DPoP "+realm+errorParam(e)+`, algs="`+strings.Join(r.dpopAlgs, " ")+`"`+common.String())
	}
	return http.Header{Header: values}
}

func errorParam(e string) string {
	if e == "" {
		return ""
	}
	return `, error="` + e + `"`
}

// scopeList joins scopes; characters that no scope-token has (RFC 6750 section
// 3) become question marks.
func scopeList(scopes []string) string {
	return strings.Map(func(c rune) rune {
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return '?'
		}
		return c
	}, strings.Join(scopes, " "))
}

// metadata is the document of RFC 9728 section 2.
type metadata struct {
	Resource      string   `json:"resource"`
	Name          string   `json:"resource_name,omitempty"`
	Issuers       []string `json:"authorization_servers,omitempty"`
	Scopes        []string `json:"scopes_supported,omitempty"`
	BearerMethods []string `json:"bearer_methods_supported"`
	DPoPAlgs      []string `json:"dpop_signing_alg_values_supported,omitempty"`
	DPoPRequired  bool     `json:"dpop_bound_access_tokens_required"`
	CertBound     bool     `json:"tls_client_certificate_bound_access_tokens"`
}

// Metadata returns the handler of the resource's metadata: public, the same for
// all, and readable from web pages, where clients run too.
func (r *Resource) Metadata() (http.Handler, error) {
	doc, err := json.Marshal(metadata{
		Resource: r.url, Name: r.name, Issuers: r.issuers, Scopes: r.scopes, BearerMethods: []string{"header"},
		DPoPAlgs: r.dpopAlgs, DPoPRequired: r.dpopOnly, CertBound: r.certBound,
	})
	if err != nil {
		return nil, fmt.Errorf("resource metadata: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h := w.Header()
		h["Access-Control-Allow-Origin"] = []string{"*"}
		switch req.Method {
		case http.MethodGet, http.MethodHead:
		case http.MethodOptions:
			h["Access-Control-Allow-Methods"] = []string{"GET"}
			h["Access-Control-Allow-Headers"] = []string{"MCP-Protocol-Version"}
			w.WriteHeader(http.StatusNoContent)
			return
		default:
			h["Allow"] = []string{"GET, HEAD, OPTIONS"}
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		h["Content-Type"] = []string{"application/json"}
		h["Content-Length"] = []string{strconv.Itoa(len(doc))}
		h["Cache-Control"] = []string{"public, max-age=" + strconv.Itoa(cacheSeconds)}
		w.WriteHeader(http.StatusOK)
		if req.Method == http.MethodGet {
			_, _ = w.Write(doc) // a caller who left reads nothing
		}
	}), nil
}

// OneCredential refuses a request with more than one credential: X-API-Key and
// Authorization together, or either of them twice. Two parts of a system might
// believe different ones. It is asked before any authenticator.
func (r *Resource) OneCredential(h http.Header) error {
	if len(h["X-Api-Key"])+len(h["Authorization"]) <= 1 {
		return nil
	}
	return &portcullis.Error{
		Kind: portcullis.KindUnauthenticated, Reason: "unauthenticated",
		Public: "Send one credential: either X-API-Key or Authorization, once",
		Event:  portcullis.EventAuthFailure, Header: r.InvalidRequest(), Detail: "more than one credential",
	}
}

// Offer adds a challenge to a refusal of credentials, unless it is there. Errors
// that are no refusal of a credential pass unchanged.
func Offer(err error, value string) error {
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindUnauthenticated || slices.Contains(e.Header[Header], value) {
		return err
	}
	out := *e
	out.Header = e.Header.Clone()
	if out.Header == nil {
		out.Header = http.Header{}
	}
	out.Header[Header] = append(out.Header[Header], value)
	return &out
}

// Complete names the resource's metadata in a refusal that another way of
// proving who one is has made: whoever fails with one credential learns of the
// other. Errors that are no refusal of a credential pass unchanged.
func (r *Resource) Complete(err error) error {
	var e *portcullis.Error
	if r == nil || !errors.As(err, &e) || e.Kind != portcullis.KindUnauthenticated {
		return err
	}
	given := strings.Join(e.Header[Header], ", ")
	if strings.Contains(given, "resource_metadata=") {
		return err
	}
	out := *e
	out.Header = e.Header.Clone()
	if out.Header == nil {
		out.Header = http.Header{}
	}
	switch {
	case strings.Contains(given, `"invalid_token"`):
		out.Header[Header] = r.Invalid()[Header]
	case strings.Contains(given, `"invalid_request"`):
		out.Header[Header] = r.InvalidRequest()[Header]
	default:
		out.Header[Header] = append(out.Header[Header], r.Missing()[Header]...)
	}
	return &out
}
