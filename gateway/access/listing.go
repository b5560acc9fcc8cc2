package access

import (
	"context"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/refusal"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// Decide asks every authorizer; the first that does not allow has Decided.
// With nobody to ask the answer is deny.
func Decide(ctx context.Context, authz []portcullis.Authorizer, who portcullis.Principal, a portcullis.Action) (portcullis.Decision, string, error) {
	var d portcullis.Decision
	for _, g := range authz {
		var err error
		if d, err = g.Authorize(ctx, who, a); err != nil || !d.Allowed() {
			return d, g.Name(), err
		}
	}
	return d, "", nil
}

// ListFilter cuts from lists what the caller may not use, by asking the same
// authorizers that decide calls: what you see is what you may call.
type ListFilter struct {
	Route string
	Authz []portcullis.Authorizer
}

// Name returns "list_filter".
func (*ListFilter) Name() string { return "list_filter" }

// listMethods are tried on a result whose method is not known, as on a resumed
// stream: whatever has the shape of a list is filtered.
var listMethods = [...]string{"tools/list", "prompts/list", "resources/list", "resources/templates/list"}

// Inspect filters for a caller of whom only the name is known.
func (f *ListFilter) Inspect(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	return f.Filter(ctx, &portcullis.Conn{}, who, m)
}

// Filter asks what the caller may do from where the list was asked for.
func (f *ListFilter) Filter(ctx context.Context, c *portcullis.Conn, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if m.Shape != portcullis.ShapeResult || m.Method != "" && !mcp.Lists(m.Method) {
		return m, nil
	}
	methods := listMethods[:]
	if m.Method != "" {
		methods = []string{m.Method}
	}
	for _, method := range methods {
		raw, _, err := mcp.FilterList(m.Raw, method, func(t portcullis.Target) bool {
			d, _, err := Decide(ctx, f.Authz, who, portcullis.Action{
				Route: f.Route, Method: UseMethod(t.Kind), Target: t, Client: c.Client, Secure: c.Secure, Listing: true,
			})
			return err == nil && d.Allowed()
		})
		if err != nil {
			return nil, refusal.Rejected(err.Error())
		}
		m.Raw = raw
	}
	return m, nil
}
