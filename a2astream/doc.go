// Package a2astream reads the events that an Agent2Agent agent streams, and
// holds each to the schema of its version before anything of it is used.
//
//	event, err := a2astream.ParseStreamEvent(data)
//	var invalid *a2astream.ValidationError
//	if errors.As(err, &invalid) {
//		log.Error("Invalid stream event", "path", invalid.Path, "rule", invalid.Rule)
//	}
//
// It reads version 1.0 (one of task, message, statusUpdate, artifactUpdate),
// version 0.3 (told apart by kind) and the events of agents that are older than
// both (told apart by type), each bare or as the result of a JSON-RPC answer.
//
// An event has one reading or none: duplicate names, other spellings of a
// member, two discriminators and two members of a one-of are refused. An error
// names path and rule, never anything that the agent sent, so that it can be
// logged (requirement S0-14).
package a2astream
