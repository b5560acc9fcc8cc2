package a2a

import (
	"strconv"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// FilterTasks returns the raw text of r, an answer to [ListTasks] that
// [ReadReply] accepted, without the tasks that allow refuses. It is asked once
// about each, in order, with the ids of task and context. A totalSize becomes
// the number of tasks that are left: it would tell how many others have. The
// other bytes are those of r.Raw, and if nothing changed, which the second
// result tells, the slice is r.Raw itself. Other answers are returned as they
// are.
func FilterTasks(r *Reply, allow func(task, context string) bool) ([]byte, bool) {
	if r.Kind != KindTasks || r.Shape != portcullis.ShapeResult {
		return r.Raw, false
	}
	base := int32(0)
	if BindingOf(&r.Message) == JSONRPC {
		base = member(r.Raw, "result").Start
	}
	result := r.Raw[base : int(base)+len(r.Params)]
	list, total := member(result, "tasks"), spelled(result, "totalSize", "total_size")
	kept, text := 0, []byte{'['}
	cut := false
	array := list.Raw(result)
	if list.Kind == jsonrpc.Array {
		for it := jsonrpc.Walk(array); it.Next(); {
			task := it.Value.Raw(array)
			if !allow(member(task, "id").Text(task), spelled(task, "contextId", "context_id").Text(task)) {
				cut = true
				continue
			}
			if kept++; kept > 1 {
				text = append(text, ',')
			}
			text = append(text, task...)
		}
	}
	text = append(text, ']')
	var edits []jsonrpc.Edit
	if cut {
		edits = append(edits, jsonrpc.Edit{Start: base + list.Start, End: base + list.End, Text: text})
	}
	if count := strconv.Itoa(kept); total.Kind == jsonrpc.Number && string(total.Raw(result)) != count {
		e := jsonrpc.Edit{Start: base + total.Start, End: base + total.End, Text: []byte(count)}
		if edits = append(edits, e); len(edits) == 2 && edits[1].Start < edits[0].Start {
			edits[0], edits[1] = edits[1], edits[0]
		}
	}
	return jsonrpc.Splice(r.Raw, edits), len(edits) > 0
}
