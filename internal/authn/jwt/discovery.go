package jwt

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
)

// metadata is what an issuer says of itself (OpenID Connect Discovery 1.0,
// RFC 8414).
type metadata struct {
	issuer, jwksURL, introspectURL string
}

// discoverer finds an issuer's endpoints.
type discoverer struct {
	issuer string
	client Doer
	last   atomic.Pointer[metadata]
}

// metadataURLs are where an issuer's metadata may be, in the order in which
// they are asked: OpenID Connect Discovery section 4, RFC 8414 section 3.
func metadataURLs(issuer string) ([]string, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	origin := u.Scheme + "://" + u.Host
	return []string{
		origin + path + "/.well-known/openid-configuration",
		origin + "/.well-known/oauth-authorization-server" + path,
	}, nil
}

// discover fetches the metadata and refuses any that another issuer signs for.
func (d *discoverer) discover(ctx context.Context) (*metadata, error) {
	urls, err := metadataURLs(d.issuer)
	if err != nil {
		return nil, err
	}
	var first error
	for _, u := range urls {
		m, err := d.ask(ctx, u)
		if err == nil {
			d.last.Store(m)
			return m, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func (d *discoverer) ask(ctx context.Context, u string) (*metadata, error) {
	raw, err := get(ctx, d.client, u)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	m := new(metadata)
	err = jws.EachMember(raw, []string{"issuer", "jwks_uri", "introspection_endpoint"}, func(name string, v jsontext.Value) (err error) {
		switch name {
		case "issuer":
			m.issuer, err = jws.Text(v, 1024)
		case "jwks_uri":
			m.jwksURL, err = jws.Text(v, 2048)
		case "introspection_endpoint":
			m.introspectURL, err = jws.Text(v, 2048)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("discovery: %w: %w", errUnavailable, err)
	}
	if m.issuer != d.issuer { // OpenID Connect Discovery section 4.3: exactly
		return nil, fmt.Errorf("discovery: %w: the document is of another issuer", errUnavailable)
	}
	if err := sameKindOfHost(d.issuer, m.jwksURL); err != nil {
		return nil, fmt.Errorf("discovery: %w: jwks_uri: %w", errUnavailable, err)
	}
	if m.introspectURL != "" {
		if err := sameKindOfHost(d.issuer, m.introspectURL); err != nil {
			return nil, fmt.Errorf("discovery: %w: introspection_endpoint: %w", errUnavailable, err)
		}
	}
	return m, nil
}

// keys discovers the issuer afresh and fetches its keys, so that a moved
// jwks_uri is followed.
func (d *discoverer) keys(ctx context.Context) (*jws.KeySet, error) {
	m, err := d.discover(ctx)
	if err != nil {
		return nil, err
	}
	return fetchKeys(ctx, d.client, m.jwksURL)
}

func fetchKeys(ctx context.Context, client Doer, u string) (*jws.KeySet, error) {
	raw, err := get(ctx, client, u)
	if err != nil {
		return nil, err
	}
	set, err := jws.ParseKeySet(raw, false)
	if err != nil {
		return nil, fmt.Errorf("%w: key set: %w", errUnavailable, err)
	}
	return set, nil
}
