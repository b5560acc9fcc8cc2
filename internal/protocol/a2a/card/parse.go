package card

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Bounds on what a card lists.
const (
	maxInterfaces = 32
	maxSkills     = 500
	maxSchemes    = 32
	maxNeeds      = 32
	maxScopes     = 100
	maxWords      = 200 // tags, examples, media types, extensions
	maxSignatures = 8
)

func (r *reader) card(raw []byte) *Card {
	o := r.object(value{"", jsonrpc.Object, raw}, cardShape)
	c := &Card{
		Name: r.filled(o.need("name"), shortText), Description: r.text(o.need("description"), longText), Version: r.text(o.need("version"), shortText),
		DocumentationURL: r.link(o.get("documentationUrl")), IconURL: r.link(o.get("iconUrl")),
	}
	if o.has("supportedInterfaces") {
		c.Form |= V1
	}
	if o.has("url") {
		c.Form |= V03
	}
	if c.Form == 0 {
		r.fail("supportedInterfaces", "missing, and so is the url of version 0.3")
	}
	if p := o.get("provider"); p.given() {
		in := r.object(p, providerShape)
		c.Provider = &Provider{URL: r.link(in.need("url")), Organization: r.text(in.need("organization"), shortText)}
	}
	r.interfaces(o, c)
	r.capabilities(o, c)
	r.each(o.get("securitySchemes"), maxSchemes, func(name string, v value) {
		if c.Schemes == nil {
			c.Schemes = map[string]Scheme{}
		}
		c.Schemes[name] = r.scheme(v)
	})
	c.Requirements = r.requirements(o)
	c.InputModes, c.OutputModes = r.modes(o, "defaultInputModes"), r.modes(o, "defaultOutputModes")
	ids := map[string]bool{}
	r.needList(o.get("skills"), maxSkills, func(v value) {
		s := r.skill(v)
		if ids[s.ID] {
			r.fail(v.path+".id", "there is another skill of this id")
		}
		ids[s.ID] = true
		c.Skills = append(c.Skills, s)
	})
	r.list(o.get("signatures"), maxSignatures, func(v value) {
		in := r.object(v, signatureShape)
		c.Signatures = append(c.Signatures, Signature{
			Protected: r.filled(in.need("protected"), 4096), Signature: r.filled(in.need("signature"), 4096), Header: r.opaque(in.get("header")),
		})
	})
	r.needed(c)
	return c
}

// needed checks that what is required is defined.
func (r *reader) needed(c *Card) {
	check := func(path string, needs []Requirement) {
		for _, n := range needs {
			for name := range n {
				if _, ok := c.Schemes[name]; !ok {
					r.fail(path, "names a scheme that is not in securitySchemes")
				}
			}
		}
	}
	check("securityRequirements", c.Requirements)
	for _, s := range c.Skills {
		check("skills.securityRequirements", s.Requirements)
	}
}

func (r *reader) interfaces(o object, c *Card) {
	add := func(i Interface) {
		if !slices.Contains(c.Interfaces, i) {
			c.Interfaces = append(c.Interfaces, i)
		}
	}
	if c.Form&V1 != 0 {
		r.list(o.get("supportedInterfaces"), maxInterfaces, func(v value) {
			in := r.object(v, interfaceShape)
			i := Interface{
				Binding: r.filled(in.need("protocolBinding"), shortText), Version: r.version(in.need("protocolVersion")),
				Tenant: r.text(in.get("tenant"), shortText),
			}
			i.URL = r.address(in.need("url"), i.Binding)
			add(i)
		})
		if len(c.Interfaces) == 0 {
			r.fail("supportedInterfaces", "empty")
		}
	}
	if c.Form&V03 == 0 {
		return
	}
	i := Interface{Binding: JSONRPC, Version: r.version(o.need("protocolVersion"))}
	if o.has("preferredTransport") {
		i.Binding = r.filled(o.get("preferredTransport"), shortText)
	}
	i.URL = r.address(o.get("url"), i.Binding)
	add(i)
	r.list(o.get("additionalInterfaces"), maxInterfaces, func(v value) {
		in := r.object(v, interfaceShape)
		j := Interface{Binding: r.filled(in.need("transport"), shortText), Version: i.Version}
		j.URL = r.address(in.need("url"), j.Binding)
		add(j)
	})
}

