package mtls

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Where a rule takes the name of a caller from.
const (
	FromURI        = "uri"        // subject alternative name, such as spiffe://…
	FromDNS        = "dns"        // subject alternative name
	FromEmail      = "email"      // subject alternative name
	FromCommonName = "subject.cn" // of the subject
)

// Value stands in Rule.ID for the text that was matched.
const Value = "{value}"

const maxValue = 256 // bytes of a name

// Rule gives the certificates it fits a name and rights.
type Rule struct {
	Issuer string   // common name of an authority that must be on the way up; "" = any
	From   string   // FromURI, FromDNS, FromEmail or FromCommonName
	Match  string   // pattern: * is any text without a separator, ** any text
	ID     string   // name of the caller, Value in it is what was matched; "" = Value
	Roles  []string // granted
	Scopes []string // granted
}

// Validate reports the first mistake, naming the field.
func (r Rule) Validate() error {
	if _, ok := separators(r.From); !ok {
		return fmt.Errorf("from: %q: want %q, %q, %q or %q", r.From, FromURI, FromDNS, FromEmail, FromCommonName)
	}
	if r.Match == "" || len(r.Match) > maxValue || strings.Contains(r.Match, "***") || !clean(r.Match, r.From == FromCommonName) {
		return fmt.Errorf("match: %q: want a name or a pattern such as %q", r.Match, "spiffe://example.org/agent/*")
	}
	if r.ID != "" && (len(r.ID) > maxValue || !clean(r.ID, true) || strings.ContainsAny(strings.ReplaceAll(r.ID, Value, ""), "{}")) {
		return fmt.Errorf("id: %q: want a name, in which %s stands for what was matched", r.ID, Value)
	}
	if strings.Contains(r.Match, "*") && r.ID != "" && !strings.Contains(r.ID, Value) {
		return fmt.Errorf("id: %q: gives all who fit the pattern one name: want %s in it", r.ID, Value)
	}
	if len(r.Scopes) == 0 && len(r.Roles) == 0 {
		return errors.New("scopes: want scopes or roles, or the rule lets nobody do anything")
	}
	return nil
}

// separators are the characters that * does not cross.
func separators(from string) (string, bool) {
	switch from {
	case FromURI:
		return "/", true
	case FromDNS:
		return ".", true
	case FromEmail:
		return "@", true
	case FromCommonName:
		return "", true
	}
	return "", false
}

// The ways in which a certificate has no name.
var (
	errNoRule    = errors.New("no_rule: no rule fits the certificate")
	errAmbiguous = errors.New("ambiguous: a rule fits several names of the certificate")
	errOddName   = errors.New("odd_name: a name of the certificate can be read in two ways")
)

// identity is who a certificate is.
type identity struct {
	id   string
	rule *Rule
}

// Rules map certificates to callers, the first that fits. They are immutable.
type Rules []Rule

// identify finds the rule for a certificate whose chain has been verified.
func (rs Rules) identify(leaf *x509.Certificate, chain []*x509.Certificate) (identity, error) {
	for i := range rs {
		r := &rs[i]
		if r.Issuer != "" && !issuedBy(chain, r.Issuer) {
			continue
		}
		names, err := namesOf(leaf, r.From)
		if err != nil {
			return identity{}, err
		}
		found := ""
		sep, _ := separators(r.From)
		pattern := r.Match
		if r.From == FromDNS {
			pattern = strings.ToLower(pattern)
		}
		for _, name := range names {
			if !match(pattern, name, sep) || name == found {
				continue
			}
			if found != "" {
				return identity{}, errAmbiguous
			}
			found = name
		}
		if found == "" {
			continue
		}
		id := found
		if r.ID != "" {
			id = strings.ReplaceAll(r.ID, Value, found)
		}
		return identity{id: id, rule: r}, nil
	}
	return identity{}, errNoRule
}

// issuedBy reports whether an authority of the chain has a common name.
func issuedBy(chain []*x509.Certificate, name string) bool {
	for _, c := range chain[1:] {
		if c.Subject.CommonName == name {
			return true
		}
	}
	return false
}

// namesOf returns the names of one kind. A name that two programs could read
// differently spoils the certificate: who issues such names may not know what
// they vouch for.
func namesOf(c *x509.Certificate, from string) ([]string, error) {
	var out []string
	add := func(name string, ok bool) error {
		if !ok || name == "" || len(name) > maxValue || !clean(name, from == FromCommonName) {
			return errOddName
		}
		out = append(out, name)
		return nil
	}
	var err error
	switch from {
	case FromURI:
		for _, u := range c.URIs {
			err = errors.Join(err, add(uriName(u, len(c.URIs))))
		}
	case FromDNS:
		for _, name := range c.DNSNames {
			err = errors.Join(err, add(strings.ToLower(name), !strings.Contains(name, "*"))) // a wildcard is many
		}
	case FromEmail:
		for _, name := range c.EmailAddresses {
			local, domain, ok := strings.Cut(name, "@")
			err = errors.Join(err, add(local+"@"+strings.ToLower(domain), ok && local != "" && domain != "" && !strings.Contains(domain, "@")))
		}
	case FromCommonName:
		n, text := commonNames(c)
		if n > 0 {
			err = add(text, n == 1)
		}
	}
	if err != nil {
		return nil, errOddName
	}
	return out, nil
}

// uriName returns a URI in its one form. A SPIFFE ID has to be the only URI of
// its certificate (SPIFFE X.509-SVID, section 2).
func uriName(u *url.URL, n int) (string, bool) {
	s := u.String()
	if u.User != nil || u.Fragment != "" || u.RawQuery != "" || u.ForceQuery || strings.ContainsAny(s, "%#?\\*") {
		return "", false
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(u.Path, "/"), "/") {
		if segment == "." || segment == ".." || segment == "" && u.Path != "" && u.Path != "/" {
			return "", false
		}
	}
	if u.Scheme == "spiffe" && (n != 1 || u.Host == "" || u.Host != strings.ToLower(u.Host) || u.Port() != "") {
		return "", false
	}
	return s, true
}

// commonNames returns how many common names a subject has, and the last.
func commonNames(c *x509.Certificate) (n int, text string) {
	commonName := asn1.ObjectIdentifier{2, 5, 4, 3}
	for _, a := range c.Subject.Names {
		if a.Type.Equal(commonName) {
			n++
			text, _ = a.Value.(string)
		}
	}
	return n, text
}

// clean accepts printable text without spaces at its ends. Outside common
// names it is ASCII without spaces.
func clean(s string, words bool) bool {
	if !utf8.ValidString(s) || s != strings.TrimSpace(s) {
		return false
	}
	for _, r := range s {
		if !words && (r <= 0x20 || r > 0x7e) || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// match compares a name with a pattern in which * stands for any text without
// a separator and ** for any text; neither stands for nothing. It takes time in
// proportion to the product of both lengths, whatever the pattern.
func match(pattern, name, separators string) bool {
	reach := make([]bool, len(name)+1) // positions of name that the pattern so far can end at
	reach[0] = true
	for i := 0; i < len(pattern); i++ {
		next := make([]bool, len(name)+1)
		switch {
		case pattern[i] != '*':
			for at := range len(name) {
				next[at+1] = reach[at] && name[at] == pattern[i]
			}
		default:
			cross := i+1 < len(pattern) && pattern[i+1] == '*'
			if cross {
				i++
			}
			for at := range len(name) {
				next[at+1] = (reach[at] || next[at]) && (cross || strings.IndexByte(separators, name[at]) < 0)
			}
		}
		reach = next
	}
	return reach[len(name)]
}
