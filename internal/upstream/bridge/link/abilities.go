package link

import "github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"

// Abilities are the capabilities of a client that decide what a server may ask
// of it. Clients with equal ones can share a server that learns them once.
type Abilities uint8

const (
	canForm Abilities = 1 << iota // elicitation by form
	canURL                        // elicitation by URL
	canSample
	canSampleTools
	canSampleContext
)

// AbilitiesOf reads a ClientCapabilities object. Roots are not among them: a
// server asks for roots outside of any call, where no client can be reached.
func AbilitiesOf(raw []byte) Abilities {
	var can Abilities
	add := func(bit Abilities, path ...string) {
		if v := wire.Get(raw, path...); len(v) > 0 && v[0] == '{' {
			can |= bit
		}
	}
	add(canForm, "elicitation", "form")
	add(canURL, "elicitation", "url")
	if can&canURL == 0 { // an empty object means forms
		add(canForm, "elicitation")
	}
	add(canSample, "sampling")
	add(canSampleTools, "sampling", "tools")
	add(canSampleContext, "sampling", "context")
	return can
}

// object is the ClientCapabilities object that declares them.
func (a Abilities) object() []byte {
	out := []byte("{")
	group := func(name string, on bool, parts ...part) {
		if !on {
			return
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(out, wire.Quote(name)...), ":{"...)
		first := true
		for _, p := range parts {
			if a&p.bit == 0 {
				continue
			}
			if !first {
				out = append(out, ',')
			}
			first = false
			out = append(append(out, wire.Quote(p.name)...), ":{}"...)
		}
		out = append(out, '}')
	}
	group("elicitation", a&(canForm|canURL) != 0, part{canForm, "form"}, part{canURL, "url"})
	group("sampling", a&canSample != 0, part{canSampleTools, "tools"}, part{canSampleContext, "context"})
	return append(out, '}')
}

type part struct {
	bit  Abilities
	name string
}

// Need returns the ability that a request of a server calls for, and whether
// it is a request that a client may be asked at all.
func Need(m wire.Message) (Abilities, bool) {
	switch m.Method {
	case "elicitation/create":
		if wire.Text(wire.Get(m.Params, "mode")) == "url" {
			return canURL, true
		}
		return canForm, true
	case "sampling/createMessage":
		if wire.Get(m.Params, "tools") != nil {
			return canSample | canSampleTools, true
		}
		return canSample, true
	}
	return 0, false
}
