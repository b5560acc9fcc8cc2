package protobuf

import (
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
)

// maxValues bounds the values of an answer, those inside included, as maxFields
// does the fields of a request.
const maxValues = 200_000

var (
	errTooLarge  = errors.New("answer that is too large for gRPC")
	errUnknown   = errors.New("no method of the service")
	errNotSaid   = errors.New("answer that Protocol Buffers do not say")
	errNoSchemes = errors.New("card that cannot be read")
)

// AppendReply appends the frame of an answer: the result of a JSON-RPC response
// to a method, or that of one event of its stream. Members that the definition
// does not have are left out.
func (r *Room) AppendReply(dst []byte, name string, result []byte) ([]byte, error) {
	known, ok := methods(name)
	if !ok {
		return nil, errUnknown
	}
	defer r.enter(len(result))()
	start := len(dst)
	dst = append(dst, make([]byte, frameHead)...)
	m := known.reply()
	if name != a2a.DeletePushConfig { // whose answer says nothing
		if values(result) > maxValues {
			return nil, errTooLarge
		}
		if !exact(result) {
			return nil, errNotSaid
		}
		if name == a2a.GetExtendedAgentCard {
			var err error
			if result, err = withLists(result); err != nil {
				return nil, err
			}
		}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(result, m); err != nil {
			return nil, errNotSaid // the library's words hold the agent's
		}
	}
	dst, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, m)
	if err != nil {
		return nil, fmt.Errorf("%w: not to be written", errNotSaid)
	}
	return dst, head(dst[start:])
}

// values counts, at the most, what stands in JSON: members and elements.
func values(raw []byte) int {
	n, text := 1, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case !text && (c == ',' || c == '[' || c == '{'):
			n++
		}
	}
	return n
}

// withLists writes the scopes in the requirements of a card as the definition
// has them, {"list": […]}, where a route writes them as arrays for clients that
// read nothing else.
func withLists(raw []byte) ([]byte, error) {
	var card map[string]any
	if err := json.Unmarshal(raw, &card); err != nil {
		return nil, errNoSchemes
	}
	places := []map[string]any{card}
	skills, _ := card["skills"].([]any)
	for _, s := range skills {
		if skill, ok := s.(map[string]any); ok {
			places = append(places, skill)
		}
	}
	for _, p := range places {
		needs, _ := p["securityRequirements"].([]any)
		for _, n := range needs {
			need, _ := n.(map[string]any)
			schemes, _ := need["schemes"].(map[string]any)
			for name, scopes := range schemes {
				if list, ok := scopes.([]any); ok {
					schemes[name] = map[string]any{"list": list}
				}
			}
		}
	}
	return json.Marshal(card)
}
