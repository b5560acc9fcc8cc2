// Package envfile judges files of environment variables: examples that hold
// real values, values that anybody would guess, and who may read them.
package envfile

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/credential"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
	"github.com/portcullis-dev/portcullis/internal/harden/check/trust"
)

// File is a file of environment variables.
type File struct {
	path    string
	mode    fs.FileMode
	example bool // it shows which variables there are
	vars    []variable
}

type variable struct {
	name, value string
	line        int
}

// maxVariables bounds a file.
const maxVariables = 5000

// Find returns the files of environment variables of a tree.
func Find(t *tree.Tree) []string {
	return t.Named(func(f tree.File) bool {
		base := f.Base()
		return base == ".env" || strings.HasPrefix(base, ".env.") || f.Ext() == ".env" || base == "env.example"
	})
}

// Load reads a file of environment variables.
func Load(_ context.Context, t *tree.Tree, name string) (*File, error) {
	data, err := t.Read(name)
	if err != nil {
		return nil, err
	}
	f, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	if file, ok := t.File(name); ok {
		f.mode = file.Mode
	}
	return f, nil
}

func parse(name string, data []byte) (*File, error) {
	f := &File{path: name}
	for _, word := range [...]string{"example", "sample", "template", "dist"} {
		f.example = f.example || strings.Contains(name[strings.LastIndexByte(name, '/')+1:], word)
	}
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "export "))
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			continue // a value of several lines, or a note
		}
		if len(f.vars) == maxVariables {
			return nil, fmt.Errorf("%s:%d: holds more than %d variables", name, i+1, maxVariables)
		}
		value = strings.TrimSpace(value)
		if len(value) > 1 && (value[0] == '"' || value[0] == '\'') && strings.IndexByte(value[1:], value[0]) >= 0 {
			value = value[1 : 1+strings.IndexByte(value[1:], value[0])]
		} else {
			value, _, _ = strings.Cut(value, " #")
		}
		f.vars = append(f.vars, variable{strings.TrimSpace(key), strings.TrimSpace(value), i + 1})
	}
	return f, nil
}

// Rule is a rule about files of environment variables.
type Rule = rule.Rule[*File]

func of(m rule.Meta, check func(*File) []rule.Finding) Rule {
	m.Kind = rule.Env
	return Rule{Meta: topic.Secret.Of(m), Check: func(_ context.Context, f *File) ([]rule.Finding, error) { return check(f), nil }}
}

func (f *File) each(bad func(variable) string) []rule.Finding {
	var found []rule.Finding
	for _, v := range f.vars {
		if message := bad(v); message != "" {
			found = append(found, rule.Finding{Message: message, File: f.path, Line: v.line})
		}
	}
	return found
}

// weak are values that everybody tries first.
func weak(value string) bool {
	switch strings.ToLower(value) {
	case "changeme", "change-me", "password", "secret", "admin", "test", "root", "postgres", "123456", "12345678", "qwerty", "letmein", "default", "example", "token", "passw0rd", "dev", "development":
		return true
	}
	return false
}

// Rules returns all rules about files of environment variables.
func Rules() []Rule {
	return []Rule{
		of(rule.Meta{
			ID: "env-example-real", Severity: rule.Critical, Title: "Examples hold no real values",
			Why:    "The example is committed: what was copied into it from a real file is published.",
			Guides: []string{"S0-43", "S0-57"}, CWE: []string{"CWE-798"}, Verify: "Try the value where it would be used.", Fix: "Leave the value empty or write what it stands for: API_KEY=<your key>; revoke what stood there.",
		}, func(f *File) []rule.Finding {
			if !f.example {
				return nil
			}
			return f.each(func(v variable) string {
				if credential.Under(v.name, v.value) || len(credential.In([]byte(v.value))) > 0 {
					return v.name + " looks real"
				}
				return ""
			})
		}),
		of(rule.Meta{
			ID: "env-weak-value", Severity: rule.High, Title: "No credential is one that everybody tries first",
			Why:    "Default passwords are in every list of attackers.",
			Guides: []string{"S0-57", "S1-1"}, CWE: []string{"CWE-1392"}, Verify: "Read the file, and the environment of the process.", Fix: "Make a random value: openssl rand -base64 32.",
		}, func(f *File) []rule.Finding {
			if f.example {
				return nil
			}
			return f.each(func(v variable) string {
				if credential.Telling(v.name) && weak(v.value) {
					return "the value of " + v.name + " is one that everybody tries first"
				}
				return ""
			})
		}),
		of(rule.Meta{
			ID: "env-readable", Severity: rule.Medium, Title: "Only the owner may read the file",
			Why:    "Every user and program of the machine can read what is in it.",
			Guides: []string{"S0-44", "S1-1"}, CWE: []string{"CWE-732"}, Verify: "stat -c %a .env: 600", Fix: "Run chmod 600 on the file.",
		}, func(f *File) []rule.Finding {
			if f.example || f.mode.Perm()&0o007 == 0 {
				return nil
			}
			secrets := f.each(func(v variable) string {
				if credential.Written(v.name, v.value) {
					return "holds credentials, and everybody may read it"
				}
				return ""
			})
			return secrets[:min(1, len(secrets))]
		}),
		of(rule.Meta{
			ID: "env-switched-off", Severity: rule.High, Title: "No variable switches checks of certificates or of callers off",
			Why:    "What was set for one test stays in the file, and anybody on the way can be the server.",
			Guides: []string{"S0-53", "S3-27", "S3-33"}, CWE: []string{"CWE-295"}, Verify: "Read the file, and the environment of the process.", Fix: "Take the variable out.",
		}, func(f *File) []rule.Finding {
			return f.each(func(v variable) string {
				switch {
				case trust.Off(v.name, v.value),
					v.name == "PGSSLMODE" && (v.value == "disable" || v.value == "allow" || v.value == "prefer"), strings.Contains(v.value, "sslmode=disable"),
					(v.name == "ALLOWED_ORIGINS" || v.name == "CORS_ORIGIN" || v.name == "CORS_ORIGINS") && v.value == "*":
					return v.name + " switches a check off"
				}
				return ""
			})
		}),
	}
}
