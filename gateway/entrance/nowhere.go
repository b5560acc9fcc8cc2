package entrance

import (
	"context"

	"github.com/portcullis-dev/portcullis"
)

// Nowhere is the end of an unknown path.
type Nowhere struct{}

// Name returns "no_route".
func (Nowhere) Name() string { return "no_route" }

// CheckConn implements [portcullis.EdgeGuard].
func (Nowhere) CheckConn(context.Context, *portcullis.Conn) error {
	return &portcullis.Error{Kind: portcullis.KindNotFound, Reason: "not_found", Detail: "no route has this path"}
}
