// Package sigv4 signs calls for upstreams in AWS with the vendor's own signer
// (Signature Version 4).
package sigv4

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// Config says with what, and for which service, calls are signed.
type Config struct {
	URL             string // of the upstream
	Region, Service string
	KeyID, Secret   inject.Secret
	Session         inject.Secret // nil = the key is no temporary one
}

// Signer signs calls. Each signature is for one body and a few minutes.
type Signer struct {
	cfg    Config
	url    *url.URL
	signer *v4.Signer
}

var _ inject.Credentials = (*Signer)(nil)

// New returns a signer.
func New(cfg Config) (*Signer, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" {
		return nil, errors.New("url: not a URL")
	}
	return &Signer{cfg: cfg, url: u, signer: v4.NewSigner()}, nil
}

// Authorize implements [inject.Credentials].
func (s *Signer) Authorize(ctx context.Context, call *portcullis.Call) (inject.Credential, error) {
	var keys aws.Credentials
	var reading uint64
	var err error
	if keys.AccessKeyID, _, err = s.cfg.KeyID.Get(); err != nil {
		return inject.Credential{}, inject.Unavailable(err)
	}
	if keys.SecretAccessKey, reading, err = s.cfg.Secret.Get(); err != nil {
		return inject.Credential{}, inject.Unavailable(err)
	}
	if s.cfg.Session != nil {
		if keys.SessionToken, _, err = s.cfg.Session.Get(); err != nil {
			return inject.Credential{}, inject.Unavailable(err)
		}
	}
	req := &http.Request{Method: method(call.Message.Shape), URL: s.url, Host: s.url.Host, Header: http.Header{}}
	sum := sha256.Sum256(call.Message.Raw)
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	// Only what is signed here counts; the fields of the call are not part of it.
	if err := s.signer.SignHTTP(ctx, keys, req, hash, s.cfg.Service, s.cfg.Region, time.Now()); err != nil {
		return inject.Credential{}, inject.Unavailable(errors.New("signing the call"))
	}
	out := inject.Credential{Mark: reading}
	for name, values := range req.Header {
		out.Fields = append(out.Fields, portcullis.Field{Name: name, Value: values[0]})
	}
	return out, nil
}

// method is what a call of the shape is sent by, as the client of upstreams
// does it.
func method(s portcullis.Shape) string {
	switch s {
	case portcullis.ShapeStream:
		return http.MethodGet
	case portcullis.ShapeClose:
		return http.MethodDelete
	default:
		return http.MethodPost
	}
}

// Refused implements [inject.Credentials]: the key may have been rotated.
func (s *Signer) Refused(ctx context.Context, _ *portcullis.Call, used inject.Credential) bool {
	reading, ok := used.Mark.(uint64)
	if !ok {
		return false
	}
	changed, err := s.cfg.Secret.Refresh(ctx, reading)
	return err == nil && changed
}
