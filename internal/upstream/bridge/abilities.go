package bridge

// abilities are the capabilities of a client that decide what a server may ask
// of it. Clients with equal ones can share a server that learns them once.
type abilities uint8

const (
	canForm abilities = 1 << iota // elicitation by form
	canURL                        // elicitation by URL
	canSample
	canSampleTools
	canSampleContext
)

// abilitiesOf reads a ClientCapabilities object. Roots are not among them: a
// server asks for roots outside of any call, where no client can be reached.
func abilitiesOf(raw []byte) abilities {
	var can abilities
	add := func(bit abilities, path ...string) {
		if v := get(raw, path...); len(v) > 0 && v[0] == '{' {
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
func (a abilities) object() []byte {
	out := []byte("{")
	group := func(name string, on bool, parts ...part) {
		if !on {
			return
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(out, quote(name)...), ":{"...)
		first := true
		for _, p := range parts {
			if a&p.bit == 0 {
				continue
			}
			if !first {
				out = append(out, ',')
			}
			first = false
			out = append(append(out, quote(p.name)...), ":{}"...)
		}
		out = append(out, '}')
	}
	group("elicitation", a&(canForm|canURL) != 0, part{canForm, "form"}, part{canURL, "url"})
	group("sampling", a&canSample != 0, part{canSampleTools, "tools"}, part{canSampleContext, "context"})
	return append(out, '}')
}

type part struct {
	bit  abilities
	name string
}

// need returns the ability that a request of a server calls for, and whether
// it is a request that a client may be asked at all.
func need(m message) (abilities, bool) {
	switch m.method {
	case "elicitation/create":
		if text(get(m.params, "mode")) == "url" {
			return canURL, true
		}
		return canForm, true
	case "sampling/createMessage":
		if get(m.params, "tools") != nil {
			return canSample | canSampleTools, true
		}
		return canSample, true
	}
	return 0, false
}
