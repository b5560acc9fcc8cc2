package gateway

import (
	"context"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/refusal"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// listFilter cuts from lists what the caller may not use, by asking the same
// authorizers that decide calls: what you see is what you may call.
type listFilter struct {
	route string
	authz []portcullis.Authorizer
}

func (*listFilter) Name() string { return "list_filter" }

// listMethods are tried on a result whose method is not known, as on a resumed
// stream: whatever has the shape of a list is filtered.
var listMethods = [...]string{"tools/list", "prompts/list", "resources/list", "resources/templates/list"}

// Inspect filters for a caller of whom only the name is known.
func (f *listFilter) Inspect(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	return f.filter(ctx, &portcullis.Conn{}, who, m)
}

// filter asks what the caller may do from where the list was asked for.
func (f *listFilter) filter(ctx context.Context, c *portcullis.Conn, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if m.Shape != portcullis.ShapeResult || m.Method != "" && !mcp.Lists(m.Method) {
		return m, nil
	}
	methods := listMethods[:]
	if m.Method != "" {
		methods = []string{m.Method}
	}
	for _, method := range methods {
		raw, _, err := mcp.FilterList(m.Raw, method, func(t portcullis.Target) bool {
			d, _, err := decide(ctx, f.authz, who, portcullis.Action{
				Route: f.route, Method: useMethod(t.Kind), Target: t, Client: c.Client, Secure: c.Secure, Listing: true,
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

// useMethod is the method that uses a listed thing.
func useMethod(k portcullis.TargetKind) string {
	switch k {
	case portcullis.TargetTool:
		return "tools/call"
	case portcullis.TargetPrompt:
		return "prompts/get"
	case portcullis.TargetResource:
		return "resources/read"
	}
	return ""
}

// paramLearner remembers from tools/list which tools mirror which arguments in
// Mcp-Param-* headers, so that the headers of later calls can be held to them.
type paramLearner struct{ params *mcp.ParamHeaders }

func (*paramLearner) Name() string { return "param_headers" }

func (l *paramLearner) Inspect(_ context.Context, _ portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if m.Shape == portcullis.ShapeResult && m.Method == "tools/list" {
		l.params.Learn(m.Raw)
	}
	return m, nil
}
