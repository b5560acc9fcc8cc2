package obs

import "context"

type requestKey struct{}

// WithRequestID returns a context of work that is done for a call, so that
// whatever is recorded meanwhile can be found by the id that the caller got.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestID returns the id of the call that a context works for, or "".
func RequestID(ctx context.Context) string {
	id, ok := ctx.Value(requestKey{}).(string)
	if !ok {
		return ""
	}
	return id
}
