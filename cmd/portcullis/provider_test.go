package main

import (
	"net/http/httptest"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/portcullis-dev/portcullis/test/kms"
	"github.com/portcullis-dev/portcullis/test/provider"
)

// cmdKMS starts a fake of AWS KMS and sets $KMS to its address.
func cmdKMS(ts *testscript.TestScript, _ bool, _ []string) {
	s := httptest.NewServer(kms.AWS("eu-central-1"))
	w := worldOf(ts)
	w.upstreams = append(w.upstreams, s)
	ts.Setenv("KMS", s.URL)
}

// cmdProvider starts a fake of the providers of keys and sets $PROVIDER to its
// address; "provider KEY STATE" says what becomes of a key from then on.
func cmdProvider(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	if w.provider == nil {
		w.provider = provider.New()
		s := httptest.NewServer(w.provider)
		w.upstreams = append(w.upstreams, s)
		ts.Setenv("PROVIDER", s.URL)
	}
	switch len(args) {
	case 0:
	case 2:
		state := provider.State(args[1])
		if state == "unknown" {
			state = ""
		}
		w.provider.Set(args[0], state)
	default:
		ts.Fatalf("usage: provider [KEY STATE]")
	}
}