// version reads the version of a protocol as its first two numbers: those of a
// patch do not change what is spoken.
func (r *reader) version(v value) string {
	s := r.filled(v, 32)
	parts := strings.Split(s, ".")
	if len(parts) < 2 || len(parts) > 3 {
		r.fail(v.path, "not a version")
		return ""
	}
	for _, p := range parts {
		if p == "" || strings.Trim(p, "0123456789") != "" || len(p) > 1 && p[0] == '0' {
			r.fail(v.path, "not a version")
		}
	}
	return parts[0] + "." + parts[1]
}

func (r *reader) capabilities(o object, c *Card) {
	in := r.object(o.need("capabilities"), abilityShape)
	a := &c.Capabilities
	a.Streaming, a.PushNotifications = r.flag(in.get("streaming")), r.flag(in.get("pushNotifications"))
	a.StateHistory = r.flag(in.get("stateTransitionHistory"))
	a.Extended = r.flag(in.get("extendedAgentCard"))
	if older := o.get("supportsAuthenticatedExtendedCard"); older.given() {
		says := r.flag(older)
		if in.has("extendedAgentCard") && says != a.Extended {
			r.fail(older.path, "says something else than capabilities.extendedAgentCard")
		}
		a.Extended = says
	}
	r.list(in.get("extensions"), maxWords, func(v value) {
		e := r.object(v, extensionShape)
		a.Extensions = append(a.Extensions, Extension{
			URI: r.filled(e.need("uri"), urlText), Description: r.text(e.get("description"), longText),
			Required: r.flag(e.get("required")), Params: r.opaque(e.get("params")),
		})
	})
}

// modes reads a list of media types.
func (r *reader) modes(o object, name string) []string {
	if o.get(name).is(jsonrpc.Absent) {
		r.fail(name, "missing")
	}
	return r.texts(o.get(name), maxWords, shortText)
}

func (r *reader) skill(v value) Skill {
	in := r.object(v, skillShape)
	s := Skill{
		ID: r.filled(in.need("id"), shortText), Name: r.filled(in.need("name"), shortText), Description: r.text(in.need("description"), longText),
		Examples: r.texts(in.get("examples"), maxWords, longText), InputModes: r.texts(in.get("inputModes"), maxWords, shortText),
		OutputModes: r.texts(in.get("outputModes"), maxWords, shortText),
	}
	if in.get("tags").is(jsonrpc.Absent) {
		r.fail(in.get("tags").path, "missing")
	}
	s.Tags = r.texts(in.get("tags"), maxWords, shortText)
	s.Requirements = r.requirements(in)
	return s
}

// requirements reads those of 1.0, those of 0.3, or both if they say the same.
func (r *reader) requirements(o object) []Requirement {
	var newer, older []Requirement
	r.list(o.get("securityRequirements"), maxNeeds, func(v value) {
		in := r.object(v, requirementShape)
		n := Requirement{}
		r.each(in.get("schemes"), maxSchemes, func(name string, v value) { n[name] = r.scopes(v) })
		newer = append(newer, n)
	})
	r.list(o.get("security"), maxNeeds, func(v value) {
		n := Requirement{}
		if !v.is(jsonrpc.Object) {
			r.fail(v.path, "not an object")
		}
		r.each(v, maxSchemes, func(name string, v value) { n[name] = r.texts(v, maxScopes, shortText) })
		older = append(older, n)
	})
	if o.has("securityRequirements") && o.has("security") &&
		!slices.EqualFunc(newer, older, func(a, b Requirement) bool { return maps.EqualFunc(a, b, slices.Equal[[]string]) }) {
		r.fail(join(o.path, "security"), "says something else than securityRequirements")
	}
	if newer == nil {
		return older
	}
	return newer
}

// scopes reads {"list": […]}, or the array that the Go SDK writes in its place.
func (r *reader) scopes(v value) []string {
	if v.is(jsonrpc.Array) || !v.given() {
		return r.texts(v, maxScopes, shortText)
	}
	return r.texts(r.object(v, scopesShape).get("list"), maxScopes, shortText)
}

