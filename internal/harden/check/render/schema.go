package render

import (
	_ "embed"
	"slices"
)

//go:embed report.schema.json
var schema []byte

// Schema returns the JSON Schema of a report in JSON, whose address is
// outcome.Schema.
func Schema() []byte { return slices.Clone(schema) }
