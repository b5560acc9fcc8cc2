package secrets

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/authz/tool"
	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
)

// Types of credentials.
const (
	None     = "none"
	Bearer   = "bearer"
	Basic    = "basic"
	Header   = "header"
	Query    = "query"
	MTLS     = "mtls"
	OAuth    = "oauth"
	Exchange = "exchange"
	SigV4    = "sigv4"
)

// Credential is [route.credential]. A text in its place is the secret of a
// bearer token.
type Credential struct {
	Type       string   `toml:"type" enum:"bearer|basic|header|query|mtls|oauth|exchange|sigv4|none" doc:"How the upstream gets it: Authorization: Bearer; Authorization: Basic; a header field; a parameter of the URL (last resort: URLs are logged); a client certificate alone; a token of an OAuth client; a token exchanged for the caller's; a signature of AWS."`
	Secret     string   `toml:"secret" secret:"true" example:"\"secret://file/run/secrets/github\"" doc:"Reference to the token, password, key or client secret."`
	Username   string   `toml:"username" example:"\"portcullis\"" doc:"For basic: the name, or a reference to it."`
	Header     string   `toml:"header" example:"\"X-API-Key\"" doc:"For header: name of the field."`
	Prefix     string   `toml:"prefix" example:"\"Token \"" doc:"For header: text before the secret."`
	Parameter  string   `toml:"parameter" example:"\"api_key\"" doc:"For query: name of the parameter."`
	Cert       string   `toml:"cert" secret:"true" example:"\"secret://file/etc/portcullis/client.pem\"" doc:"Reference to a client certificate and its chain, PEM. For mtls, and beside any other type."`
	Key        string   `toml:"key" secret:"true" example:"\"secret://file/etc/portcullis/client.key\"" doc:"Reference to its key, PEM."`
	TokenURL   string   `toml:"token_url" example:"\"https://login.example.com/token\"" doc:"For oauth and exchange: token endpoint of the issuer."`
	ClientID   string   `toml:"client_id" example:"\"portcullis\"" doc:"For oauth and exchange: client that the gateway is at the issuer."`
	ClientAuth string   `toml:"client_auth" enum:"basic|body" doc:"For oauth and exchange: where the client's secret is sent."`
	Scopes     []string `toml:"scopes" list:"text" example:"[\"tools.read\"]" doc:"For oauth and exchange: scopes to ask for."`
	Resource   string   `toml:"resource" example:"\"https://mcp.example.com/mcp\"" doc:"For oauth and exchange: resource that the token is for (RFC 8707). By default the upstream; \"none\" leaves it out."`
	Audience   string   `toml:"audience" example:"\"mcp\"" doc:"For oauth and exchange: audience, for issuers that know no resource."`
	Region     string   `toml:"region" example:"\"us-east-1\"" doc:"For sigv4."`
	Service    string   `toml:"service" example:"\"bedrock-agentcore\"" doc:"For sigv4: name of the service in signatures."`
	KeyID      string   `toml:"key_id" secret:"true" example:"\"secret://env/AWS_ACCESS_KEY_ID\"" doc:"For sigv4: reference to the id of the access key; secret is its key."`
	Session    string   `toml:"session_token" secret:"true" example:"\"secret://env/AWS_SESSION_TOKEN\"" doc:"For sigv4: reference to the session token of a temporary key."`
}

// ToolCredential is one [[route.credentials]].
type ToolCredential struct {
	Tools []string `toml:"tools" list:"text" required:"true" example:"[\"github_*\"]" doc:"Tools whose calls get it instead of the route's; * stands for any text. The first table that matches counts."`
	Credential
}

// DefaultCredential returns the defaults of a credential: there is none.
func DefaultCredential() Credential { return Credential{Type: Bearer, ClientAuth: "basic"} }

// DefaultToolCredential returns the defaults of [[route.credentials]].
func DefaultToolCredential() ToolCredential { return ToolCredential{Credential: DefaultCredential()} }

// On reports whether there is a credential.
func (c Credential) On() bool { return c.Type != None && (c.Secret != "" || c.Cert != "") }

// Reference is a reference and the setting it stands in.
type Reference struct{ Field, Text string }

// References lists the references of a credential.
func (c Credential) References() []Reference {
	all := []Reference{{"secret", c.Secret}, {"cert", c.Cert}, {"key", c.Key}, {"key_id", c.KeyID}, {"session_token", c.Session}}
	if source.IsRef(c.Username) {
		all = append(all, Reference{"username", c.Username})
	}
	return slices.DeleteFunc(all, func(r Reference) bool { return r.Text == "" })
}

