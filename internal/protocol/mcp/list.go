package mcp

import (
	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// list is where the result of a list method keeps its entries, and which
// member of an entry names it.
type list struct {
	entries, name string
	kind          portcullis.TargetKind
	members       *jsonrpc.Members // of the result
	naming        *jsonrpc.Members // of an entry
}

var lists = map[string]*list{
	"tools/list":               newList("tools", "name", portcullis.TargetTool),
	"prompts/list":             newList("prompts", "name", portcullis.TargetPrompt),
	"resources/list":           newList("resources", "uri", portcullis.TargetResource),
	"resources/templates/list": newList("resourceTemplates", "uriTemplate", portcullis.TargetResource),
}

func newList(entries, name string, kind portcullis.TargetKind) *list {
	return &list{
		entries: entries, name: name, kind: kind,
		members: jsonrpc.NewMembers(jsonrpc.Member{Name: entries}),
		naming:  jsonrpc.NewMembers(jsonrpc.Member{Name: name}),
	}
}

// Lists reports whether the result of a method is a list that [FilterList]
// filters.
func Lists(method string) bool { return lists[method] != nil }

// FilterList returns reply, the answer to a list method, without the entries
// that allow refuses: what a caller sees is what the caller may use. Resource
// templates are asked about by their uriTemplate. The other bytes are those of
// reply, and if nothing was cut, which the second result tells, the slice is
// reply itself. Errors and answers to other methods are returned as they are.
//
// An entry that is cut is one that is no object, has no name, or has a name in
// a second spelling, which a client might read instead. The error, a
// *portcullis.Error of KindUpstream, says that the list itself cannot be read
// in one way.
//
// The reply must be a message that [Parse] accepted.
func FilterList(reply []byte, method string, allow func(portcullis.Target) bool) ([]byte, bool, error) {
	return FilterEntries(reply, method, func(t portcullis.Target, _ []byte) bool { return allow(t) })
}

// FilterEntries is [FilterList] for those that decide by the whole entry, which
// is a slice of reply. They are asked in order, once about each entry that has
// one name.
func FilterEntries(reply []byte, method string, allow func(t portcullis.Target, entry []byte) bool) ([]byte, bool, error) {
	l := lists[method]
	if l == nil {
		return reply, false, nil
	}
	at, err := l.find(reply)
	if err != nil || at.Kind == jsonrpc.Absent {
		return reply, false, err
	}
	array := reply[at.Start:at.End]
	var out []byte
	cut := false
	kept, behind := 0, int32(1) // where the entry before ends; behind the bracket at first
	first := int32(-1)          // where the first entry begins
	it := jsonrpc.Walk(array)
	for it.Next() {
		v := it.Value
		if first < 0 {
			first = v.Start
		}
		entry := array[v.Start:v.End:v.End]
		switch name, ok := l.nameOf(entry); {
		case ok && allow(portcullis.Target{Kind: l.kind, Name: name}, entry):
			if cut {
				from := behind
				if kept == 0 {
					from = v.Start
				}
				out = append(out, array[from:v.End]...)
			}
			kept++
		case !cut:
			cut = true
			out = append(make([]byte, 0, len(reply)), reply[:at.Start]...)
			if kept == 0 {
				out = append(out, array[:first]...)
			} else {
				out = append(out, array[:behind]...)
			}
		}
		behind = v.End
	}
	if it.Bad {
		return reply, false, unreadable("list with malformed entries")
	}
	if !cut {
		return reply, false, nil
	}
	return append(append(out, array[behind:]...), reply[at.End:]...), true, nil
}

// find returns where in a reply the entries are; absent if it is an error.
func (l *list) find(reply []byte) (jsonrpc.Value, error) {
	var found jsonrpc.Value
	result, base := resultOf(reply)
	it := jsonrpc.Walk(result)
	for it.Next() {
		switch {
		case it.Name.Is(result, l.entries):
			if found = it.Value; found.Kind != jsonrpc.Array {
				return jsonrpc.Value{}, unreadable("entries of a list are no array")
			}
		case l.members.Variant([]byte(it.Name.Text(result))):
			return jsonrpc.Value{}, unreadable("other spelling of the entries of a list")
		}
	}
	found.Start += base
	found.End += base
	return found, nil
}

// resultOf returns the result of a reply and where it begins.
func resultOf(reply []byte) ([]byte, int32) {
	it := jsonrpc.Walk(reply)
	for it.Next() {
		if it.Name.Is(reply, "result") {
			return it.Value.Raw(reply), it.Value.Start
		}
	}
	return nil, 0
}

// nameOf returns what names an entry; ok is false if nothing does in one way.
func (l *list) nameOf(entry []byte) (name string, ok bool) {
	if len(entry) == 0 || entry[0] != '{' {
		return "", false
	}
	it := jsonrpc.Walk(entry)
	for it.Next() {
		switch {
		case it.Name.Is(entry, l.name):
			if it.Value.Kind != jsonrpc.String || ok {
				return "", false
			}
			name, ok = it.Value.Text(entry), true
		case it.Name.Escaped || l.naming.Variant(entry[it.Name.Start+1:it.Name.End-1]):
			if l.naming.Variant([]byte(it.Name.Text(entry))) {
				return "", false
			}
		}
	}
	return name, ok && !it.Bad
}

func unreadable(detail string) *portcullis.Error {
	return &portcullis.Error{
		Kind:   portcullis.KindUpstream,
		Code:   portcullis.CodeInternal,
		Reason: "upstream_invalid",
		Detail: detail,
	}
}
