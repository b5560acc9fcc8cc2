package main

import (
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/portcullis-dev/portcullis/test/sampleagent"
)

// cmdAgent starts the sample agent and sets a variable to its URL: agent
// NAME VERSION BINDING [TOKEN]. One of the version "elsewhere" has a card that
// leads to another origin.
func cmdAgent(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: agent NAME VERSION BINDING [TOKEN]")
	}
	o := sampleagent.Options{Version: args[1], Binding: args[2]}
	if len(args) == 4 {
		o.Token = args[3]
	}
	if o.Version == "elsewhere" {
		o.Version = sampleagent.V1
		o.Card = func(c *a2a.AgentCard) { c.SupportedInterfaces[0].URL = "https://elsewhere.example/a2a" }
	}
	a := sampleagent.Start(o)
	w := worldOf(ts)
	w.upstreams = append(w.upstreams, a.Server)
	ts.Defer(a.Release)
	ts.Setenv(args[0], a.URL)
}
