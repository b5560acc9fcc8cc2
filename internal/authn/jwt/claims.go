package jwt

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
)

// claims are those of a token that mean something here; the same names stand
// in the answer of an introspection endpoint.
type claims struct {
	iss, sub, clientID, jti, name string
	aud                           []string
	exp, nbf, iat                 float64 // seconds since 1970; NaN = not there
	scopes, roles                 []string
	sid                           string   // session and
	amr                           []string // how it was opened: of own tokens
	jkt, x5t                      string   // cnf: thumbprint of a DPoP key or of a client certificate
	active, tokenType             string
	idToken                       bool // holds what only ID and logout tokens do
}

// claimNames are the claims whose other spellings are refused.
var claimNames = [...]string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "scp", "cnf", "client_id", "azp", "active", "token_type"}

// Bounds on what a principal may carry.
const (
	maxSubject = 255
	maxScopes  = 256
)

// readClaims reads the payload of a token. rolesClaim may lead into objects by
// dots, or be a name that holds dots itself.
func readClaims(payload []byte, rolesClaim string) (claims, error) {
	c := claims{exp: math.NaN(), nbf: math.NaN(), iat: math.NaN()}
	rolesTop, rolesRest, _ := strings.Cut(rolesClaim, ".")
	err := jws.EachMember(payload, claimNames[:], func(name string, v jsontext.Value) error {
		if name == rolesClaim {
			c.roles = roleList(v)
		} else if name == rolesTop && rolesRest != "" {
			c.roles = rolesAt(v, rolesRest)
		}
		return c.set(name, v)
	})
	if err != nil {
		return c, err
	}
	if len(c.scopes) > maxScopes || len(c.roles) > maxScopes || len(c.aud) > maxScopes {
		return c, jws.Reason("too many scopes, roles or audiences")
	}
	return c, nil
}

// roleList reads a claim with roles; one of another form names none.
func roleList(v jsontext.Value) []string {
	roles, err := jws.Texts(v, maxSubject)
	if err != nil {
		return nil
	}
	return roles
}

