package guardrails

import (
	"errors"

	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

// MessageLimits bound one message.
type MessageLimits struct {
	Bytes  tomlstrict.Size `toml:"bytes" doc:"Size of a message."`
	Depth  int             `toml:"depth" doc:"Nesting of objects and arrays."`
	Array  int             `toml:"array" doc:"Elements of an array or members of an object."`
	String int             `toml:"string" doc:"Length of a string in bytes."`
}

// Validate checks the limits of a message.
func (l MessageLimits) Validate() error {
	return errors.Join(
		field.AtLeast("bytes", int64(l.Bytes), 1), field.AtLeast("depth", int64(l.Depth), 1),
		field.AtLeast("array", int64(l.Array), 1), field.AtLeast("string", int64(l.String), 1),
	)
}
