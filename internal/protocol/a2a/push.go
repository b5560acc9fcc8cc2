package a2a

import (
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// ReadPush reads what an agent sends to a receiver of notifications, and holds
// it to the schema of a version: that in which the receiver was registered, or
// another of versions, because agents that speak several send what they have.
// Anything that two versions would read differently is refused.
//
// The result is like that of [ReadReply] for an event of a stream over
// HTTP+JSON. It is about a task; a message that names none is refused.
func ReadPush(r *Reply, raw []byte, registered string, versions []string, limits jsonrpc.Limits) error {
	if err := jsonrpc.ReadObject(raw, limits); err != nil {
		return unreadable(err.Error())
	}
	kinds := 0
	for it := jsonrpc.Walk(raw); it.Next(); {
		if wrapped(raw, it.Name) != KindNone || it.Name.Is(raw, "kind") {
			kinds++
		}
	}
	if kinds != 1 {
		return unreadable("not one event")
	}
	candidates := []string{registered}
	for _, v := range versions {
		if !slices.Contains(candidates, v) {
			candidates = append(candidates, v)
		}
	}
	var first error
	for _, version := range candidates {
		call := portcullis.Message{Method: SubscribeToTask, Version: version, Suffix: "/"}
		err := ReadReply(r, raw, Answering{Call: &call, Status: 200, Limits: limits})
		switch {
		case err == nil && r.Shape != portcullis.ShapeResult:
			err = unreadable("an error")
		case err == nil && r.TaskID == "":
			err = unreadable("an event of no task")
		}
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	*r = Reply{}
	return first
}
