package a2a

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/config/field"
)

// GRPC is [route.a2a.grpc].
type GRPC struct {
	Agent bool     `toml:"agent" doc:"Whether the agent itself is spoken to in gRPC, at upstream. Callers speak JSON-RPC or gRPC then, in version 1.0."`
	Hosts []string `toml:"hosts" list:"text" example:"[\"planner.example.com\"]" doc:"Hosts, as callers name them, whose calls over gRPC are for this route. Empty: all that no other route names, which one route may be for."`
}

const bindingGRPC = "grpc"

// OffersGRPC reports whether callers may speak gRPC.
func (a A2A) OffersGRPC() bool { return slices.Contains(a.Bindings, bindingGRPC) }

// checkGRPC checks what the binding needs: the agent is asked in JSON-RPC, and
// the service is one of 1.0.
func (a A2A) checkGRPC() error {
	switch {
	case a.GRPC.Agent && slices.Contains(a.Bindings, "http+json"):
		return errors.New(`grpc.agent: an agent of gRPC answers no "http+json": leave it out of bindings`)
	case a.GRPC.Agent && !slices.Equal(a.Versions, []string{"1.0"}):
		return errors.New(`grpc.agent: want versions = ["1.0"], which is all that an agent of gRPC speaks`)
	case !a.OffersGRPC() && len(a.GRPC.Hosts) > 0:
		return errors.New(`grpc.hosts: have no effect without "grpc" in bindings`)
	case !a.OffersGRPC():
		return nil
	case !slices.Contains(a.Bindings, "jsonrpc"):
		return errors.New(`bindings: "grpc" needs "jsonrpc", in which the agent is asked`)
	case !slices.Contains(a.Versions, "1.0"):
		return errors.New(`bindings: "grpc" needs "1.0" in versions`)
	}
	for i, h := range a.GRPC.Hosts {
		if h == "" || h != strings.ToLower(h) || strings.HasSuffix(h, ".") || strings.ContainsAny(h, ":[]") || !field.IsHost(h) {
			return fmt.Errorf(`grpc.hosts[%d]: %q: want a host in lower case without a port, such as "planner.example.com"`, i, h)
		}
	}
	return nil
}

// Calls are the hosts of calls over gRPC that are for a route; "" stands for all
// that no route names.
func (a A2A) Calls() []string {
	switch {
	case !a.OffersGRPC():
		return nil
	case len(a.GRPC.Hosts) == 0:
		return []string{""}
	}
	return a.GRPC.Hosts
}
