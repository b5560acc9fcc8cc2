package env

import (
	"errors"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

func TestFetch(t *testing.T) {
	t.Parallel()
	vars := map[string]string{
		"WALLET_PASSWORD": "w", "OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a", "DATABASE_URL": "d", "A2A_TOKEN": "old", "EMPTY": "",
	}
	s := New(func(name string) (string, bool) { v, ok := vars[name]; return v, ok })
	for name, want := range map[string]string{
		"WALLET_PASSWORD": "w", "OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a", "DATABASE_URL": "d",
		"A2A_TOKEN": "old", "A2A_AUTH_TOKEN": "old",
	} {
		if got, err := s.Fetch(t.Context(), source.Ref{Source: "env", Path: name}); err != nil || got.Text != want || !got.Fixed {
			t.Errorf("%s: %q %v", name, got.Text, err)
		}
	}
	vars["A2A_AUTH_TOKEN"] = "new"
	for name, want := range map[string]string{"A2A_AUTH_TOKEN": "new", "A2A_TOKEN": "old"} {
		if got, err := s.Fetch(t.Context(), source.Ref{Path: name}); err != nil || got.Text != want {
			t.Errorf("both set, %s: %q %v", name, got.Text, err)
		}
	}
	for _, ref := range []source.Ref{{Path: "EMPTY"}, {Path: "ABSENT"}, {Path: "A/B"}} {
		if _, err := s.Fetch(t.Context(), ref); !errors.Is(err, source.ErrNotFound) {
			t.Errorf("%s: %v", ref.Path, err)
		}
	}
	if _, err := s.Fetch(t.Context(), source.Ref{Path: "DATABASE_URL", Version: "1"}); !errors.Is(err, source.ErrNoVersion) {
		t.Errorf("version: %v", err)
	}
}
