package card_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"
	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

// sdkCard is a card as the official Go SDK builds it.
func sdkCard() *a2a.AgentCard {
	old := a2a.NewAgentInterface("https://agent.example.com/old", a2a.TransportProtocolHTTPJSON)
	old.ProtocolVersion = a2av0.Version
	return &a2a.AgentCard{
		Name: "SDK agent", Description: "From the SDK", Version: "1.0.0",
		SupportedInterfaces: []*a2a.AgentInterface{
			a2a.NewAgentInterface("https://agent.example.com/a2a", a2a.TransportProtocolJSONRPC), old,
			a2a.NewAgentInterface("agent.example.com:443", a2a.TransportProtocolGRPC),
		},
		Capabilities:      a2a.AgentCapabilities{Streaming: true, ExtendedAgentCard: true, Extensions: []a2a.AgentExtension{{URI: "https://example.com/x", Params: map[string]any{"n": 1.5}}}},
		DefaultInputModes: []string{"text"},
		SecuritySchemes: a2a.NamedSecuritySchemes{
			"key":  a2a.APIKeySecurityScheme{Location: a2a.APIKeySecuritySchemeLocationHeader, Name: "X-Key"},
			"web":  a2a.HTTPAuthSecurityScheme{Scheme: "Bearer"},
			"oidc": a2a.OpenIDConnectSecurityScheme{OpenIDConnectURL: "https://as.example.com/.well-known/openid-configuration"},
			"cert": a2a.MutualTLSSecurityScheme{Description: "c"},
			"code": a2a.OAuth2SecurityScheme{Flows: a2a.AuthorizationCodeOAuthFlow{
				AuthorizationURL: "https://as.example.com/a", TokenURL: "https://as.example.com/t", Scopes: map[string]string{"r": "Read"}, PKCERequired: true}},
		},
		SecurityRequirements: a2a.SecurityRequirementsOptions{{"key": {}}, {"code": {"r"}, "cert": {}}},
		Skills:               []a2a.AgentSkill{{ID: "s", Name: "S", Description: "Does s", Tags: []string{"t"}, Examples: []string{"e"}}},
	}
}

// TestReadsTheSDK reads what the official SDK writes, in its own form and in
// the one for clients of 0.3.
func TestReadsTheSDK(t *testing.T) {
	raw, err := json.Marshal(sdkCard())
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(raw))
	if c.Form != card.V1 || len(c.Interfaces) != 3 || len(c.Schemes) != 5 || !c.Schemes["code"].Flows[card.AuthorizationCode].PKCE || c.Requirements[1]["code"][0] != "r" || c.OutputModes != nil {
		t.Errorf("%+v", c)
	}
	raw, err = a2av0.NewStaticAgentCardProducer(sdkCard()).(interface {
		CardJSON(ctx context.Context) ([]byte, error)
	}).CardJSON(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	both := parse(t, string(raw))
	if both.Form != card.Both || len(both.Interfaces) != 3 || len(both.Schemes) != 5 || !both.Capabilities.Extended {
		t.Errorf("%+v", both)
	}
}

// TestTheSDKReads has the official SDK read what is written here, in every form
// for readers of its version, and finds nothing lost: not even the signature,
// which is over what the SDK keeps.
func TestTheSDKReads(t *testing.T) {
	raw, err := json.Marshal(sdkCard())
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(raw))
	k := newKey(t, "k1", jose.EdDSA)
	style := card.Style{ScopeArrays: true}
	newer, err := c.Marshal(card.V1, style)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []card.Form{card.V1, card.Both} {
		out, err := c.Marshal(form, style)
		if err != nil {
			t.Fatal(err)
		}
		out = signed(t, out, k.sign(nil), newer)
		var read a2a.AgentCard
		if err := json.Unmarshal(out, &read); err != nil {
			t.Fatal(form, err)
		}
		again, err := json.Marshal(read)
		if err != nil {
			t.Fatal(err)
		}
		if kid, err := k.trusted(t).Verify(again); err != nil || kid != "k1" {
			t.Errorf("%s: what the SDK keeps of it does not verify: %v\n%s\n%s", form, err, newer, again)
		}
	}
	for _, form := range []card.Form{card.V03, card.Both} {
		out, err := c.Marshal(form, style)
		if err != nil {
			t.Fatal(err)
		}
		read, err := a2av0.NewAgentCardParser()(out)
		if err != nil {
			t.Fatal(form, err)
		}
		if read.Name != c.Name || len(read.SecuritySchemes) != 5 || len(read.SecurityRequirements) != 2 || len(read.Skills) != 1 || !read.Capabilities.ExtendedAgentCard || len(read.SupportedInterfaces) == 0 {
			t.Errorf("%s: %+v", form, read)
		}
	}
	// The form of the specification, which this version of the SDK cannot read
	// as soon as there are requirements.
	out, err := c.Marshal(card.V1, card.Style{})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out, []byte(`"code":{"list":["r"]}`)) || !bytes.Contains(out, []byte(`"key":{}`)) {
		t.Errorf("%s", out)
	}
	var read a2a.AgentCard
	if err := json.Unmarshal(out, &read); err == nil {
		t.Error("the SDK reads the form of the specification now: scope_arrays is not needed any more")
	}
}
