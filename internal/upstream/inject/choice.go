package inject

import (
	"context"
	"net/http"

	"github.com/portcullis-dev/portcullis"
)

// Rule is the credential of some tools.
type Rule struct {
	Match func(tool string) bool
	Use   Credentials
}

// Choice gives the tools of the first rule that matches a credential of their
// own, and all else the route's. Nil as a credential means that none is sent.
type Choice struct {
	Rules []Rule
	Route Credentials
}

var _ Credentials = (*Choice)(nil)

func (c *Choice) of(call *portcullis.Call) Credentials {
	if t := call.Message.Target; t.Kind == portcullis.TargetTool {
		for _, r := range c.Rules {
			if r.Match(t.Name) {
				return r.Use
			}
		}
	}
	return c.Route
}

// Authorize implements [Credentials].
func (c *Choice) Authorize(ctx context.Context, call *portcullis.Call) (Credential, error) {
	if use := c.of(call); use != nil {
		return use.Authorize(ctx, call)
	}
	return Credential{}, nil
}

// Refused implements [Credentials].
func (c *Choice) Refused(ctx context.Context, call *portcullis.Call, used Credential) bool {
	use := c.of(call)
	return use != nil && use.Refused(ctx, call, used)
}

// Transport puts a credential on the requests of a connection that serves many
// calls, such as that of the older SSE transport. What belongs to one tool or
// one caller cannot travel there.
type Transport struct {
	Next http.RoundTripper
	Use  Credentials
}

// RoundTrip implements [http.RoundTripper]. Nothing is sent twice.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	call := &portcullis.Call{Message: &portcullis.Message{}}
	cred, err := t.Use.Authorize(r.Context(), call)
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // as every RoundTripper must
		}
		return nil, err
	}
	r = r.Clone(r.Context())
	for _, f := range cred.Fields {
		r.Header.Set(f.Name, f.Value)
	}
	if cred.Query != "" {
		if r.URL.RawQuery != "" {
			r.URL.RawQuery += "&"
		}
		r.URL.RawQuery += cred.Query
	}
	resp, err := t.Next.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		t.Use.Refused(r.Context(), call, cred) // the next connection has the new one
	}
	return resp, err
}
