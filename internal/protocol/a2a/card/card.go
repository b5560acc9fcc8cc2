package card

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Forms of a card.
type Form uint8

// The forms. The zero Form is none.
const (
	V1   Form       = 1 << iota // A2A 1.0: supportedInterfaces
	V03                         // A2A 0.3: url, preferredTransport, additionalInterfaces
	Both = V1 | V03             // one document for readers of either
)

// String returns "1.0".
func (f Form) String() string {
	switch f {
	case V1:
		return "1.0"
	case V03:
		return "0.3"
	case Both:
		return "1.0 and 0.3"
	}
	return "none"
}

// Bindings that the specification defines.
const (
	JSONRPC  = "JSONRPC"
	HTTPJSON = "HTTP+JSON"
	GRPC     = "GRPC"
)

// Card is what an agent says of itself, whatever form it was written in.
type Card struct {
	Form                       Form
	Name, Description, Version string
	DocumentationURL, IconURL  string
	Provider                   *Provider
	Interfaces                 []Interface // the first is preferred
	Capabilities               Capabilities
	Schemes                    map[string]Scheme
	Requirements               []Requirement // any of them is enough
	InputModes, OutputModes    []string
	Skills                     []Skill
	Signatures                 []Signature
}

// Interface is one way to the agent. Version is that of the protocol, as
// "1.0".
type Interface struct{ URL, Binding, Version, Tenant string }

// Provider is who answers for the agent.
type Provider struct{ URL, Organization string }

// Capabilities are what the agent can do beyond single answers.
type Capabilities struct {
	Streaming, PushNotifications, Extended, StateHistory bool
	Extensions                                           []Extension
}

// Extension is an extension of the protocol that the agent speaks. Params are
// in canonical form, nil if there are none.
type Extension struct {
	URI, Description string
	Required         bool
	Params           json.RawMessage
}

// Skill is one thing that the agent can do.
type Skill struct {
	ID, Name, Description                   string
	Tags, Examples, InputModes, OutputModes []string
	Requirements                            []Requirement
}

// Requirement names the schemes that are needed together, with their scopes.
type Requirement map[string][]string

// Kinds of schemes, as 0.3 names them.
const (
	APIKey        = "apiKey"
	HTTPAuth      = "http"
	OAuth2        = "oauth2"
	OpenIDConnect = "openIdConnect"
	MutualTLS     = "mutualTLS"
)

// Scheme is one way to prove who is calling. Which fields count is said by
// Type.
type Scheme struct {
	Type, Description        string
	In, Name                 string // APIKey: "header", "query" or "cookie"
	HTTPScheme, BearerFormat string // HTTPAuth
	Flows                    map[string]Flow
	MetadataURL              string // OAuth2
	OpenIDURL                string // OpenIDConnect
}

// Names of flows.
const (
	AuthorizationCode = "authorizationCode"
	ClientCredentials = "clientCredentials"
	DeviceCode        = "deviceCode" // 1.0 only
	Implicit          = "implicit"
	Password          = "password"
)

// Flow is one OAuth 2.0 flow.
type Flow struct {
	AuthorizationURL, TokenURL, RefreshURL, DeviceURL string
	Scopes                                            map[string]string
	PKCE                                              bool
}

// Signature is one signature as it stands in a card.
type Signature struct {
	Protected, Signature string
	Header               json.RawMessage // canonical; nil if there is none
}

// Options of [Parse].
type Options struct {
	Limits jsonrpc.Limits // zero = [DefaultLimits]
	// InsecurePlainHTTP takes URLs of interfaces without TLS on other machines.
	InsecurePlainHTTP bool
}

// DefaultLimits bound a card as a document. What may be of what is bounded
// beside them.
func DefaultLimits() jsonrpc.Limits {
	return jsonrpc.Limits{MaxBytes: 256 << 10, MaxDepth: 16, MaxArray: 1000, MaxMembers: 500, MaxString: 32 << 10, MaxMethod: 1}
}

// Error says what is wrong with a card, by place and rule: never by value.
type Error struct{ Path, Rule string }

// Error returns "skills[2].id: missing".
func (e *Error) Error() string {
	if e.Path == "" {
		return "agent card: " + e.Rule
	}
	return "agent card: " + e.Path + ": " + e.Rule
}

// Errors of signatures.
var (
	ErrUnsigned   = errors.New("agent card: not signed")
	ErrNotTrusted = errors.New("agent card: no signature by a trusted key")
)

// Parse reads a card. Errors are [*Error] or, for what is no strict JSON,
// *portcullis.Error.
func Parse(raw []byte, o Options) (*Card, error) {
	if o.Limits == (jsonrpc.Limits{}) {
		o.Limits = DefaultLimits()
	}
	if err := jsonrpc.ReadObject(raw, o.Limits); err != nil {
		return nil, fmt.Errorf("agent card: %w", err)
	}
	r := &reader{plain: o.InsecurePlainHTTP}
	c := r.card(raw)
	if r.err != nil {
		return nil, r.err
	}
	return c, nil
}
