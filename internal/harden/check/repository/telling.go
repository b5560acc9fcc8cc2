package repository

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/credential"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
	"github.com/portcullis-dev/portcullis/internal/inspect/secret"
)

// telling reports whether what has the form of a credential means something in
// a file: a name beside a random value does where values are set, and code has
// many of that look; a made-up password is one in a setting, and a sample in a
// test. What is random, or has the form of one issuer, means something anywhere.
func telling(f tree.File, data []byte, p credential.Place) bool {
	switch p.Kind {
	case secret.KindKeyword, secret.KindPassword, secret.KindBearer:
		switch f.Ext() {
		case ".yaml", ".yml", ".json", ".toml", ".ini", ".conf", ".cfg", ".properties", ".tf", ".tfvars", ".xml", ".env":
			return !tree.Fixture(f.Path)
		}
		return false
	case secret.KindConnection:
		password, host, ok := address(data, p)
		if !ok {
			return true
		}
		if reserved(host) {
			return false
		}
		return !ofTest(f) || len(password) >= random
	case secret.KindPrivateKey:
		return !headOnly(data[p.Start:p.End])
	}
	return true
}

// random is the length from which a password in a test is none that somebody
// made up to read well.
const random = 12

var inAddress = regexp.MustCompile(`://[^\s/@:"'<>]{0,64}:([^\s"'<>]{1,128}?)@([a-zA-Z0-9._-]+)`)

// address returns password and host of the address that a credential stands in.
func address(data []byte, p credential.Place) (password, host string, ok bool) {
	const around = 256
	from, to := max(0, p.Start-around), min(len(data), p.End+around)
	if i := bytes.LastIndexByte(data[from:p.Start], '\n'); i >= 0 {
		from += i + 1
	}
	if i := bytes.IndexByte(data[p.End:to], '\n'); i >= 0 {
		to = p.End + i
	}
	for _, m := range inAddress.FindAllSubmatchIndex(data[from:to], -1) {
		if from+m[2] < p.End && p.Start < from+m[1] {
			return string(data[from+m[2] : from+m[3]]), string(data[from+m[4] : from+m[5]]), true
		}
	}
	return "", "", false
}

// reserved reports whether no host can have a name: RFC 2606 and RFC 6761 keep
// some for examples, and pages write "host".
func reserved(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "host" || host == "hostname" {
		return true
	}
	for _, name := range [...]string{"example.com", "example.net", "example.org", "example", "test", "invalid"} {
		if host == name || strings.HasSuffix(host, "."+name) {
			return true
		}
	}
	return false
}

// ofTest reports whether a file is a test by its name or place.
func ofTest(f tree.File) bool {
	base := strings.ToLower(f.Base())
	stem := strings.TrimSuffix(base, f.Ext())
	switch f.Ext() {
	case ".go", ".py", ".rb", ".rs":
		return strings.HasSuffix(stem, "_test") || strings.HasPrefix(stem, "test_") || tree.Fixture(f.Path)
	case ".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx":
		return strings.HasSuffix(stem, ".test") || strings.HasSuffix(stem, ".spec") || slices.Contains(strings.Split(f.Path, "/"), "__tests__")
	case ".txtar":
		return true
	}
	return tree.Fixture(f.Path)
}

// headOnly reports whether of a private key only the words around it stand in a
// string of a program, without a byte of the key: code that looks for keys, or
// puts together samples.
func headOnly(block []byte) bool {
	const begin, end = "-----BEGIN ", "-----"
	rest, ok := bytes.CutPrefix(block, []byte(begin))
	if !ok {
		return false
	}
	label, rest, ok := bytes.Cut(rest, []byte(end))
	return ok && (bytes.ContainsAny(label, "\"'`") || len(rest) > 0 && strings.ContainsRune("\"'`", rune(rest[0])))
}
