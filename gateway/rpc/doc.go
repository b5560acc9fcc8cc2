// Package rpc lets callers of agents speak gRPC. A call is rewritten as one over
// JSON-RPC to the route that its host leads to, goes through the pipeline of that
// route like any other, and what the pipeline answers is written back as gRPC.
// So there is no guard here, and none can be gone round: what is wrong with a
// call is found in the phase that finds it for all, the body is neither read nor
// parsed before somebody is known, and refusals are recorded, counted and told as
// ever.
package rpc
