package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"modernc.org/sqlite"
)

// SQLite's primary result codes that are told apart.
const (
	codeBusy    = 5
	codeLocked  = 6
	codeCorrupt = 11
	codeOpen    = 14
	codeNotDB   = 26
)

// classify turns an error of the file system or of SQLite into one of the
// package's errors. An error that is one already, or that has no class, is
// returned as it is.
func classify(err error) error {
	for _, known := range []error{
		nil, ErrNotFound, ErrPermission, ErrBusy, ErrTooLarge, ErrFormat, ErrUnsupported,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %v", ErrNotFound, err) //nolint:errorlint // one class per error
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %v", ErrPermission, err) //nolint:errorlint // one class per error
	case inUse(err):
		return fmt.Errorf("%w: %v", ErrBusy, err) //nolint:errorlint // one class per error
	}
	var se *sqlite.Error
	if errors.As(err, &se) {
		switch se.Code() & 0xff {
		case codeBusy, codeLocked:
			return fmt.Errorf("%w: %v", ErrBusy, err) //nolint:errorlint // one class per error
		case codeCorrupt, codeNotDB, codeOpen:
			return fmt.Errorf("%w: %v", ErrFormat, err) //nolint:errorlint // one class per error
		}
	}
	return err
}
