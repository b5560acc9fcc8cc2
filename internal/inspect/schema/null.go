package schema

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// withoutNulls returns arguments without those that are null and need not be
// there. Many clients, the official suite's among them, send null for what was
// left out; to the schema of a server that says "string" it is no string. ok is
// false if there are none: what fails then, fails.
func (s *Schema) withoutNulls(arguments []byte) (rest []byte, ok bool) {
	rest = []byte{'{'}
	it := jsonrpc.Walk(arguments)
	for it.Next() {
		if it.Value.Kind == jsonrpc.Null && !slices.Contains(s.root.Required, it.Name.Text(arguments)) {
			ok = true
			continue
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		rest = append(append(append(rest, it.Name.Raw(arguments)...), ':'), it.Value.Raw(arguments)...)
	}
	rest = append(rest, '}')
	return rest, ok && !it.Bad && jsontext.Value(rest).IsValid()
}
