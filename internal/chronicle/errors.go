package chronicle

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/portcullis-dev/portcullis/internal/chronicle/history"
)

// Error is a refused or failed query. Message is meant for callers: it names no
// local path. Err is the cause, for the log.
type Error struct {
	Status  int // HTTP status: 400, 403, 404, 413, 422, 423, 500, 503
	Message string
	Err     error
}

// Error returns the message for callers.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func invalid(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// publicError turns any error of a query into one for callers.
func publicError(what string, err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, history.ErrNotFound):
		return &Error{http.StatusNotFound, what + ": no such file on this machine", err}
	case errors.Is(err, history.ErrPermission):
		return &Error{
			http.StatusForbidden,
			what + ": permission denied; on macOS grant this program Full Disk Access in Privacy & Security", err,
		}
	case errors.Is(err, history.ErrBusy):
		return &Error{http.StatusLocked, what + ": locked, the browser is writing to it; try again", err}
	case errors.Is(err, history.ErrTooLarge):
		return &Error{http.StatusRequestEntityTooLarge, what + ": larger than max_database_bytes allows", err}
	case errors.Is(err, history.ErrUnsupported):
		return &Error{http.StatusNotFound, what + ": this browser keeps them in a file that is not read", err}
	case errors.Is(err, history.ErrFormat):
		return &Error{http.StatusUnprocessableEntity, what + ": the file does not hold the tables a browser has", err}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &Error{http.StatusServiceUnavailable, what + ": the search took too long or was cancelled", err}
	}
	return &Error{http.StatusInternalServerError, "internal error", err}
}
