package headers

import (
	"context"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// Learner remembers from tools/list which tools mirror which arguments in
// Mcp-Param-* headers, so that the headers of later calls can be held to them.
type Learner struct{ Params *mcp.ParamHeaders }

// Name returns "param_headers".
func (*Learner) Name() string { return "param_headers" }

// Inspect implements [portcullis.Inspector].
func (l *Learner) Inspect(_ context.Context, _ portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if m.Shape == portcullis.ShapeResult && m.Method == "tools/list" {
		l.Params.Learn(m.Raw)
	}
	return m, nil
}
