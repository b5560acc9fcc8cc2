package basic

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

const maxName = 128 // bytes, as typed and as stored

var errName = errors.New(`name: want 1 to 128 bytes of letters, digits and ". _ - @ +", beginning with a letter or digit`)

// Canonical returns the one form of a user name: width, case and composition
// make no difference (RFC 8265, UsernameCaseMapped). A colon ends the name in
// HTTP Basic; it and all signs but ". _ - @ +" are refused, so that a name is
// the same in a URL, a log and a command line.
func Canonical(name string) (string, error) {
	if len(name) > maxName {
		return "", errName
	}
	if plain(name) {
		return strings.ToLower(name), nil
	}
	return profile(name)
}

// plain reports whether a name is of ASCII letters, digits and the signs that
// names may have: then its form is the same in lower case.
func plain(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("._-@+", rune(c))) {
			return false
		}
	}
	return name != ""
}

// profile is Canonical for every name.
func profile(name string) (string, error) {
	if !utf8.ValidString(name) {
		return "", errName
	}
	out, err := precis.UsernameCaseMapped.String(name)
	if err != nil || out == "" || len(out) > maxName {
		return "", errName
	}
	// One pass is not always enough for PRECIS: a form that changes again is
	// no form to compare by.
	if again, err := precis.UsernameCaseMapped.String(out); err != nil || again != out {
		return "", errName
	}
	for i, r := range out {
		letter := unicode.IsLetter(r) || unicode.IsDigit(r)
		if i == 0 && !letter || !letter && !unicode.IsMark(r) && !strings.ContainsRune("._-@+", r) {
			return "", errName
		}
	}
	return out, nil
}

// opaque returns the form of a password that is hashed (RFC 8265,
// OpaqueString).
func opaque(password string) (string, error) {
	if password != "" && !strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r > '~' }) {
		return password, nil // ASCII has one form
	}
	return opaqueProfile(password)
}

// opaqueProfile is opaque for every password.
func opaqueProfile(password string) (string, error) {
	if !utf8.ValidString(password) {
		return "", errors.New("the password is not UTF-8")
	}
	out, err := precis.OpaqueString.String(password)
	if err != nil { // what exactly is wrong with it would tell of it
		return "", errors.New("the password holds characters that cannot be typed everywhere, such as control characters")
	}
	return out, nil
}

// newPassword checks a password that a user is to have. The error tells nothing
// of it but its length.
func (c Config) newPassword(name, password string) (string, error) {
	out, err := opaque(password)
	if err != nil {
		return "", err
	}
	if n := utf8.RuneCountInString(out); n < c.MinLength {
		return "", fmt.Errorf("the password has %d characters, want at least %d", n, c.MinLength)
	}
	if len(out) > c.MaxLength {
		return "", fmt.Errorf("the password has %d bytes, want at most %d", len(out), c.MaxLength)
	}
	folded, err := precis.UsernameCaseMapped.String(out)
	if err != nil {
		folded = strings.ToLower(out)
	}
	if strings.ReplaceAll(folded, name, "") == "" {
		return "", errors.New("the password is the name of the user")
	}
	return out, nil
}
