package refusal

import (
	"context"
	"errors"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/sse"
)

// OfStream says why reading a stream of the upstream failed.
func OfStream(ctx context.Context, err error) error {
	var e *portcullis.Error
	if errors.As(err, &e) {
		return e
	}
	if ctx.Err() != nil {
		return &portcullis.Error{Kind: portcullis.KindInternal, Reason: "client_closed", Detail: "the caller left the stream"}
	}
	if errors.Is(err, sse.ErrTooLarge) {
		return Rejected("stream event over the size limit")
	}
	return &portcullis.Error{Kind: portcullis.KindUpstream, Reason: "upstream_unavailable", Detail: "reading the stream", Err: err}
}

// ClientGone says that a caller does not take what is written to it.
func ClientGone(err error) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindInternal, Reason: "client_closed", Detail: "writing the stream", Err: err}
}
