// Package kubernetes reads secrets from the API server of the cluster that the
// gateway runs in, with the token of its service account:
// secret://kubernetes/NAMESPACE/NAME#KEY, or secret://kubernetes/NAME#KEY in
// the gateway's own namespace. The account needs the verb get on the secrets
// it names, and no other.
package kubernetes

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
)

// AccountDir is where a pod finds the token, CA and namespace of its account.
const AccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// Config says how to reach the API server. What is empty is taken from the pod.
type Config struct {
	Server    string
	CAFile    string
	TokenFile string
	Namespace string
	Lookup    func(string) (string, bool) // environment of the pod
}

// Source reads secrets. It is a [source.Source].
type Source struct {
	client           *httpapi.Client
	tokenFile, space string
}

var _ source.Source = (*Source)(nil)

// New returns a source. It reads the files of the CA and the namespace.
func New(cfg Config) (*Source, error) {
	if cfg.Server == "" {
		host, _ := cfg.Lookup("KUBERNETES_SERVICE_HOST")
		port, _ := cfg.Lookup("KUBERNETES_SERVICE_PORT")
		if host == "" || port == "" {
			return nil, errors.New("server: the gateway runs in no pod (KUBERNETES_SERVICE_HOST is not set): name the API server")
		}
		cfg.Server = "https://" + net.JoinHostPort(host, port)
		if cfg.CAFile == "" {
			cfg.CAFile = filepath.Join(AccountDir, "ca.crt")
		}
	}
	if cfg.TokenFile == "" {
		cfg.TokenFile = filepath.Join(AccountDir, "token")
	}
	if cfg.Namespace == "" {
		// Where it cannot be read, references name theirs.
		space, err := os.ReadFile(filepath.Join(AccountDir, "namespace"))
		if err == nil {
			cfg.Namespace = strings.TrimSpace(string(space))
		}
	}
	client, err := httpapi.New(cfg.Server, cfg.CAFile)
	if err != nil {
		return nil, err
	}
	return &Source{client: client, tokenFile: cfg.TokenFile, space: cfg.Namespace}, nil
}

// Fetch reads a secret. The token is read anew each time: the cluster replaces
// it every hour.
func (s *Source) Fetch(ctx context.Context, ref source.Ref) (source.Secret, error) {
	if ref.Version != "" {
		return source.Secret{}, source.ErrNoVersion
	}
	space, name, ok := strings.Cut(ref.Path, "/")
	if !ok {
		space, name = s.space, ref.Path
	}
	if space == "" || strings.Contains(name, "/") {
		return source.Secret{}, errors.New("want NAMESPACE/NAME behind the source")
	}
	token, err := os.ReadFile(s.tokenFile)
	if err != nil {
		return source.Secret{}, fmt.Errorf("reading the token of the service account: %w", err)
	}
	var got struct {
		Metadata struct {
			Version string `json:"resourceVersion"`
		} `json:"metadata"`
		Data map[string]string `json:"data"`
	}
	err = s.client.Do(ctx, httpapi.Request{
		Method: http.MethodGet, Path: "api/v1/namespaces/" + space + "/secrets/" + name,
		Header: http.Header{"Authorization": {"Bearer " + strings.TrimSpace(string(token))}},
	}, &got)
	if err != nil {
		return source.Secret{}, err
	}
	out := source.Secret{Fields: make(map[string]string, len(got.Data)), Version: got.Metadata.Version}
	for key, encoded := range got.Data {
		value, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return source.Secret{}, errors.New("the answer is not what was asked for")
		}
		out.Fields[key] = string(value)
	}
	return out, nil
}
