// Package credential finds credentials in files: by the detectors that also
// look into messages, and by the names under which values stand.
package credential

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
	"github.com/portcullis-dev/portcullis/internal/inspect/secret"
)

// least is the score from which a finding is one: a weaker one has the form of
// a credential and not its checksum.
const least = 60

// Place is a credential in a text. It holds no byte of it.
type Place struct {
	Line       int
	Start, End int    // bytes
	Kind       string // "secret.github"
}

// In returns the credentials in a text.
func In(text []byte) []Place {
	var out []Place
	line, from := 1, 0
	for _, f := range secret.New("", nil).Find(nil, text) {
		if f.Score < least {
			continue
		}
		line += bytes.Count(text[from:f.Start], []byte("\n"))
		from = f.Start
		out = append(out, Place{Line: line, Start: f.Start, End: f.End, Kind: f.Kind})
	}
	for _, m := range userinfo.FindAllSubmatchIndex(text, -1) {
		covered := slices.ContainsFunc(out, func(p Place) bool { return p.Start < m[3] && m[2] < p.End })
		if !covered && !filled(string(text[m[2]:m[3]])) {
			out = append(out, Place{Line: 1 + bytes.Count(text[:m[2]], []byte("\n")), Start: m[2], End: m[3], Kind: secret.KindConnection})
		}
	}
	slices.SortFunc(out, func(a, b Place) int { return a.Start - b.Start })
	return out
}

// userinfo is a password in an address.
var userinfo = regexp.MustCompile(`\b(?:https?|ftp|git\+https)://[^\s/:@"'<>{}$]{1,64}:([^\s/:@"'<>{}$]{6,128})@[a-zA-Z0-9]`)

// Under reports whether the value that stands under a name looks like a real
// credential: it has the form of one, or is random beside a telling name.
func Under(name, value string) bool {
	if filled(value) {
		return false
	}
	for _, f := range secret.New("", nil).FindUnder(nil, []byte(name), []byte(value)) {
		if strong(f) {
			return true
		}
	}
	return false
}

func strong(f finding.Finding) bool { return f.Score >= least }

// Written reports whether a credential is written out: any value under a name
// that says password, secret, token or key, or what [Under] finds. Where values
// are meant for use, a weak one is as bad as a strong one.
func Written(name, value string) bool {
	return Telling(name) && !filled(value) && !harmless(value) || Under(name, value)
}

// Configured reports whether a credential is written out where a client or an
// agent is told what to send: [Written], and what stands behind the scheme of
// an Authorization header.
func Configured(name, value string) bool {
	switch strings.ToLower(name) {
	case "authorization", "proxy-authorization":
		scheme, token, ok := strings.Cut(strings.TrimSpace(value), " ")
		if !ok {
			token = scheme // a key without a word before it
		}
		return !Reference(token) && len(strings.TrimSpace(token)) > 7 || ok && !Reference(token) && len(strings.TrimSpace(token)) > 3
	case "cookie":
		_, token, ok := strings.Cut(value, "=")
		return ok && !Reference(token) && len(strings.TrimSpace(token)) > 7
	}
	return !Reference(value) && Written(name, value)
}

// Argument reports whether an argument of a command is a credential, or is the
// option before one: "--api-key=…", "--api-key …", "Authorization: Bearer …".
func Argument(args []string, i int) bool {
	a := args[i]
	if header, token, ok := strings.Cut(a, ":"); ok && Configured(header, strings.TrimSpace(token)) {
		return true
	}
	if strings.HasPrefix(a, "-") {
		name, v, ok := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if !ok && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			v = args[i+1]
		}
		if Configured(strings.ReplaceAll(name, "-", "_"), v) {
			return true
		}
	}
	return len(In([]byte(a))) > 0
}

// Reference reports whether a value is filled in by whoever reads the file.
func Reference(v string) bool {
	v = strings.TrimSpace(v)
	return v == "" || strings.Contains(v, "${") || strings.HasPrefix(v, "$") || strings.HasPrefix(v, "<") || strings.HasPrefix(v, "secret://") || strings.HasPrefix(strings.ToUpper(v), "YOUR")
}

// hump is where a word of a name such as clientSecret begins.
var hump = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// Telling reports whether a name is one of a credential.
func Telling(name string) bool {
	n := strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(hump.ReplaceAllString(name, "${1}_$2")))
	for _, end := range [...]string{"_FILE", "_PATH", "_DIR", "_NAME", "_ID", "_URL", "_LENGTH", "_TTL", "_HEADER", "_TYPE", "_MODE", "_ENABLED", "_PUBLIC_KEY"} {
		if strings.HasSuffix(n, end) {
			return false
		}
	}
	for _, end := range [...]string{
		"PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "SECRET_KEY", "TOKEN", "API_KEY", "APIKEY", "ACCESS_KEY", "PRIVATE_KEY",
		"CREDENTIALS", "ENCRYPTION_KEY", "SIGNING_KEY", "JWT_KEY", "AUTH_KEY", "MASTER_KEY", "CONNECTION_STRING",
	} {
		if n == end || strings.HasSuffix(n, "_"+end) || strings.HasSuffix(n, "PASSWORD") && end == "PASSWORD" {
			return true
		}
	}
	return false
}

// filled reports whether a value is nothing, or comes from elsewhere.
func filled(value string) bool {
	v := strings.TrimSpace(value)
	return v == "" || strings.HasPrefix(v, "$") || strings.HasPrefix(v, "<") || strings.Contains(v, "${") || strings.Contains(v, "{{") ||
		strings.HasPrefix(v, "/") || strings.HasPrefix(v, "secret://") || strings.HasPrefix(v, "vault:") || strings.HasPrefix(v, "arn:")
}

// harmless reports whether a value is a switch or a number.
func harmless(value string) bool {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "true", "false", "yes", "no", "on", "off", "none", "null", "optional", "required":
		return true
	}
	return strings.Trim(value, "0123456789") == "" && len(value) < 4
}
