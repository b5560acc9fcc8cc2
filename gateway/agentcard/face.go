package agentcard

import (
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/authn/challenge"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls"
	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

// Names of the schemes that cards of the gateway have.
const (
	schemeKey    = "apiKey"
	schemeBearer = "bearer"
	schemeOIDC   = "openId"
	schemeBasic  = "basic"
	schemeMTLS   = "mutualTLS"
)

// FaceOf returns what a card says of a route: its URL, and each of its ways to
// prove who is calling, any of which is enough. Bindings and versions are those
// of the route, as the card writes them; what the route makes of push
// notifications and skills is left to the caller. listen is the address the
// gateway really listens on.
func FaceOf(cfg *config.Config, rc *config.Route, listen string, bindings, versions []string) card.Face {
	f := card.Face{URL: cfg.ResourceURL(rc, listen), Bindings: bindings, Versions: versions, Streaming: true, Schemes: map[string]card.Scheme{}}
	add := func(name string, s card.Scheme) {
		if _, ok := f.Schemes[name]; !ok {
			f.Schemes[name] = s
			f.Requirements = append(f.Requirements, card.Requirement{name: nil})
		}
	}
	metadata := "Access token; where to get one stands in " + base(f.URL, rc.Path) + challenge.MetadataPath(rc.Path)
	for _, method := range rc.Auth {
		switch method {
		case "api_key":
			add(schemeKey, card.Scheme{Type: card.APIKey, In: "header", Name: "X-API-Key", Description: "API key of the gateway"})
		case jwt.MethodOIDC:
			if issuer := cfg.Identity.OIDC.Issuer; strings.HasPrefix(issuer, "https://") {
				add(schemeOIDC, card.Scheme{Type: card.OpenIDConnect, OpenIDURL: strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"})
				continue
			}
			add(schemeBearer, card.Scheme{Type: card.HTTPAuth, HTTPScheme: "Bearer", BearerFormat: "JWT", Description: metadata})
		case basic.Method:
			add(schemeBasic, card.Scheme{Type: card.HTTPAuth, HTTPScheme: "Basic"})
		case mtls.Method:
			add(schemeMTLS, card.Scheme{Type: card.MutualTLS})
		case "none":
		default: // jwt, zkp: a token of an issuer, or of the gateway's own after a login
			add(schemeBearer, card.Scheme{Type: card.HTTPAuth, HTTPScheme: "Bearer", BearerFormat: "JWT", Description: metadata})
		}
	}
	f.Extended = len(f.Requirements) > 0
	if slices.Contains(rc.Auth, "none") {
		f.Requirements = nil // nobody has to prove anything
	}
	return f
}

func base(url, path string) string { return strings.TrimSuffix(url, path) }

// Signer signs cards with the gateway's ring, and says where its keys are.
func Signer(ring *signing.Ring, publicURL, path string) card.Signer {
	jku := base(publicURL, path) + signing.JWKSPath
	return func(payload []byte) (string, string, error) { return ring.SignDocument(payload, jku) }
}
