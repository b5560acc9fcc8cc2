package admin

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
)

// ClaimPath is where the public listener hands out the secret of a successor.
const ClaimPath = "/api/v1/keys/claim"

// Claims is what the claim endpoint needs; *apikey.Service has it.
type Claims interface {
	Claim(ctx context.Context, who portcullis.Principal, nonce string, by portcullis.Actor) (apikey.Rotated, error)
}

type claimRequest struct {
	Nonce string `json:"nonce"`
}

// NewClaim returns the handler of [ClaimPath], which stands behind a pipeline
// that has proved a claim token or a key.
func NewClaim(keys Claims, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req claimRequest
		if r.ContentLength != 0 {
			d := json.NewDecoder(r.Body)
			d.DisallowUnknownFields()
			if err := d.Decode(&req); err != nil && !errors.Is(err, io.EOF) || d.More() {
				answerClaim(w, log, http.StatusBadRequest, claimRefusal("want no body, or {\"nonce\":\"…\"}"))
				return
			}
		}
		by := Actor(r.Context())
		if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			by.IP = from.Addr()
		}
		made, err := keys.Claim(r.Context(), gateway.PrincipalFrom(r.Context()), req.Nonce, by)
		switch {
		case err == nil:
			answerClaim(w, log, http.StatusOK, made.Reveal())
		case errors.Is(err, apikey.ErrInvalid):
			answerClaim(w, log, http.StatusBadRequest, claimRefusal("nonce: want 22 to 128 characters of base64url"))
		case errors.Is(err, apikey.ErrClaimed):
			answerClaim(w, log, http.StatusConflict, claimRefusal("The key was fetched before"))
		case errors.Is(err, apikey.ErrNothingToClaim), errors.Is(err, apikey.ErrNotFound):
			answerClaim(w, log, http.StatusNotFound, claimRefusal("There is nothing to fetch"))
		default:
			log.ErrorContext(r.Context(), "claim failed", "error", err)
			answerClaim(w, log, http.StatusServiceUnavailable, claimRefusal("Try again later"))
		}
	})
}

func claimRefusal(text string) map[string]string { return map[string]string{"detail": text} }

func answerClaim(w http.ResponseWriter, log *slog.Logger, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		log.Debug("answering a claim", "error", err)
	}
}

const claimTries = 5

// FetchClaim fetches the successor's secret from a gateway, given its URL and a
// claim token or the key that is being rotated. It repeats a call whose answer
// was lost; the nonce makes that safe. It follows no redirect.
func FetchClaim(ctx context.Context, base, credential string) (apikey.Rotation, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return apikey.Rotation{}, errors.New("the gateway's URL: want one such as https://mcp.example.com")
	}
	to := u.Scheme + "://" + u.Host + ClaimPath
	client := &http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	nonce := make([]byte, 24)
	_, _ = rand.Read(nonce) // never fails
	in, err := json.Marshal(claimRequest{Nonce: base64.RawURLEncoding.EncodeToString(nonce)})
	if err != nil {
		return apikey.Rotation{}, fmt.Errorf("encoding the request: %w", err)
	}
	for try := 1; ; try++ {
		out, again, err := fetchOnce(ctx, client, to, credential, in)
		if err == nil || !again || try == claimTries {
			return out, err
		}
		wait := time.NewTimer(time.Duration(try) * 200 * time.Millisecond)
		select {
		case <-ctx.Done():
			wait.Stop()
			return out, ctx.Err()
		case <-wait.C:
		}
	}
}

func fetchOnce(ctx context.Context, client *http.Client, to, credential string, in []byte) (out apikey.Rotation, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(in))
	if err != nil {
		return out, false, fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+credential)
	resp, err := client.Do(req)
	if err != nil {
		return out, true, fmt.Errorf("asking the gateway: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return out, true, fmt.Errorf("reading the reply: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return out, resp.StatusCode == http.StatusServiceUnavailable, apiError(resp.StatusCode, b)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return out, false, fmt.Errorf("reading the reply: %w", err)
	}
	return out, false, nil
}
