package direct

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/portcullis-dev/portcullis"
)

// Reasons and sentences that callers see. They say nothing of the upstream.
const (
	reasonUnavailable = "upstream_unavailable"
	reasonTimeout     = "upstream_timeout"

	publicUnavailable = "the upstream server is unavailable"
	publicTimeout     = "the upstream server did not answer in time"
)

// What a peer did wrong. The texts never repeat its bytes.
var (
	errMalformed   = errors.New("malformed response")
	errHeadTooBig  = errors.New("response headers exceed 64 KiB")
	errManyInterim = errors.New("more than 5 interim responses")
	errTruncated   = errors.New("response ended early")
	errBodyClosed  = errors.New("reading a closed body")
	errClosed      = errors.New("upstream is closed")
	errWait        = fmt.Errorf("waiting for a connection: %w", os.ErrDeadlineExceeded)
	errBodyTime    = fmt.Errorf("waiting for the rest of the response: %w", os.ErrDeadlineExceeded)
	errHeadTime    = fmt.Errorf("waiting for response headers: %w", os.ErrDeadlineExceeded)
)

// failure turns what went wrong into what Forward and Body.Read return: the
// context's error when the caller went away, otherwise a *portcullis.Error.
func failure(ctx context.Context, detail string, err error) error {
	switch cause := ctx.Err(); {
	case errors.Is(cause, context.DeadlineExceeded):
		return timeout(detail, cause)
	case cause != nil:
		return cause
	case isTimeout(err):
		return timeout(detail, err)
	}
	return unavailable(detail, err)
}

func timeout(detail string, err error) error {
	return &portcullis.Error{
		Kind: portcullis.KindUpstreamTimeout, Reason: reasonTimeout, Public: publicTimeout,
		Detail: detail, Err: err,
	}
}

func unavailable(detail string, err error) error {
	return &portcullis.Error{
		Kind: portcullis.KindUpstream, Reason: reasonUnavailable, Public: publicUnavailable,
		Detail: detail, Err: err,
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &ne) && ne.Timeout()
}
