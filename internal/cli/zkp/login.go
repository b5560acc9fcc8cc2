package zkp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/groth16"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/setup"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

func (c verbs) login() *cobra.Command {
	var base, user, keyFile, provingFile, audience string
	cmd := &cobra.Command{
		Use: "login --url URL --user USER", Short: "Log in at a gateway by a zero-knowledge proof", Args: frame.None,
		Long: `Log in at a gateway: ask for a challenge, prove on this machine that you know
the private key, and get a session for the proof. The private key stays here.

The challenge says for which gateway it was made. One that was made for another
gateway than --url is refused, so that nobody in between can log in as you.
Exit code 3 if the gateway does not accept the proof.`,
		Example: "  portcullis zkp login --url https://mcp.example.com --user alice --key alice.key --pk login.zkey --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			for flag, value := range map[string]string{"--url": base, "--user": user} {
				if value == "" {
					return frame.Usagef("zkp login: %s is required", flag)
				}
			}
			if provingFile == "" {
				provingFile = filepath.Join(c.folder(), setup.ProvingKey)
			}
			if err := zkp.CheckUserID(user); err != nil {
				return frame.Usagef("zkp login: --user: %v", err)
			}
			g, err := newGate(base, audience)
			if err != nil {
				return frame.Usagef("zkp login: %v", err)
			}
			session, err := g.login(cmd.Context(), user, func(challenge zkp.Element) ([]byte, error) {
				return c.proveFor(keyFile, provingFile, challenge)
			})
			if errors.Is(err, frame.ErrNo) {
				return errors.Join(c.showRefusal(err), err)
			}
			if err != nil {
				return err
			}
			return c.showSession(session)
		},
	}
	f := cmd.Flags()
	f.StringVar(&base, "url", "", "`URL` of the gateway: https, or http on a loopback address")
	f.StringVar(&user, "user", "", "id of the enrolled `user`")
	f.StringVar(&keyFile, "key", defaultKey, "`file` of the private key; - = standard input")
	f.StringVar(&provingFile, "pk", "", "proving key, a zkey `file` (default that of the setup in the data folder)")
	f.StringVar(&audience, "audience", "", "what the gateway calls itself, if not --url without its path")
	return cmd
}

// proveFor proves a challenge with the private key in one file and the proving
// key in another.
func (c verbs) proveFor(keyFile, provingFile string, challenge zkp.Element) ([]byte, error) {
	number, err := groth16.ParseScalar(string(challenge))
	if err != nil {
		return nil, err
	}
	system, err := circuit.Load()
	if err != nil {
		return nil, err
	}
	proving, _, err := setup.LoadProvingKey(provingFile, system)
	if err != nil {
		return nil, err
	}
	private, err := c.privateKey("zkp login", keyFile)
	if err != nil {
		return nil, err
	}
	defer private.Clear()
	proof, _, err := proving.Prove(private, number)
	if err != nil {
		return nil, fmt.Errorf("proving: %w", err)
	}
	return json.Marshal(proof)
}

// showRefusal tells of a proof that was not accepted; the exit code says it too.
func (c verbs) showRefusal(err error) error {
	if c.JSON() {
		return c.PrintJSON(map[string]any{"accepted": false, "detail": err.Error()})
	}
	return c.Printf("not accepted: %v\n", err)
}

func (c verbs) showSession(s zkp.Session) error {
	if c.JSON() {
		return c.PrintJSON(s)
	}
	return c.Printf(`%s

  user           %s
  expires in     %d seconds
  refresh token  %s

Send the token as "Authorization: Bearer TOKEN".
`, frame.Printable(s.AccessToken), frame.Printable(s.UserID), s.ExpiresIn, frame.Printable(s.RefreshToken))
}

// gate is a gateway to log in at.
type gate struct {
	base     string
	audience string
	http     *http.Client
}

func newGate(base, audience string) (*gate, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("--url: want one such as https://mcp.example.com")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, errors.New("--url: want https: on the way, anyone could take the session")
	}
	g := &gate{base: u.Scheme + "://" + u.Host, audience: strings.TrimSuffix(audience, "/"), http: &http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if g.audience == "" {
		g.audience = g.base
	}
	return g, nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// login asks for a challenge, has it proved and returns the session.
func (g *gate) login(ctx context.Context, user string, prove func(zkp.Element) ([]byte, error)) (zkp.Session, error) {
	var s zkp.Session
	var offer zkp.Offer
	if err := g.post(ctx, zkp.ChallengePath, map[string]string{"userId": user}, &offer); err != nil {
		return s, fmt.Errorf("asking for a challenge: %w", err)
	}
	if err := g.check(offer, user); err != nil {
		return s, err
	}
	proof, err := prove(offer.Challenge)
	if err != nil {
		return s, err
	}
	err = g.post(ctx, zkp.VerifyPath, map[string]any{"userId": user, "challengeId": offer.ChallengeID, "proof": json.RawMessage(proof)}, &s)
	if err != nil {
		return s, fmt.Errorf("logging in: %w", err)
	}
	if s.AccessToken == "" {
		return s, errors.New("logging in: the answer holds no session")
	}
	return s, nil
}

// check looks whether a challenge is one, and was made for this user at this
// gateway: a proof for any other could be used there.
func (g *gate) check(o zkp.Offer, user string) error {
	if _, err := zkp.ParseElement(string(o.Challenge)); err != nil {
		return fmt.Errorf("the challenge is none: %w", err)
	}
	if len(o.ChallengeID) != 32 || len(o.Nonce) != 64 {
		return errors.New("the challenge is none: its id or nonce is not")
	}
	if o.Audience != g.audience {
		return fmt.Errorf("the challenge is for %q, not for %q: if that is the same gateway, say so with --audience", frame.Printable(o.Audience), g.audience)
	}
	want, err := zkp.Derive(o.Audience, user, o.Nonce)
	if err != nil {
		return err
	}
	if want != o.Challenge {
		return errors.New("the challenge was not made for this user and gateway: nothing was proved")
	}
	return nil
}

const maxAnswer = 64 << 10

func (g *gate) post(ctx context.Context, path string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding the request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.base+path, bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := g.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var doc struct{ Detail string }
		text := fmt.Sprintf("status %d", resp.StatusCode)
		if json.Unmarshal(answer, &doc) == nil && doc.Detail != "" {
			text += ": " + frame.Printable(doc.Detail)
		}
		if resp.StatusCode == http.StatusUnauthorized {
			return fmt.Errorf("%w: %s", frame.ErrNo, text)
		}
		return errors.New(text)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}
