package guard

import (
	"crypto/tls"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

// Bound is what a card's requirements come to with the credentials at hand.
type Bound struct {
	Appliers []Applier
	Schemes  []string // their names in the card, for people
}

// Binder matches credentials to what a card asks for.
type Binder struct {
	Card        *card.Card
	Credentials []Credential
	Allowed     []Origin          // beside the agent's own
	At          Origin            // of the agent
	Issuers     http.RoundTripper // to issuers of tokens
}

// Bind chooses the first requirement of the card that the credentials meet
// whole. A credential that the card has no use for is an error, as is a
// requirement that cannot be met: nothing is ever left out in silence.
func (b *Binder) Bind() (Bound, error) {
	have := b.Credentials
	if err := checkCredentials(have); err != nil {
		return Bound{}, err
	}
	if len(b.Card.Requirements) == 0 {
		return b.unasked(have)
	}
	var why []error
	open := false
	for _, req := range b.Card.Requirements {
		if len(req) == 0 {
			open = true
			continue
		}
		out, used, err := b.meet(req, have)
		if err != nil {
			why = append(why, err)
			continue
		}
		if used != len(have) {
			why = append(why, Faultf(ErrAuth, "%s would be left over", formNames[have[0].form]))
			continue
		}
		return out, nil
	}
	if open && len(have) == 0 {
		return Bound{}, nil
	}
	text := b.asked()
	if len(why) == 1 {
		text += ": " + strings.TrimPrefix(why[0].Error(), ErrAuth.Error()+": ")
	}
	return Bound{}, Faultf(ErrAuth, "%s", text)
}

// checkCredentials refuses two of one form: which one is meant would be a guess.
func checkCredentials(have []Credential) error {
	seen := map[form]bool{}
	for _, c := range have {
		if c.form == 0 {
			return Faultf(ErrAuth, "a credential is empty")
		}
		if seen[c.form] {
			return Faultf(ErrAuth, "there are two of %s", formNames[c.form])
		}
		seen[c.form] = true
		if c.form == formBasic && (c.user == "" || strings.Contains(c.user, ":") || hasControl(c.user)) {
			return Faultf(ErrAuth, "the name is empty or holds a colon or a control character")
		}
	}
	return nil
}

// asked says what a card requires, in words for people.
func (b *Binder) asked() string {
	options := Wants(b.Card)
	options = options[:min(len(options), 5)]
	text := "it wants " + strings.Join(options, ", or ")
	if len(b.Credentials) == 0 {
		return text + ", and there is none"
	}
	var have []string
	for _, c := range b.Credentials {
		have = append(have, formNames[c.form])
	}
	return text + ", and what there is is " + strings.Join(have, " and ")
}

// Wants says what a card requires, in words; any of it is enough.
func Wants(c *card.Card) []string {
	var out []string
	for _, r := range c.Requirements {
		var names []string
		for _, name := range slices.Sorted(maps.Keys(r)) {
			names = append(names, describe(name, c.Schemes[name]))
		}
		if len(names) == 0 {
			names = []string{"nothing"}
		}
		out = append(out, strings.Join(names, " with "))
	}
	return out
}

func describe(name string, s card.Scheme) string {
	switch s.Type {
	case card.APIKey:
		return "an API key"
	case card.HTTPAuth:
		switch strings.ToLower(s.HTTPScheme) {
		case "bearer":
			return "a bearer token"
		case "basic":
			return "a name and a password"
		}
		return "the HTTP scheme " + Words(s.HTTPScheme)
	case card.OAuth2:
		return "a token of OAuth 2.0"
	case card.OpenIDConnect:
		return "a token of OpenID Connect"
	case card.MutualTLS:
		return "a client certificate"
	}
	return "the scheme " + Words(name)
}

// unasked serves a card that requires nothing: what the caller gives is sent if
// the caller says where, or everybody knows where.
func (b *Binder) unasked(have []Credential) (Bound, error) {
	var out Bound
	for _, c := range have {
		switch {
		case c.form == formKey && c.in == "":
			return Bound{}, Faultf(ErrAuth, "its card does not say where an API key goes: say the place and the name")
		case c.form == formOAuth && c.oauth.TokenURL == "":
			return Bound{}, Faultf(ErrAuth, "its card names no issuer of tokens: say the URL")
		}
		a, err := b.applier(c, card.Scheme{}, nil)
		if err != nil {
			return Bound{}, err
		}
		out.Appliers = append(out.Appliers, a)
	}
	return out, nil
}

// meet finds a credential for every scheme of a requirement.
func (b *Binder) meet(req card.Requirement, have []Credential) (out Bound, used int, err error) {
	taken := map[int]bool{}
	for _, name := range slices.Sorted(maps.Keys(req)) {
		scheme, ok := b.Card.Schemes[name]
		if !ok {
			return out, 0, Faultf(ErrAuth, "its card requires a scheme that it does not describe")
		}
		i := slices.IndexFunc(have, func(c Credential) bool { return fits(c, scheme) })
		if i < 0 || taken[i] {
			return out, 0, Faultf(ErrAuth, "%s is missing", describe(name, scheme))
		}
		a, err := b.applier(have[i], scheme, req[name])
		if err != nil {
			return out, 0, err
		}
		taken[i] = true
		out.Appliers = append(out.Appliers, a)
		out.Schemes = append(out.Schemes, Words(name))
	}
	return out, len(taken), nil
}

// fits reports whether a credential is what a scheme asks for.
func fits(c Credential, s card.Scheme) bool {
	switch s.Type {
	case card.APIKey:
		return c.form == formKey
	case card.MutualTLS:
		return c.form == formCertificate
	case card.OAuth2, card.OpenIDConnect:
		return c.form == formBearer || c.form == formOAuth
	case card.HTTPAuth:
		switch strings.ToLower(s.HTTPScheme) {
		case "bearer":
			return c.form == formBearer || c.form == formOAuth && c.oauth.TokenURL != ""
		case "basic":
			return c.form == formBasic
		}
	}
	return false
}

// applier makes what puts a credential on requests.
func (b *Binder) applier(c Credential, s card.Scheme, scopes []string) (Applier, error) {
	switch c.form {
	case formBearer:
		return inHeader{what: "the token", name: "Authorization", before: "Bearer ", secret: c.secret}, nil
	case formBasic:
		return asBasic{user: c.user, secret: c.secret}, nil
	case formCertificate:
		if b.At.Scheme != "https" {
			return nil, Faultf(ErrAuth, "a client certificate is for https")
		}
		return inHandshake{}, nil
	case formOAuth:
		return b.issuer(c.oauth, s, scopes)
	case formKey:
		place, name := s.In, s.Name
		if s.Type == "" {
			place, name = c.in, c.name
		} else if c.in != "" && (c.in != place || !strings.EqualFold(c.name, name)) {
			return nil, Faultf(ErrAuth, "its card wants the API key in another place than was said")
		}
		return keyPlace(place, name, c.secret)
	}
	return nil, Faultf(ErrAuth, "nobody knows this form of credential")
}

// issuer checks where the secret of a client would go: where the caller says,
// or where the card says if that is of an origin the credential is for.
func (b *Binder) issuer(o OAuth, s card.Scheme, scopes []string) (Applier, error) {
	if o.ClientID == "" {
		return nil, Faultf(ErrAuth, "the id of the OAuth client is missing")
	}
	text, said := o.TokenURL, true
	if text == "" {
		flow, ok := s.Flows[card.ClientCredentials]
		if !ok || flow.TokenURL == "" {
			return nil, Faultf(ErrAuth, "its card names no issuer for client credentials: say the URL of tokens")
		}
		text, said = flow.TokenURL, false
	}
	_, at, err := ReadURL(text)
	if err != nil {
		return nil, Faultf(ErrAuth, "the URL of tokens: %v", err)
	}
	if !said && at != b.At && !slices.Contains(b.Allowed, at) {
		return nil, Faultf(ErrAuth, "its card names the issuer %s, which is another origin: say the URL of tokens, or allow that origin", at)
	}
	return newIssued(o, text, scopes, b.Issuers), nil
}

// ClientCertificate returns what the connections to the agent present, nil if the
// caller gave none.
func ClientCertificate(have []Credential) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	for _, c := range have {
		if c.form == formCertificate {
			return c.certificate
		}
	}
	return nil
}
