package generate

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/template"

	"github.com/portcullis-dev/portcullis/internal/harden/generate/answers"
)

// view is what templates see: the answers, and what follows from them.
type view struct {
	answers.Answers
	Target answers.Target // the upstream in parts
}

func newView(a answers.Answers) (*view, error) {
	t, err := a.Upstream.Target()
	if err != nil {
		return nil, err
	}
	if a.Profile == answers.Guide {
		a.Image.User = guideUser
	}
	return &view{Answers: a, Target: t}, nil
}

// guideUser is the user of the guides (S0-49, S0-51).
const guideUser = 1001

// Guide reports whether the values of the guides are wanted.
func (v *view) Guide() bool { return v.Profile == answers.Guide }

// Ref is the image as it is run: by digest as soon as there is one.
func (v *view) Ref() string {
	if v.Image.Digest != "" {
		return v.Image.Name + "@" + v.Image.Digest
	}
	return v.Image.Name + ":" + v.Image.Tag
}

// Build is the image that the program is built in, pinned by digest where one is
// known.
func (v *view) Build() Base { return Base{"docker.io/library/golang:1.26.8-bookworm", ""} }

// Base is an image that another is built from.
type Base struct{ Image, Digest string }

// Ref is the image by tag and digest.
func (b Base) Ref() string {
	if b.Digest == "" {
		return b.Image
	}
	return b.Image + "@" + b.Digest
}

// funcs are the functions of templates.
var funcs = template.FuncMap{
	// quote writes a text as a string of JSON, which YAML reads as well.
	"quote": func(s string) (string, error) {
		b, err := json.Marshal(s)
		return string(b), err
	},
	// indent puts n spaces in front of every line but the first.
	"indent": func(n int, s string) string {
		return strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n"+strings.Repeat(" ", n))
	},
	// ident makes a name out of one with dashes.
	"ident": func(s string) string { return strings.ReplaceAll(s, "-", "_") },
	// label splits key=value.
	"label": func(s string) (map[string]string, error) {
		k, v, ok := strings.Cut(s, "=")
		if !ok {
			return nil, fmt.Errorf("label %q", s)
		}
		return map[string]string{"Key": k, "Value": v}, nil
	},
}
