package a2a

import (
	"context"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Checked lets inspectors rewrite messages, and holds what they made of them to
// the schemas of the protocol again.
func Checked(list []portcullis.Inspector) []portcullis.Inspector {
	out := make([]portcullis.Inspector, len(list))
	for i, g := range list {
		out[i] = checked{g}
	}
	return out
}

type checked struct{ portcullis.Inspector }

// Inspect implements [portcullis.Inspector].
func (c checked) Inspect(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	was := m.Raw
	m, err := c.Inspector.Inspect(ctx, who, m)
	if err != nil || len(m.Raw) == 0 || len(was) == len(m.Raw) && &was[0] == &m.Raw[0] {
		return m, err
	}
	restore(m)
	_, err = a2a.Look(m)
	return m, err
}

// restore makes the parts of a message those of its raw text again.
func restore(m *portcullis.Message) {
	if m.Params = m.Raw; a2a.BindingOf(m) == a2a.JSONRPC {
		name := "params"
		if m.Direction == portcullis.ToClient {
			name = "result"
			if m.Shape == portcullis.ShapeError {
				name = "error"
			}
		}
		m.Params = member(m.Raw, name)
	}
	m.Arguments = nil
	if m.Direction == portcullis.ToServer && a2a.Sends(m.Method) {
		m.Arguments = member(m.Params, "message")
	}
}

func member(object []byte, name string) []byte {
	for it := jsonrpc.Walk(object); it.Next(); {
		if it.Name.Is(object, name) {
			return it.Value.Raw(object)
		}
	}
	return nil
}
