package card

import (
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// RawSkill is the entry of one skill as it stands in a card.
type RawSkill struct {
	ID  string
	Raw []byte
}

// Split takes a card that [Parse] accepted apart: what it says of the agent,
// without skills and signatures, and each skill.
func Split(raw []byte) (core []byte, skills []RawSkill) {
	core = members(raw, func(name string) bool { return name == "signatures" || name == "skills" })
	list := memberOf(raw, "skills")
	for it := jsonrpc.Walk(list); it.Next(); {
		one := it.Value.Raw(list)
		id := memberOf(one, "id")
		skills = append(skills, RawSkill{ID: jsonrpc.ValueOf(id).Text(id), Raw: one})
	}
	return core, skills
}

// Join puts together what [Split] took apart.
func Join(core []byte, skills []RawSkill) ([]byte, error) {
	if jsonrpc.ValueOf(core).Kind != jsonrpc.Object || len(core) < 3 {
		return nil, fmt.Errorf("agent card: nothing to put skills into")
	}
	out := append([]byte(nil), core[:len(core)-1]...)
	out = append(out, `,"skills":[`...)
	for i, s := range skills {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, s.Raw...)
	}
	return append(out, "]}"...), nil
}

func memberOf(object []byte, name string) []byte {
	for it := jsonrpc.Walk(object); it.Next(); {
		if it.Name.Is(object, name) {
			return it.Value.Raw(object)
		}
	}
	return nil
}
