// Package aws reads secrets from AWS Secrets Manager with the vendor's own
// client, which finds the credentials of the machine, pod or user by itself:
// secret://aws/chrysalis/production#DATABASE_URL. The path is the name or the
// ARN of the secret; a version is its id, or a stage such as AWSPREVIOUS.
package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
)

// Config says where to ask.
type Config struct {
	Region   string // "" = as the environment says
	Endpoint string // instead of the region's own, for private endpoints
	CAFile   string // roots to trust instead of the system's
}

// Source reads secrets. It is a [source.Source].
type Source struct{ client *secretsmanager.Client }

var _ source.Source = (*Source)(nil)

// loadTime bounds the search for credentials on the disk.
const loadTime = 10 * time.Second

// New returns a source. It reads the files of the AWS configuration and asks
// nobody.
func New(ctx context.Context, cfg Config) (*Source, error) {
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	client, err := httpClient(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	options := []func(*config.LoadOptions) error{config.WithHTTPClient(client), config.WithRetryMaxAttempts(2)}
	if cfg.Region != "" {
		options = append(options, config.WithRegion(cfg.Region))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	if loaded.Region == "" {
		return nil, errors.New("region: no region is configured")
	}
	return &Source{secretsmanager.NewFromConfig(loaded, func(o *secretsmanager.Options) {
		if cfg.Endpoint != "" {
			o.BaseEndpoint = aws.String(cfg.Endpoint)
		}
	})}, nil
}

// httpClient returns the vendor's own kind of client, which understands
// AWS_CA_BUNDLE and does not follow a redirect to another host with a body.
func httpClient(ca string) (*awshttp.BuildableClient, error) {
	ours, err := httpapi.Transport(ca)
	if err != nil {
		return nil, err
	}
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig = ours.TLSClientConfig
		t.ResponseHeaderTimeout, t.MaxResponseHeaderBytes = ours.ResponseHeaderTimeout, ours.MaxResponseHeaderBytes
	}), nil
}

// Fetch reads a secret.
func (s *Source) Fetch(ctx context.Context, ref source.Ref) (source.Secret, error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: aws.String(ref.Path)}
	switch {
	case strings.HasPrefix(ref.Version, "AWS"):
		in.VersionStage = aws.String(ref.Version)
	case ref.Version != "":
		in.VersionId = aws.String(ref.Version)
	}
	got, err := s.client.GetSecretValue(ctx, in)
	if err != nil {
		return source.Secret{}, failure(err)
	}
	out := source.Secret{Text: string(got.SecretBinary), Version: aws.ToString(got.VersionId)}
	if got.SecretString != nil {
		out.Text = *got.SecretString
	}
	return out, nil
}

// failure says what kind of error it was. The texts of the service are left
// out: they name accounts and roles.
func failure(err error) error {
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return source.ErrNotFound
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		if strings.Contains(api.ErrorCode(), "AccessDenied") || strings.Contains(api.ErrorCode(), "UnrecognizedClient") {
			return fmt.Errorf("%s: %w", api.ErrorCode(), source.ErrDenied)
		}
		return fmt.Errorf("the service answered %s", api.ErrorCode())
	}
	return fmt.Errorf("asking the service: %w", httpapi.Cause(err))
}