// rolesAt follows a path of names; where it does not lead to a list of texts
// there are no roles.
func rolesAt(v jsontext.Value, path string) (roles []string) {
	top, rest, nested := strings.Cut(path, ".")
	if v.Kind() != '{' {
		return nil
	}
	err := jws.EachMember(v, nil, func(name string, v jsontext.Value) error {
		switch {
		case name == path || name == top && !nested:
			roles = roleList(v)
		case name == top:
			roles = rolesAt(v, rest)
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return roles
}

func (c *claims) set(name string, v jsontext.Value) (err error) {
	switch name {
	case "iss":
		c.iss, err = jws.Text(v, 1024)
	case "sub":
		c.sub, err = jws.Text(v, maxSubject)
	case "client_id":
		c.clientID, err = jws.Text(v, maxSubject)
	case "jti":
		c.jti, err = jws.Text(v, 512)
	case "name", "preferred_username", "username":
		if s, terr := jws.Text(v, maxSubject); terr == nil && c.name == "" { // for people only
			c.name = s
		}
	case "aud":
		c.aud, err = jws.Texts(v, 1024)
	case "exp":
		c.exp, err = numericDate(v)
	case "nbf":
		c.nbf, err = numericDate(v)
	case "iat":
		c.iat, err = numericDate(v)
	case "scope", "scp":
		err = c.addScopes(v)
	case "cnf":
		err = c.confirmation(v)
	case "token_type":
		c.tokenType, err = jws.Text(v, 32)
	case "at_hash", "c_hash", "events":
		c.idToken = true
	case "sid":
		if s, terr := jws.Text(v, maxSubject); terr == nil { // only own tokens are held to it
			c.sid = s
		}
	case "amr":
		if list, terr := jws.Texts(v, maxSubject); terr == nil {
			c.amr = list
		}
	case "active":
		c.active = string(v)
	}
	return err
}

func (c *claims) addScopes(v jsontext.Value) error {
	list, err := jws.Texts(v, 4096)
	if err != nil {
		return err
	}
	for _, s := range list {
		for scope := range strings.FieldsSeq(s) {
			if isScopeToken(scope) && !slices.Contains(c.scopes, scope) {
				c.scopes = append(c.scopes, scope)
			}
		}
	}
	return nil
}

// confirmation reads how a token is bound (RFC 7800). A way of binding that is
// not known cannot be checked, so such a token is refused.
func (c *claims) confirmation(v jsontext.Value) error {
	found := false
	err := jws.EachMember(v, []string{"jkt", "x5t#S256"}, func(name string, v jsontext.Value) (err error) {
		switch name {
		case "jkt":
			c.jkt, err = thumbprint(v)
		case "x5t#S256":
			c.x5t, err = thumbprint(v)
		default:
			err = jws.Reason("bound in a way that is not supported")
		}
		found = true
		return err
	})
	if err == nil && !found {
		err = jws.Reason("bound in a way that is not supported")
	}
	return err
}

func thumbprint(v jsontext.Value) (string, error) {
	s, err := jws.Text(v, 64)
	if err != nil {
		return "", err
	}
	if b, err := jws.Decode(s); err != nil || len(b) != sha256.Size {
		return "", jws.Reason("thumbprint is not a SHA-256 digest")
	}
	return s, nil
}

// maxDate is the last second of the year 9999.
const maxDate = 253402300799

func numericDate(v jsontext.Value) (float64, error) {
	if v.Kind() != '0' {
		return 0, jws.Reason("a date is not a number")
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f < 0 || f > maxDate {
		return 0, jws.Reason("a date is out of range")
	}
	return f, nil
}

// checkTimes checks exp, nbf and iat against the clock.
func (c *claims) checkTimes(cfg *Config, now time.Time) error {
	sec, leeway := float64(now.UnixNano())/1e9, cfg.Leeway.Seconds()
	switch {
	case math.IsNaN(c.exp):
		return jws.Reason("no exp")
	case sec >= c.exp+leeway:
		return jws.Reason("expired")
	case c.exp-sec > cfg.MaxLifetime.Seconds()+leeway:
		return jws.Reason("lives longer than max_lifetime")
	case c.nbf > sec+leeway:
		return jws.Reason("not valid yet")
	case c.iat > sec+leeway:
		return jws.Reason("issued in the future")
	case c.iat > c.exp, c.nbf > c.exp:
		return jws.Reason("ends before it begins")
	}
	return nil
}

func (c *claims) expires() time.Time { return time.Unix(0, int64(c.exp*1e9)) }

// principal makes the caller of verified claims. The two kinds of id cannot
// meet: an alias holds neither separator.
func (c *claims) principal(cfg *Config, kid, hash string) (portcullis.Principal, error) {
	p := portcullis.Principal{
		ID: cfg.Alias + "|" + c.sub, Name: c.name, Method: cfg.Method, KeyID: kid,
		Scopes: cfg.grant(c.scopes), Roles: c.roles, Expires: c.expires().Add(cfg.Leeway),
	}
	switch {
	case c.sub != "":
	case c.clientID != "":
		p.ID = cfg.Alias + "#" + c.clientID
	default:
		return portcullis.Principal{}, jws.Reason("no sub")
	}
	if c.jti != "" {
		p.KeyID = JTIHash(c.jti)
	} else if kid == "" {
		p.KeyID = "token:" + hash[:16]
	}
	return p, nil
}

// JTIHash is how logs and events name a token that has a jti: an id that
// somebody chose is not repeated.
func JTIHash(jti string) string {
	sum := sha256.Sum256([]byte(jti))
	return "jti:" + hex.EncodeToString(sum[:8])
}

// grant turns the scopes of a token into those of the gateway.
func (c *Config) grant(scopes []string) []string {
	var out []string
	add := func(s string) {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, s := range scopes {
		if mapped, ok := c.ScopeMap[s]; ok {
			for _, m := range mapped {
				add(m)
			}
			continue
		}
		if rest, ok := strings.CutPrefix(s, c.ScopePrefix); ok {
			add(rest)
		}
	}
	return out
}

// Ask returns the scope a client has to ask the issuer for so that a token
// grants the given scope of the gateway.
func (c *Config) Ask(scope string) string {
	best := ""
	for from, to := range c.ScopeMap {
		if slices.Contains(to, scope) && (best == "" || from < best) {
			best = from
		}
	}
	if best != "" {
		return best
	}
	return c.ScopePrefix + scope
}
