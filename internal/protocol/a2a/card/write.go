package card

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Style is what differs between readers of one form.
type Style struct {
	// ScopeArrays writes the scopes of a requirement as an array, in place of the
	// object {"list": […]} of the specification: the Go SDK, up to 2.3.1 at the
	// least, reads nothing else.
	ScopeArrays bool
}

// jsonObject is built here and brought into canonical form at the end.
type jsonObject = map[string]any

// Marshal writes the card in a form, canonical and without signatures. A card
// without an interface of the version of a form cannot be written in it; [Both]
// then is the one that can.
func (c *Card) Marshal(form Form, style Style) ([]byte, error) {
	w := writer{form: form, style: style}
	raw, err := json.Marshal(w.card(c))
	if err = errors.Join(w.err, err); err != nil {
		return nil, fmt.Errorf("agent card: %w", err)
	}
	return canonical(raw)
}

// Version returns the version of the protocol that a form speaks of.
func (f Form) version() string {
	if f == V1 {
		return "1.0"
	}
	return "0.3"
}

// Has reports whether the card names an interface of the version of a form.
func (c *Card) Has(form Form) bool {
	return slices.ContainsFunc(c.Interfaces, func(i Interface) bool { return i.Version == form.version() })
}

type writer struct {
	form  Form
	style Style
	err   error
}

func (w *writer) card(c *Card) jsonObject {
	for _, f := range [...]Form{V1, V03} {
		if w.form == Both && !c.Has(f) {
			w.form &^= f
		}
	}
	if w.form == 0 || w.form != Both && !c.Has(w.form) {
		w.err = fmt.Errorf("no interface of version %s", w.form.version())
		return nil
	}
	m := jsonObject{
		"name": c.Name, "description": c.Description, "version": c.Version,
		"defaultInputModes": list(c.InputModes), "defaultOutputModes": list(c.OutputModes),
		"capabilities": w.capabilities(c.Capabilities),
	}
	text(m, "documentationUrl", c.DocumentationURL)
	text(m, "iconUrl", c.IconURL)
	if c.Provider != nil {
		m["provider"] = jsonObject{"url": c.Provider.URL, "organization": c.Provider.Organization}
	}
	if len(c.Schemes) > 0 {
		schemes := jsonObject{}
		for name, s := range c.Schemes {
			schemes[name] = w.scheme(s)
		}
		m["securitySchemes"] = schemes
	}
	w.requirements(m, c.Requirements)
	w.interfaces(m, c)
	if w.form&V03 != 0 && c.Capabilities.Extended {
		m["supportsAuthenticatedExtendedCard"] = true
	}
	skills := make([]jsonObject, len(c.Skills))
	for i, s := range c.Skills {
		skills[i] = w.skill(s)
	}
	m["skills"] = skills
	return m
}

func (w *writer) interfaces(m jsonObject, c *Card) {
	var newer, older []jsonObject
	for _, i := range c.Interfaces {
		in := jsonObject{"url": i.URL, "protocolBinding": i.Binding, "protocolVersion": i.Version}
		text(in, "tenant", i.Tenant)
		newer = append(newer, in)
		if i.Version != V03.version() || i.Tenant != "" { // 0.3 knows no tenants
			continue
		}
		if w.form&V03 != 0 && m["url"] == nil {
			m["url"], m["preferredTransport"], m["protocolVersion"] = i.URL, i.Binding, "0.3.0"
		}
		older = append(older, jsonObject{"url": i.URL, "transport": i.Binding})
	}
	if w.form&V1 != 0 {
		m["supportedInterfaces"] = newer
	}
	if w.form&V03 != 0 {
		if m["url"] == nil {
			w.err = errors.New("no interface of version 0.3 without a tenant")
		}
		m["additionalInterfaces"] = older
	}
}

