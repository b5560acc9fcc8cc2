package alert

import (
	"testing"

	"github.com/portcullis-dev/portcullis"
)

// TestBreakGlass: a grant wakes people by default, and its end belongs to it.
func TestBreakGlass(t *testing.T) {
	e := &portcullis.Event{Type: portcullis.EventBreakGlassGranted, Severity: portcullis.SeverityCritical, Resource: "break_glass:1", Reason: "ward 4"}
	granted, ok := read(e, Defaults())
	if !ok || granted.Severity != portcullis.SeverityCritical || granted.Summary != "Emergency access to health information was granted: break_glass:1" {
		t.Errorf("%+v, %t", granted, ok)
	}
	e.Type = portcullis.EventBreakGlassEnded
	ended, ok := read(e, Defaults())
	if !ok || !ended.ends || ended.Key != granted.Key {
		t.Errorf("%+v, %t; want the end of %s", ended, ok, granted.Key)
	}
}
