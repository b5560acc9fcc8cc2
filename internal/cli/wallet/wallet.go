// Package wallet is the verb group "portcullis wallet".
package wallet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	adminwallet "github.com/portcullis-dev/portcullis/internal/admin/wallet"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/secrets/undumped"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

type verbs struct {
	*frame.Frame
	file   string
	unlock unlocking
}

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := &verbs{Frame: f}
	g := frame.Group("wallet", "Keep provider keys and other secrets in an encrypted file",
		c.init(), c.put(), c.get(), c.list(), c.rotate(), c.standard(), c.remove(), c.rewrap(), c.importing(), c.export(), c.status(), c.verify())
	fl := g.PersistentFlags()
	fl.StringVar(&c.file, "file", "", "wallet `file` (default "+wallet.FileName+" in the data folder)")
	c.unlock.flags(g)
	return g
}

func (c *verbs) path() string {
	if c.file != "" {
		return c.file
	}
	return filepath.Join(c.DataDir, wallet.FileName)
}

// unrecorded stands for the journal where nothing is to be recorded: what
// would be, is refused.
type unrecorded struct{}

func (unrecorded) Record(context.Context, *portcullis.Event) error {
	return errors.New("this verb reads no value and changes nothing")
}

// looking opens the wallet for what needs no record: names and metadata.
func (c *verbs) looking(ctx context.Context, f func(*wallet.Wallet) error) error {
	u, err := c.ready(ctx)
	if err != nil {
		return err
	}
	return c.with(ctx, u, unrecorded{}, f)
}

// recorded opens the wallet for what is recorded in the audit journal, that of
// the running gateway or of the data folder.
func (c *verbs) recorded(ctx context.Context, f func(*wallet.Wallet) error) error {
	u, err := c.ready(ctx)
	if err != nil {
		return err
	}
	return c.WithAdmin(ctx, func(a *admin.Client) error {
		return c.with(ctx, u, adminwallet.NewRecorder(a), f)
	})
}

// ready looks at the wallet and gets what opens it.
func (c *verbs) ready(ctx context.Context) (wallet.Unlocker, error) {
	if err := undumped.Process(); err != nil {
		return nil, err
	}
	st, err := wallet.Inspect(c.path())
	if err != nil {
		return nil, explain(err)
	}
	if st.KDF != nil && st.KDF.Weak() {
		fmt.Fprintf(c.Err, "warning: the password of this wallet is cheap to guess (%s): 'portcullis wallet rewrap' mends that\n", describeKDF(st.KDF))
	}
	return c.unlocker(ctx, st)
}

func (c *verbs) with(ctx context.Context, u wallet.Unlocker, r portcullis.Recorder, f func(*wallet.Wallet) error) error {
	w, err := wallet.Open(ctx, c.path(), u, wallet.Options{Recorder: r})
	if err != nil {
		return explain(err)
	}
	defer w.Close()
	return explain(f(w))
}

// explain turns errors of the wallet into those of the command line.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no wallet: 'portcullis wallet init' makes one")
	case errors.Is(err, wallet.ErrInvalid), errors.Is(err, wallet.ErrState):
		return frame.UsageError{Err: err}
	case errors.Is(err, wallet.ErrNotFound):
		return fmt.Errorf("%w: 'portcullis wallet list' shows the names", err)
	case errors.Is(err, wallet.ErrExists):
		return fmt.Errorf("%w: 'portcullis wallet rotate' gives it another value", err)
	}
	return err
}

// entryName is the argument rule of verbs on one entry. The name is not
// repeated when it is none: it may be a secret in the wrong place.
func entryName(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return frame.Usagef("wallet %s: want one argument, the name of an entry: a value comes from standard input", cmd.Name())
	}
	if err := frame.One("the name of an entry")(cmd, args); err != nil {
		return err
	}
	if err := wallet.ValidName(args[0]); err != nil {
		return frame.Usagef("wallet %s: %w", cmd.Name(), err)
	}
	return nil
}

// done tells of a change.
func (c *verbs) done(w *wallet.Wallet, verb, name string) error {
	e, err := w.Entry(name)
	if err != nil {
		return err
	}
	if c.JSON() {
		return c.PrintJSON(e)
	}
	return c.Printf("%s %s (version %d)\n", verb, e.Name, e.Version)
}

// moment reads a time: RFC 3339, or a duration from now.
func moment(text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return &t, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return nil, frame.Usagef("--expires: want a time like 2027-01-31T00:00:00Z or a duration like 2160h")
	}
	t := time.Now().Add(d)
	return &t, nil
}
