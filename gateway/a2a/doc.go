// Package a2a makes what a route to an A2A agent has beside what all routes
// have: the decoder with the bindings of the route, whose tasks and contexts
// are, which files messages may point to, and where notifications may go.
package a2a