// wrapped are the names of the one-of of 1.0, by kind.
func wrapped(kind string) string {
	switch kind {
	case APIKey:
		return "apiKeySecurityScheme"
	case HTTPAuth:
		return "httpAuthSecurityScheme"
	case OAuth2:
		return "oauth2SecurityScheme"
	case OpenIDConnect:
		return "openIdConnectSecurityScheme"
	case MutualTLS:
		return "mtlsSecurityScheme"
	}
	return ""
}

func kinds() []string { return []string{APIKey, HTTPAuth, OAuth2, OpenIDConnect, MutualTLS} }

// scheme reads the one-of of 1.0, the typed object of 0.3, or both if they say
// the same.
func (r *reader) scheme(v value) Scheme {
	o := r.object(v, schemeShape)
	var found []Scheme
	for _, kind := range kinds() {
		if w := o.get(wrapped(kind)); w.given() {
			found = append(found, r.inside(r.object(w, insideShape), kind, "location"))
		}
	}
	if len(found) > 1 {
		r.fail(v.path, "more than one scheme")
	}
	if t := o.get("type"); t.given() {
		kind := r.filled(t, shortText)
		if !slices.Contains(kinds(), kind) {
			r.fail(t.path, "unknown type of scheme")
		}
		s := r.inside(o, kind, "in")
		if len(found) == 1 && !reflect.DeepEqual(found[0], s) {
			r.fail(v.path, "says something else in the form of 0.3 than in that of 1.0")
		}
		found = append(found, s)
	}
	if len(found) == 0 {
		r.fail(v.path, "no scheme")
		return Scheme{}
	}
	return found[0]
}

// inside reads the members of a scheme; place is what its form calls the
// location of an API key.
func (r *reader) inside(o object, kind, place string) Scheme {
	s := Scheme{Type: kind, Description: r.text(o.get("description"), longText)}
	switch kind {
	case APIKey:
		s.In, s.Name = r.filled(o.need(place), shortText), r.filled(o.need("name"), shortText)
		if s.In != "header" && s.In != "query" && s.In != "cookie" {
			r.fail(join(o.path, place), "not header, query or cookie")
		}
	case HTTPAuth:
		s.HTTPScheme, s.BearerFormat = r.filled(o.need("scheme"), shortText), r.text(o.get("bearerFormat"), shortText)
	case OpenIDConnect:
		s.OpenIDURL = r.secure(o.need("openIdConnectUrl"))
	case OAuth2:
		s.MetadataURL = r.secure(o.get("oauth2MetadataUrl"))
		in := r.object(o.need("flows"), flowsShape)
		s.Flows = map[string]Flow{}
		for _, name := range flowNames() {
			if in.has(name) {
				s.Flows[name] = r.flow(r.object(in.get(name), flowShape), name)
			}
		}
		if len(s.Flows) == 0 {
			r.fail(join(o.path, "flows"), "no flow")
		}
	}
	return s
}

func flowNames() []string {
	return []string{AuthorizationCode, ClientCredentials, DeviceCode, Implicit, Password}
}

func (r *reader) flow(o object, name string) Flow {
	f := Flow{RefreshURL: r.secure(o.get("refreshUrl")), PKCE: r.flag(o.get("pkceRequired"))}
	switch name {
	case AuthorizationCode:
		f.AuthorizationURL, f.TokenURL = r.secure(o.need("authorizationUrl")), r.secure(o.need("tokenUrl"))
	case ClientCredentials:
		f.TokenURL = r.secure(o.need("tokenUrl"))
	case DeviceCode:
		f.DeviceURL, f.TokenURL = r.secure(o.need("deviceAuthorizationUrl")), r.secure(o.need("tokenUrl"))
	case Implicit:
		f.AuthorizationURL = r.secure(o.need("authorizationUrl"))
	case Password:
		f.TokenURL = r.secure(o.need("tokenUrl"))
	}
	r.each(o.get("scopes"), maxScopes, func(name string, v value) {
		if f.Scopes == nil {
			f.Scopes = map[string]string{}
		}
		f.Scopes[name] = r.text(v, longText)
	})
	return f
}
