package respond

import (
	"context"
	"errors"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
)

// tools holds tools by their pins.
type tools struct{ book *toolpin.Book }

var _ containment.Tools = tools{}

// Hold implements containment.Tools. It remembers the approved version of a
// tool that was in use.
func (t tools) Hold(ctx context.Context, route, tool, reason string, by portcullis.Actor) (string, error) {
	was := ""
	v, err := t.book.Show(ctx, route, tool)
	if err != nil && !errors.Is(err, toolpin.ErrNotFound) {
		return "", err
	}
	if err == nil && v.State == toolpin.Trusted.String() {
		was = v.Approved
	}
	_, err = t.book.Quarantine(ctx, toolpin.Verdict{Route: route, Tool: tool, Reason: reason, By: by})
	return was, err
}

// Release implements containment.Tools. A tool that changed while it was held,
// or was not in use before, stays held: a version has to be approved.
func (t tools) Release(ctx context.Context, route, tool, was, reason string, by portcullis.Actor) (bool, error) {
	v, err := t.book.Show(ctx, route, tool)
	switch {
	case errors.Is(err, toolpin.ErrNotFound):
		return true, nil
	case err != nil:
		return false, err
	case v.State == toolpin.Trusted.String(): // an operator approved it meanwhile
		return true, nil
	case was == "" || v.Hash != was: // not in use before, or another version waits
		return false, nil
	}
	if reason == "" {
		reason = "released"
	}
	_, err = t.book.Approve(ctx, toolpin.Verdict{Route: route, Tool: tool, Hash: was, Reason: reason, By: by})
	if errors.Is(err, toolpin.ErrVersion) || errors.Is(err, toolpin.ErrNoVersion) {
		return false, nil
	}
	return err == nil, err
}
