package gateway

import (
	"net/http"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/edge"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// adminRate bounds each address on the admin listener.
const adminRate = "600/1m per address"

// BuildAdmin makes the table of the admin API: one route for all paths, whose
// upstream is a handler of this process. Maintenance does not close it.
// local says that only the socket in the data folder leads here, where hosts,
// origins and addresses mean nothing.
func BuildAdmin(cfg *config.Config, d Deps, h http.Handler, local bool, auth ...portcullis.Authenticator) (*Table, error) {
	b, err := newBuilder(cfg, d)
	if err != nil {
		return nil, err
	}
	headers, err := edge.NewHeaders(edge.DefaultHeaders())
	if err != nil {
		return nil, err
	}
	rate, err := b.rate("admin", []string{adminRate}, nil)
	if err != nil {
		return nil, err
	}
	body, err := edge.NewBody(edge.BodyConfig{Methods: []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}, MaxBody: edge.DefaultMaxBody})
	if err != nil {
		return nil, err
	}
	version, err := edge.NewVersion("1")
	if err != nil {
		return nil, err
	}
	guards, held := []portcullis.EdgeGuard{version, body}, d.Contain.Admin()
	if local { // the way to undo what was done by mistake
		held = nil
	} else {
		browser, err := b.entrance.Browser(nil)
		if err != nil {
			return nil, err
		}
		guards = append(browser, rate.Edge(), version, body)
	}
	rt := b.newRoute("admin", "/", jsonrpc.DefaultLimits())
	rt.rate, rt.rateRules, rt.traces = rate, []string{adminRate}, nil // scrapes of /metrics would be most of what is traced
	rt.pipe = &pipeline{
		edge: guards, authn: auth, contain: held, authz: []portcullis.Authorizer{scope.Admin{}}, record: b.Recorder,
		decode: plainDecoder{}, forward: Handler(h),
	}
	return &Table{fallback: rt, order: []*route{rt}, client: b.entrance.Client, headers: headers.Apply}, nil
}
