package schema

import (
	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// maxQuestion is the size of the schema of a question to the user, which is a
// flat form.
const maxQuestion = 32 << 10

// questions looks at the schemas of what a server asks the user
// (elicitation/create): clients hold answers to them, and not every client
// looks first. A question comes as a request of its own or, since 2026-07-28,
// inside the result of a call.
func (i *Inspector) questions(m *portcullis.Message) error {
	if i.c.Results == Off {
		return nil
	}
	switch m.Shape {
	case portcullis.ShapeRequest:
		if m.Method == "elicitation/create" {
			return i.question(m, m.Params)
		}
	case portcullis.ShapeResult:
		requests := member(m.Params, "inputRequests")
		for it := jsonrpc.Walk(requests); it.Next(); {
			if err := i.question(m, member(it.Value.Raw(requests), "params")); err != nil {
				return err
			}
		}
	}
	return nil
}

func (i *Inspector) question(m *portcullis.Message, params []byte) error {
	raw := member(params, "requestedSchema")
	if raw == nil {
		return nil
	}
	err := errTooLarge
	if len(raw) <= maxQuestion {
		_, err = Compile(raw, Options{Object: true})
	}
	if err == nil {
		return nil
	}
	return i.unusableReply(m, "the requestedSchema of a question "+err.Error())
}

// member returns the value of a member of an object; nil if there is none.
func member(object []byte, name string) []byte {
	for it := jsonrpc.Walk(object); it.Next(); {
		if it.Name.Is(object, name) {
			return it.Value.Raw(object)
		}
	}
	return nil
}
