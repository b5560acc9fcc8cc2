// Package env reads secrets from the environment that the gateway was started
// with: secret://env/NAME.
package env

import (
	"context"
	"fmt"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// Source reads variables. It is a [source.Source].
type Source struct {
	lookup func(string) (string, bool)
}

var _ source.Source = (*Source)(nil)

// New returns a source; lookup is os.LookupEnv.
func New(lookup func(string) (string, bool)) *Source { return &Source{lookup} }

// aliases are names that guides use for the same variable. Each stands for the
// other where only that is set.
var aliases = [...][2]string{{"A2A_AUTH_TOKEN", "A2A_TOKEN"}}

// Fetch returns the value of a variable. One that is not set, or is empty, is
// not found: nothing falls back to an empty secret.
func (s *Source) Fetch(_ context.Context, ref source.Ref) (source.Secret, error) {
	switch {
	case ref.Version != "":
		return source.Secret{}, source.ErrNoVersion
	case strings.ContainsAny(ref.Path, "/=") || ref.Path == "":
		return source.Secret{}, fmt.Errorf("want the name of an environment variable: %w", source.ErrNotFound)
	}
	for _, name := range names(ref.Path) {
		if text, ok := s.lookup(name); ok && text != "" {
			return source.Secret{Text: text, Fixed: true}, nil
		}
	}
	return source.Secret{}, fmt.Errorf("environment variable %q is not set: %w", ref.Path, source.ErrNotFound)
}

func names(name string) []string {
	for _, pair := range aliases {
		switch name {
		case pair[0]:
			return pair[:]
		case pair[1]:
			return []string{pair[1], pair[0]}
		}
	}
	return []string{name}
}
