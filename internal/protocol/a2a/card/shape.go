package card

import "github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"

// nest says how the shape of a member's value is meant.
type nest uint8

const (
	leaf   nest = iota
	one         // the value has the shape
	each        // each element of the array has it
	eachOf      // each member of the object has it
	opaque      // any JSON: its members are the agent's own
)

// field is a member that a form of the card defines.
type field struct {
	name string
	// kept says that the member stays in the canonical form of 1.0 though it has
	// its default value: it is required, or it tells absent from default.
	kept bool
	nest nest
	in   shape
}

// shape is what the forms define for one object. It is immutable.
type shape struct {
	members *jsonrpc.Members
	fields  []field
}

func newShape(fields ...field) shape {
	s := shape{fields: fields}
	members := make([]jsonrpc.Member, len(fields))
	for i, f := range fields {
		members[i] = jsonrpc.Member{Name: f.name, Slot: jsonrpc.FirstSlot + i}
	}
	s.members = jsonrpc.NewMembers(members...)
	return s
}

// find returns the field called name, nil if there is none. The zero shape has
// none.
func (s shape) find(name string) *field {
	for i := range s.fields {
		if s.fields[i].name == name {
			return &s.fields[i]
		}
	}
	return nil
}

func must(name string) field                   { return field{name: name, kept: true} }
func may(name string) field                    { return field{name: name} }
func mayIn(name string, n nest, s shape) field { return field{name: name, nest: n, in: s} }
func mustIn(name string, n nest, s shape) field {
	return field{name: name, kept: true, nest: n, in: s}
}

// The shapes hold the members of both forms: a card may be both at once. Which
// of them are needed is decided where they are read.
var (
	scopesShape      = newShape(may("list"))
	requirementShape = newShape(mayIn("schemes", eachOf, scopesShape))
	flowShape        = newShape(
		must("authorizationUrl"), must("tokenUrl"), may("refreshUrl"), must("deviceAuthorizationUrl"), must("scopes"), may("pkceRequired"))
	flowsShape = newShape(
		mayIn(AuthorizationCode, one, flowShape), mayIn(ClientCredentials, one, flowShape), mayIn(DeviceCode, one, flowShape),
		mayIn(Implicit, one, flowShape), mayIn(Password, one, flowShape))
	schemeFields = []field{
		may("description"), must("location"), must("name"), must("scheme"), may("bearerFormat"),
		mustIn("flows", one, flowsShape), may("oauth2MetadataUrl"), must("openIdConnectUrl"),
	}
	insideShape = newShape(schemeFields...)
	schemeShape = newShape(append([]field{
		mayIn("apiKeySecurityScheme", one, insideShape), mayIn("httpAuthSecurityScheme", one, insideShape),
		mayIn("oauth2SecurityScheme", one, insideShape), mayIn("openIdConnectSecurityScheme", one, insideShape),
		mayIn("mtlsSecurityScheme", one, insideShape), must("type"), must("in"),
	}, schemeFields...)...)
	interfaceShape = newShape(must("url"), must("protocolBinding"), may("tenant"), must("protocolVersion"), must("transport"))
	providerShape  = newShape(must("url"), must("organization"))
	extensionShape = newShape(may("uri"), may("description"), may("required"), mayIn("params", opaque, shape{}))
	abilityShape   = newShape(must("streaming"), must("pushNotifications"), must("extendedAgentCard"), must("stateTransitionHistory"),
		mayIn("extensions", each, extensionShape))
	skillShape = newShape(must("id"), must("name"), must("description"), must("tags"), may("examples"), may("inputModes"), may("outputModes"),
		mayIn("securityRequirements", each, requirementShape), may("security"))
	signatureShape = newShape(must("protected"), must("signature"), mayIn("header", opaque, shape{}))
	cardShape      = newShape(
		must("name"), must("description"), must("version"), must("documentationUrl"), must("iconUrl"),
		mayIn("provider", one, providerShape), mustIn("capabilities", one, abilityShape), mayIn("securitySchemes", eachOf, schemeShape),
		must("defaultInputModes"), must("defaultOutputModes"), mustIn("skills", each, skillShape), mayIn("signatures", each, signatureShape),
		mustIn("supportedInterfaces", each, interfaceShape), mayIn("securityRequirements", each, requirementShape),
		must("url"), must("preferredTransport"), must("protocolVersion"), mayIn("additionalInterfaces", each, interfaceShape),
		may("security"), may("supportsAuthenticatedExtendedCard"))
)