func (w *writer) capabilities(c Capabilities) jsonObject {
	m := jsonObject{}
	flag(m, "streaming", c.Streaming)
	flag(m, "pushNotifications", c.PushNotifications)
	if w.form&V1 != 0 {
		flag(m, "extendedAgentCard", c.Extended)
	}
	if w.form&V03 != 0 {
		flag(m, "stateTransitionHistory", c.StateHistory)
	}
	var extensions []jsonObject
	for _, e := range c.Extensions {
		x := jsonObject{"uri": e.URI}
		text(x, "description", e.Description)
		flag(x, "required", e.Required)
		if e.Params != nil {
			x["params"] = e.Params
		}
		extensions = append(extensions, x)
	}
	if extensions != nil {
		m["extensions"] = extensions
	}
	return m
}

func (w *writer) skill(s Skill) jsonObject {
	m := jsonObject{"id": s.ID, "name": s.Name, "description": s.Description, "tags": list(s.Tags)}
	for name, words := range map[string][]string{"examples": s.Examples, "inputModes": s.InputModes, "outputModes": s.OutputModes} {
		if len(words) > 0 {
			m[name] = words
		}
	}
	w.requirements(m, s.Requirements)
	return m
}

func (w *writer) requirements(m jsonObject, needs []Requirement) {
	if len(needs) == 0 {
		return
	}
	var newer, older []jsonObject
	for _, n := range needs {
		schemes, plain := jsonObject{}, jsonObject{}
		for name, scopes := range n {
			plain[name] = list(scopes)
			switch {
			case w.style.ScopeArrays:
				schemes[name] = list(scopes)
			case len(scopes) == 0: // as Protocol Buffers write an empty list
				schemes[name] = jsonObject{}
			default:
				schemes[name] = jsonObject{"list": scopes}
			}
		}
		in := jsonObject{}
		if len(schemes) > 0 {
			in["schemes"] = schemes
		}
		newer, older = append(newer, in), append(older, plain)
	}
	if w.form&V1 != 0 {
		m["securityRequirements"] = newer
	}
	if w.form&V03 != 0 {
		m["security"] = older
	}
}

// scheme writes a scheme as the one-of of 1.0, as the typed object of 0.3, or
// as an object that is both.
func (w *writer) scheme(s Scheme) jsonObject {
	out := jsonObject{}
	if w.form&V03 != 0 {
		out = w.inside(s, "in")
		out["type"] = s.Type
	}
	if w.form&V1 != 0 {
		out[wrapped(s.Type)] = w.inside(s, "location")
	}
	return out
}

func (w *writer) inside(s Scheme, place string) jsonObject {
	m := jsonObject{}
	text(m, "description", s.Description)
	switch s.Type {
	case APIKey:
		m[place], m["name"] = s.In, s.Name
	case HTTPAuth:
		m["scheme"] = s.HTTPScheme
		text(m, "bearerFormat", s.BearerFormat)
	case OpenIDConnect:
		m["openIdConnectUrl"] = s.OpenIDURL
	case OAuth2:
		text(m, "oauth2MetadataUrl", s.MetadataURL)
		m["flows"] = w.flows(s, place == "location")
	case MutualTLS:
	default:
		w.err = errors.New("scheme of no type")
	}
	return m
}

// flows writes those of a scheme; in 1.0 they are a one-of, and the first, the
// safest, is it.
func (w *writer) flows(s Scheme, newer bool) jsonObject {
	out := jsonObject{}
	for _, name := range flowNames() {
		f, ok := s.Flows[name]
		if !ok || newer && len(out) > 0 || !newer && name == DeviceCode {
			continue
		}
		scopes := f.Scopes
		if scopes == nil {
			scopes = map[string]string{}
		}
		m := jsonObject{"scopes": scopes}
		text(m, "authorizationUrl", f.AuthorizationURL)
		text(m, "tokenUrl", f.TokenURL)
		text(m, "refreshUrl", f.RefreshURL)
		if newer {
			text(m, "deviceAuthorizationUrl", f.DeviceURL)
			flag(m, "pkceRequired", f.PKCE)
		}
		out[name] = m
	}
	return out
}

func text(m jsonObject, name, s string) {
	if s != "" {
		m[name] = s
	}
}

func flag(m jsonObject, name string, on bool) {
	if on {
		m[name] = true
	}
}

// list is never null.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
