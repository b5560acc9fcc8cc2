package card

import (
	"strconv"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Inspector looks at one text of a card. Its error refuses the card.
type Inspector func(path, text string) error

// Inspect shows every text of a card that people and models may read, names of
// members that no form defines included, to an inspector. It returns the first
// error.
func Inspect(raw []byte, look Inspector) error {
	if err := jsonrpc.ReadObject(raw, DefaultLimits()); err != nil {
		return err
	}
	return inspect(place{shape: cardShape}, raw, look)
}

// place is where in a card a value stands.
type place struct {
	path  string
	shape shape
	named bool // its members are called what the agent likes
}

func inspect(p place, raw []byte, look Inspector) error {
	switch v := jsonrpc.ValueOf(raw); v.Kind {
	case jsonrpc.String:
		return look(p.path, v.Text(raw))
	case jsonrpc.Object, jsonrpc.Array:
	default:
		return nil
	}
	i := 0
	for it := jsonrpc.Walk(raw); it.Next(); i++ {
		in := place{path: p.path + "[" + strconv.Itoa(i) + "]", shape: p.shape}
		if it.Name.Kind != jsonrpc.Absent {
			name := it.Name.Text(raw)
			if p.path == "" && name == "signatures" {
				continue
			}
			known := false
			if in, known = p.member(name, i); !known {
				if err := look(in.path, name); err != nil {
					return err
				}
			}
		}
		if err := inspect(in, it.Value.Raw(raw), look); err != nil {
			return err
		}
	}
	return nil
}

// member returns where a member stands, and whether its name is one that the
// forms define.
func (p place) member(name string, i int) (in place, known bool) {
	if !p.named {
		if f := p.shape.find(name); f != nil {
			return place{path: join(p.path, name), shape: f.in, named: f.nest == eachOf}, true
		}
	}
	in.path = p.path + "{" + strconv.Itoa(i) + "}"
	if p.named {
		in.shape = p.shape
	}
	return in, false
}
