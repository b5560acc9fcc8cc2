// Package mint asks providers for new keys, where they have an interface for
// that which gives a key as it is used. Of the providers with a probe, that is
// OpenAI: its administration API makes keys of service accounts. Anthropic's
// administration API makes none; those of the others give keys only to people, or
// give something else than a key (installation tokens of GitHub, rotated tokens
// of Slack), or belong to the cloud around them (Azure, Google): a hook is the
// way there.
package mint

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/portcullis-dev/portcullis/internal/secrets/rotation/hook"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
)

// Kinds.
const (
	None   = "none"
	OpenAI = "openai"
)

// Config says which key is to be made.
type Config struct {
	Kind           string
	URL            string // "" = the provider's own
	Project        string
	ServiceAccount string
}

// Validate checks it.
func (c Config) Validate() error {
	id := regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	switch {
	case c.Kind != OpenAI:
		return fmt.Errorf("kind: %q: want %s", c.Kind, OpenAI)
	case !id.MatchString(c.Project):
		return errors.New("project: want the id of a project")
	case !id.MatchString(c.ServiceAccount):
		return errors.New("service_account: want the id of a service account")
	}
	return nil
}

// Key makes a key and returns it. The provider has it from then on, whatever
// becomes of it here.
func (c Config) Key(ctx context.Context, admin string) ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	base := c.URL
	if base == "" {
		base = "https://api.openai.com"
	}
	client, err := httpapi.New(base, "")
	if err != nil {
		return nil, err
	}
	var out struct {
		Value string `json:"value"`
	}
	err = client.Do(ctx, httpapi.Request{
		Method: http.MethodPost, Path: "v1/organization/projects/" + c.Project + "/service_accounts/" + c.ServiceAccount + "/api_keys",
		Header: http.Header{"Authorization": {"Bearer " + admin}}, Body: map[string]string{"name": "portcullis"},
	}, &out)
	if err != nil {
		return nil, fmt.Errorf("asking the provider for a key: %w", err)
	}
	key, err := hook.Parse([]byte(out.Value))
	if err != nil {
		return nil, errors.New("the provider answered with no key")
	}
	return key, nil
}
