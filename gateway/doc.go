// Package gateway is the data plane: it takes a request through the guards of
// its route to the upstream and the reply back.
//
// The order of the phases stands in pipeline.go and nowhere else; which guards
// a route has is decided in build.go. A Gateway is an [http.Handler] whose
// routes can be replaced while it serves ([Gateway.Use]); a call in flight
// keeps the pipeline it began with.
//
// The package reads the caller's bytes once, into one pooled buffer, and
// forwards those bytes. It holds no state of a call after the call: sessions
// are sealed tokens (internal/session), counters and keys live in the guards.
package gateway
