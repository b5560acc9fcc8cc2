// Package oauth gets the gateway tokens of its own for an upstream: as a client
// (RFC 6749, 4.4), or on behalf of a caller in exchange for the caller's token
// (RFC 8693), which itself goes to the issuer and never to the upstream. Both
// name the upstream the token is for (RFC 8707).
package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// Config describes the client that the gateway is at the issuer.
type Config struct {
	TokenURL string
	ClientID string
	Secret   inject.Secret // of the client
	Scopes   []string
	Resource string // the upstream, as the issuer knows it; "" leaves it out
	Audience string // for issuers that know no resource
	InBody   bool   // client id and secret in the body instead of HTTP Basic
	HTTP     *http.Client
}

const (
	grantClient   = "client_credentials"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeAccess    = "urn:ietf:params:oauth:token-type:access_token"
)

// token is what an issuer gave.
type token struct {
	text  string
	cred  inject.Credential // with a mark of its own
	began time.Time         // when it was asked for
	due   time.Time         // when to get another
	ends  time.Time         // when it cannot be used any more
}

const (
	maxAnswer   = 64 << 10
	maxLife     = 24 * time.Hour   // that is believed
	unknownLife = 5 * time.Minute  // of a token whose issuer does not say
	early       = 30 * time.Second // before its end a token is replaced
	askTime     = 10 * time.Second
)

// ask gets a token. Errors repeat nothing of the answer but the error code of
// RFC 6749, if it is one.
func (c *Config) ask(ctx context.Context, form url.Values) (*token, error) {
	secret, _, err := c.Secret.Get()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if len(c.Scopes) > 0 {
		form.Set("scope", strings.Join(c.Scopes, " "))
	}
	if c.Resource != "" {
		form.Set("resource", c.Resource)
	}
	if c.Audience != "" {
		form.Set("audience", c.Audience)
	}
	if c.InBody {
		form.Set("client_id", c.ClientID)
		form.Set("client_secret", secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("making the request of a token")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if !c.InBody {
		req.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(secret)) // RFC 6749, 2.3.1
	}
	began := time.Now()
	resp, err := c.HTTP.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, fmt.Errorf("asking the issuer for a token: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil || len(data) > maxAnswer {
		return nil, errors.New("reading the issuer's answer")
	}
	return read(resp.StatusCode, data, began)
}

// read reads the answer of an issuer.
func read(status int, data []byte, began time.Time) (*token, error) {
	var got struct {
		Access  string  `json:"access_token"`
		Type    string  `json:"token_type"`
		Seconds float64 `json:"expires_in"`
		Error   string  `json:"error"`
	}
	err := json.Unmarshal(data, &got)
	switch {
	case status != http.StatusOK:
		return nil, fmt.Errorf("the issuer answered %d%s", status, code(got.Error))
	case err != nil || got.Access == "":
		return nil, errors.New("the issuer's answer holds no token")
	case !strings.EqualFold(got.Type, "bearer"):
		return nil, errors.New("the issuer gave a token that is no bearer token")
	case strings.ContainsFunc(got.Access, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return nil, inject.ErrUnfit
	}
	life := unknownLife
	if got.Seconds > 0 {
		life = time.Duration(min(got.Seconds, maxLife.Seconds()) * float64(time.Second))
	}
	t := &token{text: got.Access, began: began, ends: began.Add(life)}
	t.due = t.ends.Add(-min(early, life/4))
	t.cred = inject.Credential{
		Fields: []portcullis.Field{{Name: "Authorization", Value: "Bearer " + got.Access}}, Mark: t,
	}
	return t, nil
}

// code returns an error code if it is one that an issuer may give.
func code(s string) string {
	switch s {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
		"invalid_scope", "invalid_target":
		return " " + s
	}
	return ""
}
