package tool

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

func TestSet(t *testing.T) {
	s, err := NewSet([]string{"read_*", "pay", "file:///hr/*"})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		kind portcullis.TargetKind
		name string
		want bool
	}{
		{portcullis.TargetTool, "read_file", true},
		{portcullis.TargetTool, "pay", true},
		{portcullis.TargetTool, "payback", false},
		{portcullis.TargetPrompt, "read_me", true},
		{portcullis.TargetNone, "read_file", false},
		{portcullis.TargetResource, "file:///hr/pay.csv", true},
		{portcullis.TargetResource, "FILE:///hr/pay.csv", true},
		{portcullis.TargetResource, "file:///h%72/pay.csv", true},
		{portcullis.TargetResource, `file:///hr\pay.csv`, true},
		{portcullis.TargetResource, "file:///public/../hr/pay.csv", true},
		{portcullis.TargetResource, "file:///public/a/./b", true}, // several readings
		{portcullis.TargetResource, "file:///%25252525%2572", true},
		{portcullis.TargetResource, "file:///public/a", false},
	} {
		if got := s.Has(portcullis.Target{Kind: row.kind, Name: row.name}); got != row.want {
			t.Errorf("Has(%v %q) = %t", row.kind, row.name, got)
		}
	}
	none, err := NewSet(nil)
	if err != nil || !none.Empty() || none.Has(portcullis.Target{Kind: portcullis.TargetResource, Name: "file:///a/../b"}) {
		t.Errorf("the empty set has something: %v", err)
	}
	for _, bad := range [][]string{{""}, {"a", strings.Repeat("x", 513)}, make([]string, 1001)} {
		if _, err := NewSet(bad); err == nil {
			t.Errorf("NewSet(%.20q…) passed", bad)
		}
	}
}
