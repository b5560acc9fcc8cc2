package direct

import (
	"context"
	"net/http"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/direct/field"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// authorized sends a call with a credential, and once more with another if the
// upstream answers 401: it has not done what was asked then (RFC 9110, 15.5.2),
// so this repeats nothing, not even a tools/call. All else is final.
func (c *Client) authorized(ctx context.Context, call *portcullis.Call, req *request) (*portcullis.Reply, error) {
	cred, err := c.credentials.Authorize(ctx, call)
	if err != nil {
		return nil, err
	}
	reply, err := c.send(ctx, req.with(cred))
	if err != nil || reply.Status != http.StatusUnauthorized || !c.credentials.Refused(ctx, call, cred) {
		return reply, err
	}
	again, err := c.credentials.Authorize(ctx, call)
	if err != nil {
		return reply, nil // the first answer stands
	}
	_ = reply.Body.Close() // a refusal that nobody reads
	return c.send(ctx, req.with(again))
}

// with returns the request with a credential.
func (r *request) with(cred inject.Credential) *request {
	out := *r
	out.own, out.query = cred.Fields, cred.Query
	return &out
}

// owned reports whether the credential has a field of that canonical name:
// what the caller sent under it does not travel.
func (r *request) owned(name string) bool {
	for i := range r.own {
		if len(r.own[i].Name) == len(name) && strings.EqualFold(r.own[i].Name, name) {
			return true
		}
	}
	return false
}

// checkCredential refuses what could become a second request.
func (r *request) checkCredential() error {
	for _, f := range r.own {
		if !field.IsToken(f.Name) || !field.IsValue(f.Value) || field.OfRequest(field.Canonical(f.Name)) {
			return unavailable("the upstream's credential cannot be sent as a header field", nil)
		}
	}
	if !validTarget("/" + r.query) {
		return unavailable("the upstream's credential cannot be sent in a URL", nil)
	}
	return nil
}
