package gateway

import (
	"context"
	"net/http"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/inproc"
)

// Handler makes an http.Handler of this process an upstream, see
// [inproc.Upstream].
func Handler(h http.Handler) portcullis.Upstream { return inproc.Upstream(h) }

// PrincipalFrom returns the caller on whose behalf a [Handler] runs, and the
// zero Principal, which matches no rule, anywhere else.
func PrincipalFrom(ctx context.Context) portcullis.Principal { return inproc.PrincipalFrom(ctx) }
