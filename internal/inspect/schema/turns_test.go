package schema

import (
	"context"
	"strings"
	"testing"
)

// TestNobodyWaitsForNothing: a caller who left gets no turn, and nothing
// passes unchecked for it.
func TestNobodyWaitsForNothing(t *testing.T) {
	s, err := Compile([]byte(`{}`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	i := New(Default(), nil)
	for range maxHeavy {
		i.heavy <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f := i.check(ctx, s, []byte(`"`+strings.Repeat("x", heavyBytes)+`"`), "/a"); f == nil || f.Rule != "budget" {
		t.Errorf("%+v", f)
	}
	if f := i.check(ctx, s, []byte(`"x"`), "/a"); f != nil {
		t.Errorf("a small value: %+v", *f)
	}
	if len(i.heavy) != maxHeavy {
		t.Errorf("%d turns are taken, want %d", len(i.heavy), maxHeavy)
	}
}
