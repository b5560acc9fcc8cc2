package chronicle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/chronicle/history"
)

func TestPublicErrors(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
	}{
		{history.ErrNotFound, 404}, {history.ErrPermission, 403}, {history.ErrBusy, 423}, {history.ErrTooLarge, 413},
		{history.ErrFormat, 422}, {history.ErrUnsupported, 404}, {context.DeadlineExceeded, 503}, {context.Canceled, 503},
		{errors.New("open /home/bob/x: disk on fire"), 500}, {invalid("x"), 400},
	} {
		e := publicError("history of chrome", fmt.Errorf("at /home/bob: %w", tt.err))
		if e.Status != tt.status {
			t.Errorf("%v: status %d, want %d", tt.err, e.Status, tt.status)
		}
		if e.Message == "" || tt.status != 400 && !errors.Is(e, tt.err) {
			t.Errorf("%v: %q does not wrap its cause", tt.err, e.Message)
		}
		for _, secret := range []string{"/home", "bob", "fire"} {
			if e.Status != 400 && strings.Contains(e.Message, secret) {
				t.Errorf("%v: %q tells %q", tt.err, e.Message, secret)
			}
		}
	}
}
