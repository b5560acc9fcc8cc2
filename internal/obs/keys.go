package obs

import (
	"strings"
)

// maxKey is how much of a name is looked at; the end counts.
const maxKey = 64

// foldKey returns name in lower case without anything that is no letter or
// digit, its last maxKey bytes.
func foldKey(buf *[maxKey]byte, name string) []byte {
	n := len(buf)
	for i := len(name); i > 0 && n > 0; {
		i--
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == 0xbf && i > 0 && name[i-1] == 0xc5: // ſ folds to s
			c, i = 's', i-1
		case c == 0xaa && i > 1 && name[i-1] == 0x84 && name[i-2] == 0xe2: // K folds to k
			c, i = 'k', i-2
		default:
			continue
		}
		n--
		buf[n] = c
	}
	return buf[n:]
}

// sensitiveEnds are the ends of names whose values are secrets.
func sensitiveEnds() []string {
	return []string{
		"password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "authorization",
		"cookie", "credential", "privatekey", "secretkey", "accesskey", "signingkey", "encryptionkey",
		"masterkey", "sessionkey", "session", "sessionid", "sid", "jwt", "bearer", "otp", "pin", "cvv", "ssn",
		"signature", "sig", "clientassertion", "codeverifier", "connectionstring",
	}
}

// sensitiveParts are parts of names whose values are secrets unless the name
// ends like a fact about the secret.
func sensitiveParts() []string {
	return []string{"password", "passwd", "passphrase", "privatekey", "apikey", "secretkey", "clientsecret"}
}

func harmlessEnds() []string {
	return []string{"id", "ids", "count", "length", "len", "policy", "name", "at", "age", "type", "ttl", "file", "path", "prefix"}
}

// keys decides by name which values are secrets. It is read-only once made.
type keys struct {
	ends, parts, harmless []string
}

// SensitiveName reports whether a value of that name is a credential, whatever
// the name's case and separators.
func SensitiveName(name string) bool { return newKeys(nil).sensitive(name) }

// newKeys returns the names known to be sensitive and those in more.
func newKeys(more []string) *keys {
	k := &keys{ends: sensitiveEnds(), parts: sensitiveParts(), harmless: harmlessEnds()}
	for _, name := range more {
		var buf [maxKey]byte
		if folded := foldKey(&buf, name); len(folded) > 0 {
			k.ends = append(k.ends, string(folded))
		}
	}
	return k
}

// sensitive reports whether a value of that name must not be shown: "Api-Key",
// "db_password", "refreshToken", "tokens".
func (k *keys) sensitive(name string) bool {
	var buf [maxKey]byte
	folded := foldKey(&buf, name)
	if len(folded) < 3 {
		return false
	}
	s := string(folded)
	if k.endsSensitive(s) || k.endsSensitive(strings.TrimSuffix(s, "s")) {
		return true
	}
	for _, part := range k.parts {
		if strings.Contains(s, part) {
			return !hasAnySuffix(s, k.harmless)
		}
	}
	return false
}

func (k *keys) endsSensitive(s string) bool {
	for _, end := range k.ends {
		if !strings.HasSuffix(s, end) {
			continue
		}
		// Short ends are words of their own or nothing: "pin", not "mapping".
		if len(end) > 3 || len(s) == len(end) || end == "pwd" || end == "jwt" {
			return true
		}
	}
	return false
}

func hasAnySuffix(s string, ends []string) bool {
	for _, end := range ends {
		if strings.HasSuffix(s, end) {
			return true
		}
	}
	return false
}
