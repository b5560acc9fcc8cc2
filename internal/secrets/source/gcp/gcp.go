// Package gcp reads secrets from Google Cloud's Secret Manager over its REST
// API: secret://gcp/PROJECT/NAME, or secret://gcp/NAME in the project of the
// configuration. The credentials are those that Google's tools find: a file,
// workload identity, or the metadata server of the machine.
package gcp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
)

// Endpoint is the service.
const Endpoint = "https://secretmanager.googleapis.com"

const scope = "https://www.googleapis.com/auth/cloud-platform"

// Config says where to ask.
type Config struct {
	Project  string
	Endpoint string             // "" = the service itself
	Tokens   oauth2.TokenSource // nil = those that Google's tools find
}

// Source reads secrets. It is a [source.Source].
type Source struct {
	client  *httpapi.Client
	project string

	mu     sync.Mutex
	tokens oauth2.TokenSource
}

var _ source.Source = (*Source)(nil)

// New returns a source. Credentials are looked for when they are needed.
func New(cfg Config) (*Source, error) {
	if cfg.Endpoint == "" {
		cfg.Endpoint = Endpoint
	}
	client, err := httpapi.New(cfg.Endpoint, "")
	if err != nil {
		return nil, err
	}
	return &Source{client: client, project: cfg.Project, tokens: cfg.Tokens}, nil
}

// token returns an access token. What the library says about a failure can
// hold the answer of the token service, so only the kind is passed on.
func (s *Source) token(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens == nil {
		// The token source outlives the call it is made in.
		found, err := google.FindDefaultCredentials(context.WithoutCancel(ctx), scope)
		if err != nil {
			return "", errors.New("no credentials for Google Cloud are found here")
		}
		s.tokens = found.TokenSource
	}
	t, err := s.tokens.Token()
	if err != nil {
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) && refused.Response != nil {
			return "", fmt.Errorf("the token service answered %s", refused.Response.Status)
		}
		return "", errors.New("the token service gave no token")
	}
	return t.AccessToken, nil
}

// Fetch reads a secret.
func (s *Source) Fetch(ctx context.Context, ref source.Ref) (source.Secret, error) {
	project, name, ok := strings.Cut(ref.Path, "/")
	if !ok {
		project, name = s.project, ref.Path
	}
	if project == "" || strings.Contains(name, "/") {
		return source.Secret{}, errors.New("want PROJECT/NAME behind the source, or secrets.gcp.project in the configuration")
	}
	version := ref.Version
	if version == "" {
		version = "latest"
	}
	token, err := s.token(ctx)
	if err != nil {
		return source.Secret{}, err
	}
	var got struct {
		Name    string `json:"name"`
		Payload struct {
			Data string `json:"data"`
			CRC  string `json:"dataCrc32c"`
		} `json:"payload"`
	}
	err = s.client.Do(ctx, httpapi.Request{
		Method: http.MethodGet, Path: "v1/projects/" + project + "/secrets/" + name + "/versions/" + version + ":access",
		Header: http.Header{"Authorization": {"Bearer " + token}},
	}, &got)
	if err != nil {
		return source.Secret{}, err
	}
	data, err := base64.StdEncoding.DecodeString(got.Payload.Data)
	if err != nil || len(data) == 0 {
		return source.Secret{}, errors.New("the answer is not what was asked for")
	}
	if sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)); got.Payload.CRC != "" && got.Payload.CRC != strconv.FormatUint(uint64(sum), 10) {
		return source.Secret{}, errors.New("the answer was changed on its way: its checksum is wrong")
	}
	return source.Secret{Text: string(data), Version: got.Name[strings.LastIndexByte(got.Name, '/')+1:]}, nil
}
