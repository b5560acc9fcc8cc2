// Package a2a is the verb group "portcullis a2a": calling agents, with a client
// that gives its credential to nobody else.
package a2a

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/a2aclient"
	"github.com/portcullis-dev/portcullis/internal/cli/ending"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

type verbs struct{ *frame.Frame }

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("a2a", "Call agents over A2A", c.card(), c.send(), c.stream(), c.task())
}

// target is the agent that a verb calls, and how.
type target struct {
	credentials
	allow   []string
	public  bool
	ca      string
	trust   string
	binding string
	timeout time.Duration
}

// flags adds the flags that every verb of the group has.
func (t *target) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&t.allow, "allow-origin", nil, "further `origin` (https://host:port) that the card may lead to; it gets the credential too")
	f.BoolVar(&t.public, "public-only", false, "refuse loopback and private addresses")
	f.StringVar(&t.ca, "ca", "", "PEM `file` of the roots to trust instead of the system's")
	f.StringVar(&t.trust, "trust", "", "`file` of public keys (JWK set or PEM): the card must be signed by one of them")
	f.StringVar(&t.binding, "binding", "", "`binding` to use: JSONRPC or HTTP+JSON (default the agent's choice)")
	f.DurationVar(&t.timeout, "timeout", 0, "`time` for one request (default 30s)")
}

// options makes the client's options, without credentials.
func (t *target) options() (a2aclient.Options, error) {
	o := a2aclient.Options{
		AllowOrigins: t.allow, PublicOnly: t.public, UserAgent: "portcullis-a2a",
		Limits: a2aclient.Limits{Timeout: t.timeout},
	}
	if t.timeout < 0 {
		return o, frame.Usagef("--timeout %s: want a time that is not negative", t.timeout)
	}
	if t.binding != "" {
		if t.binding != a2aclient.JSONRPC && t.binding != a2aclient.HTTPJSON {
			return o, frame.Usagef("--binding %q: want %s or %s", t.binding, a2aclient.JSONRPC, a2aclient.HTTPJSON)
		}
		o.Bindings = []string{t.binding}
	}
	if t.ca != "" {
		pem, err := readFile("--ca", t.ca, maxKeys)
		if err != nil {
			return o, err
		}
		if o.Roots = x509.NewCertPool(); !o.Roots.AppendCertsFromPEM(pem) {
			return o, frame.Usagef("--ca %q: it holds no certificate", t.ca)
		}
	}
	if t.trust != "" {
		keys, err := readFile("--trust", t.trust, maxKeys)
		if err != nil {
			return o, err
		}
		if o.Verifier, err = a2aclient.TrustKeys(keys); err != nil {
			return o, frame.Usagef("--trust %q: %v", t.trust, err)
		}
	}
	return o, nil
}

const maxKeys = 1 << 20

// readFile reads a file that a flag names.
func readFile(flag, name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, frame.UsageError{Err: fmt.Errorf("%s: %w", flag, err)}
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", flag, err)
	case int64(len(b)) > most:
		return nil, frame.Usagef("%s %q: it is larger than %d bytes", flag, name, most)
	}
	return b, nil
}

// calling runs f with a client of the agent. The context ends at Ctrl-C.
func (c verbs) calling(cmd *cobra.Command, t *target, url string, f func(context.Context, *a2aclient.Client) error) error {
	ctx, stop := ending.Context(cmd.Context(), false)
	defer stop()
	opts, err := t.options()
	if err != nil {
		return err
	}
	card, err := a2aclient.Discover(ctx, url, opts)
	if err != nil {
		return c.explain(url, err)
	}
	client, err := c.open(ctx, t, card, opts)
	if err != nil {
		return c.explain(url, err)
	}
	defer client.Close()
	return c.explain(url, f(ctx, client))
}

// explain says on top of an error of the client how to mend it, and chooses
// the exit code.
func (c verbs) explain(url string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, a2aclient.ErrSignature):
		if _, werr := fmt.Fprintln(c.Err, "portcullis:", frame.Printable(err.Error())); werr != nil {
			return fmt.Errorf("writing the error: %w", werr)
		}
		return frame.ErrNo
	case errors.Is(err, a2aclient.ErrURL), errors.Is(err, a2aclient.ErrID), errors.Is(err, a2aclient.ErrMessage):
		return frame.UsageError{Err: err}
	case errors.Is(err, a2aclient.ErrOrigin):
		return mend(err, "--allow-origin names a further origin, which then gets the credential too")
	case errors.Is(err, a2aclient.ErrAuth):
		return mend(err, "--token, --user with --password, --api-key, --oauth-client and --cert give credentials, by reference")
	case errors.Is(err, a2aclient.ErrNoCard):
		return mend(err, "'portcullis a2a card URL' tries a place; the URL may be that of the card itself")
	case errors.Is(err, context.Canceled):
		return errors.New("stopped")
	}
	var agent *a2aclient.AgentError
	if errors.As(err, &agent) && agent.Status == 401 {
		return mend(err, "the credential was sent and not taken: is it for "+frame.Printable(url)+"?")
	}
	return err
}

// mend adds a line that says how.
func mend(err error, how string) error { return fmt.Errorf("%w\nhint: %s", err, how) }
