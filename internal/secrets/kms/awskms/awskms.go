// Package awskms keeps keys with AWS KMS, by the vendor's own client, which
// finds the credentials of the machine, pod or user by itself. What a key is
// wrapped for is its encryption context: CloudTrail shows it, so it is a digest.
package awskms

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
)

// Config says which key.
type Config struct {
	Key      string // id, ARN or alias of a symmetric key
	Region   string // "" = that of the ARN, or as the environment says
	Endpoint string // instead of the region's own
	CAFile   string // roots to trust instead of the system's
}

// Wrapper is an [envelope.KeyWrapper].
type Wrapper struct {
	key    string
	client *kms.Client
}

var _ envelope.KeyWrapper = (*Wrapper)(nil)

const (
	prefix      = "aws-kms:1:"
	contextName = "portcullis-wallet" // of the encryption context
	callTime    = 20 * time.Second
)

// New reads the AWS configuration of this machine and asks nobody.
func New(ctx context.Context, c Config) (*Wrapper, error) {
	if c.Key == "" {
		return nil, errors.New("aws kms: want the id, ARN or alias of a key")
	}
	if c.Endpoint != "" {
		if err := httpapi.CheckURL(c.Endpoint); err != nil {
			return nil, fmt.Errorf("aws kms: %w", err)
		}
	}
	ours, err := httpapi.Transport(c.CAFile)
	if err != nil {
		return nil, err
	}
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig = ours.TLSClientConfig
		t.ResponseHeaderTimeout, t.MaxResponseHeaderBytes = ours.ResponseHeaderTimeout, ours.MaxResponseHeaderBytes
	})
	options := []func(*config.LoadOptions) error{config.WithHTTPClient(client), config.WithRetryMaxAttempts(2)}
	if region := regionOf(c); region != "" {
		options = append(options, config.WithRegion(region))
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	if loaded.Region == "" {
		return nil, errors.New("aws kms: no region is configured")
	}
	return &Wrapper{c.Key, kms.NewFromConfig(loaded, func(o *kms.Options) {
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
	})}, nil
}

// regionOf takes the region out of an ARN: arn:aws:kms:REGION:ACCOUNT:key/ID.
func regionOf(c Config) string {
	if parts := strings.Split(c.Key, ":"); c.Region == "" && len(parts) >= 6 && parts[0] == "arn" {
		return parts[3]
	}
	return c.Region
}

func bound(aad []byte) map[string]string {
	sum := sha256.Sum256(aad)
	return map[string]string{contextName: hex.EncodeToString(sum[:])}
}

// Wrap encrypts a key.
func (w *Wrapper) Wrap(ctx context.Context, key, aad []byte) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	out, err := w.client.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String(w.key), Plaintext: key, EncryptionContext: bound(aad)})
	if err != nil {
		return "", failure(err)
	}
	if len(out.CiphertextBlob) == 0 {
		return "", errors.New("aws kms answered with no ciphertext")
	}
	return prefix + base64.StdEncoding.EncodeToString(out.CiphertextBlob), nil
}

// Unwrap decrypts a key. Only the key that was configured opens it: another one
// that a changed file could name is not asked.
func (w *Wrapper) Unwrap(ctx context.Context, wrapped string, aad []byte) ([]byte, error) {
	text, ok := strings.CutPrefix(wrapped, prefix)
	blob, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || err != nil {
		return nil, fmt.Errorf("aws kms: %w", envelope.ErrOpen)
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	out, err := w.client.Decrypt(ctx, &kms.DecryptInput{KeyId: aws.String(w.key), CiphertextBlob: blob, EncryptionContext: bound(aad)})
	if err != nil {
		return nil, failure(err)
	}
	return out.Plaintext, nil
}

// failure says what kind of error it was, without the texts of the service,
// which name accounts and roles.
func failure(err error) error {
	var bad *types.InvalidCiphertextException
	var other *types.IncorrectKeyException
	if errors.As(err, &bad) || errors.As(err, &other) {
		return fmt.Errorf("aws kms: %w", envelope.ErrOpen)
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return fmt.Errorf("aws kms answered %s", api.ErrorCode())
	}
	return fmt.Errorf("asking aws kms: %w", httpapi.Cause(err))
}