// needs says which settings a type must have; no other type may have them.
func needs(kind string) []string {
	switch kind {
	case Bearer:
		return []string{"secret"}
	case Basic:
		return []string{"secret", "username"}
	case Header:
		return []string{"secret", "header"}
	case Query:
		return []string{"secret", "parameter"}
	case MTLS:
		return []string{"cert", "key"}
	case OAuth, Exchange:
		return []string{"secret", "token_url", "client_id"}
	case SigV4:
		return []string{"secret", "region", "service", "key_id"}
	}
	return nil
}

// may says which further settings a type can have.
func may(kind string) []string {
	switch kind {
	case None:
		return nil
	case Header:
		return []string{"cert", "key", "prefix"}
	case OAuth, Exchange:
		return []string{"cert", "key", "scopes", "resource", "audience"}
	case SigV4:
		return []string{"cert", "key", "session_token"}
	}
	return []string{"cert", "key"}
}

func (c Credential) given() map[string]bool {
	return map[string]bool{
		"secret": c.Secret != "", "username": c.Username != "", "header": c.Header != "", "prefix": c.Prefix != "",
		"parameter": c.Parameter != "", "cert": c.Cert != "", "key": c.Key != "", "token_url": c.TokenURL != "",
		"client_id": c.ClientID != "", "scopes": len(c.Scopes) > 0, "resource": c.Resource != "", "audience": c.Audience != "",
		"region": c.Region != "", "service": c.Service != "", "key_id": c.KeyID != "", "session_token": c.Session != "",
	}
}

// Validate checks what a credential can know alone. A whole one that is left
// out is none.
func (c Credential) Validate() error {
	given := c.given()
	any := false
	for _, is := range given {
		any = any || is
	}
	if !any && (c.Type == Bearer || c.Type == None) {
		return nil
	}
	var errs []error
	want, can := needs(c.Type), may(c.Type)
	for _, name := range want {
		if !given[name] {
			errs = append(errs, fmt.Errorf("%s: needed for type = %q", name, c.Type))
		}
	}
	for _, name := range []string{"secret", "username", "header", "prefix", "parameter", "cert", "key", "token_url", "client_id", "scopes", "resource", "audience", "region", "service", "key_id", "session_token"} {
		if given[name] && !slices.Contains(want, name) && !slices.Contains(can, name) {
			errs = append(errs, fmt.Errorf("%s: has no effect with type = %q", name, c.Type))
		}
	}
	if given["cert"] != given["key"] && c.Type != MTLS {
		errs = append(errs, errors.New("cert: the certificate and its key go together"))
	}
	for _, r := range c.References() {
		if _, err := source.Parse(r.Text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.Field, err))
		}
	}
	return errors.Join(append(errs, c.checkTexts()...)...)
}

func (c Credential) checkTexts() []error {
	var errs []error
	if c.Username != "" && !source.IsRef(c.Username) && (strings.Contains(c.Username, ":") || !visible(c.Username)) {
		errs = append(errs, errors.New("username: want a name without a colon"))
	}
	if c.Header != "" && (!field.IsToken(c.Header) || forbidden(c.Header)) {
		errs = append(errs, fmt.Errorf("header: %q: want the name of a header field that is for credentials", c.Header))
	}
	if !visible(c.Prefix) {
		errs = append(errs, errors.New("prefix: holds a character that no header has"))
	}
	if c.Parameter != "" && !field.IsToken(c.Parameter) {
		errs = append(errs, fmt.Errorf("parameter: %q: want the name of a parameter", c.Parameter))
	}
	if c.TokenURL != "" {
		if err := httpapi.CheckURL(c.TokenURL); err != nil {
			errs = append(errs, fmt.Errorf("token_url: %w", err))
		}
	}
	for i, s := range c.Scopes {
		if s == "" || strings.ContainsAny(s, " \"\\") || !visible(s) {
			errs = append(errs, fmt.Errorf("scopes[%d]: want one scope", i))
		}
	}
	return errs
}

// forbidden are fields that mean something to the protocol or the connection.
func forbidden(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return strings.HasPrefix(name, "Mcp-") || slices.Contains([]string{
		"Host", "Connection", "Content-Length", "Content-Type", "Transfer-Encoding", "Accept", "Accept-Encoding", "Upgrade", "Te", "Trailer", "Expect", "Last-Event-Id",
	}, name)
}

func visible(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// Validate checks one [[route.credentials]].
func (t ToolCredential) Validate() error {
	var errs []error
	if len(t.Tools) == 0 {
		errs = append(errs, errors.New("tools: names no tool"))
	}
	if t.Type != None && !t.On() {
		errs = append(errs, errors.New(`secret: must be given; type = "none" sends no credential`))
	}
	if t.Cert != "" || t.Key != "" || t.Type == MTLS {
		errs = append(errs, errors.New("cert: a client certificate belongs to the connection, which all tools share: give it in route.credential"))
	}
	return errors.Join(append(errs, tool.Config{Allow: t.Tools}.Validate(), t.Credential.Validate())...)
}
