package url

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/inspect/invisible"
	"github.com/portcullis-dev/portcullis/internal/protocol/percent"
)

const (
	maxCustom     = 1000
	maxCustomName = 128
)

// exactNames are parameters whose value is hidden, in normal form: folded and
// without separators. The first two lines are the guide's own list (S1-7); the
// rest is what that list misses.
const exactNames = `
	token session key password auth sid accesstoken apikey secret apitoken
	bearer jwt csrf xsrf nonce salt hash
	apisecret clientsecret refreshtoken idtoken code state sig signature
	passwd pwd pass passphrase passcode otp totp mfacode pin credential
	credentials authorization authkey authcode sessionid sessid sess sessionkey
	phpsessid jsessionid aspsessionid aspnetsessionid cfid cftoken
	privatekey secretkey accesskey accesskeyid awsaccesskeyid googleaccessid
	keypairid samlresponse samlrequest saml relaystate samlart ticket assertion
	clientassertion codeverifier codechallenge oauthverifier oauthsignature
	logintoken authtoken sas sastoken hmac digest checksum cookie
	magic magiclink invitecode resetcode verificationcode usercode devicecode
	subscriptionkey functionkey webhook hdnea hdnts policy`

// suffixNames hide every parameter that ends in one of them: resetToken,
// x-api-key, user_password.
const suffixNames = `token secret password passwd passphrase apikey sessionid
	signature accesskey privatekey secretkey credential credentials jwt
	authcode sessid`

// strongNames are names that also mark the segment or word after them:
// /token/abc123, "password: x".
const strongNames = `token accesstoken refreshtoken idtoken jwt bearer secret
	apikey apitoken apisecret clientsecret password passwd pwd passphrase
	authtoken resettoken invite magic`

// signedPrefixes start the parameters of pre-signed URLs: X-Amz-Signature,
// X-Amz-Credential, X-Goog-Signature, x-oss-signature, x-ms-signature.
const signedPrefixes = "xamz xgoog xoss xms"

// Names knows which parameters of URLs carry secrets. It is immutable and safe
// for concurrent use.
type Names struct {
	exact    map[string]struct{}
	strong   map[string]struct{}
	suffixes []string
	prefixes []string
}

// NewNames returns the built-in parameter names and custom
// (`[security] custom_sensitive_params`, S1-8). It refuses a name that is empty
// once folded, longer than 128 bytes, and more than 1000 names.
func NewNames(custom []string) (*Names, error) {
	s := &Names{
		exact:    set(exactNames),
		strong:   set(strongNames),
		suffixes: strings.Fields(suffixNames),
		prefixes: strings.Fields(signedPrefixes),
	}
	if len(custom) > maxCustom {
		return nil, fmt.Errorf("custom sensitive parameters: %d names, at most %d", len(custom), maxCustom)
	}
	for _, name := range custom {
		n := Fold(name)
		if n == "" || len(name) > maxCustomName {
			return nil, fmt.Errorf("custom sensitive parameter %q: want a name of 1 to %d bytes", name, maxCustomName)
		}
		s.exact[n] = struct{}{}
	}
	return s, nil
}

func set(names string) map[string]struct{} {
	m := map[string]struct{}{}
	for _, n := range strings.Fields(names) {
		m[n] = struct{}{}
	}
	return m
}

// Sensitive reports whether the value of a parameter of this raw name is
// hidden. A name in brackets or behind a dot counts: user[token], auth.key.
func (s *Names) Sensitive(raw string) bool {
	name := DecodeAll(raw)
	if s.known(Fold(name)) {
		return true
	}
	if !strings.ContainsFunc(name, nameBreak) {
		return false
	}
	for part := range strings.FieldsFuncSeq(name, nameBreak) {
		if s.known(Fold(part)) {
			return true
		}
	}
	return false
}

func (s *Names) known(n string) bool {
	if n == "" {
		return false
	}
	if _, ok := s.exact[n]; ok {
		return true
	}
	for _, suffix := range s.suffixes {
		if strings.HasSuffix(n, suffix) {
			return true
		}
	}
	for _, prefix := range s.prefixes {
		if strings.HasPrefix(n, prefix) {
			return true
		}
	}
	return false
}

// Strong reports whether a name also marks the segment or word after it.
func (s *Names) Strong(raw string) bool {
	_, ok := s.strong[Fold(DecodeAll(raw))]
	return ok
}

// nameBreak reports whether r parts a compound parameter name.
func nameBreak(r rune) bool {
	return r < utf8.RuneSelf && r != '-' && r != '_' && r != '+' && r != ' ' &&
		!unicode.IsLetter(r) && !unicode.IsDigit(r)
}

// Fold brings a name to its normal form: case-folded, without separators,
// control and invisible characters.
func Fold(name string) string {
	ascii := true
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c >= utf8.RuneSelf {
			ascii = false
			break
		}
		if c < 'a' || c > 'z' {
			ascii = false
		}
	}
	if ascii {
		return name
	}
	var b strings.Builder
	for _, r := range name {
		if r == utf8.RuneError || r == '-' || r == '_' || r == '+' || unicode.IsSpace(r) || invisible.Rune(r) {
			continue
		}
		b.WriteRune(foldRune(r))
	}
	return b.String()
}

// foldRune maps a rune to the least of its simple case foldings, in lower case,
// so that U+017F and "S" both give "s".
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		return unicode.ToLower(r)
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return unicode.ToLower(least)
}

// DecodeAll decodes until nothing changes. Each round makes the text shorter,
// so it ends; names are short, so the bound is for hostile ones.
func DecodeAll(s string) string {
	for range 64 {
		d := percent.Decode(s)
		if d == s {
			return s
		}
		s = d
	}
	return s
}
