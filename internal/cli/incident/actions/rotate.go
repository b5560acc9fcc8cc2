package actions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	api "github.com/portcullis-dev/portcullis/internal/admin/rotateall"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/screen"
	"github.com/portcullis-dev/portcullis/internal/incident/rotateall"
)

// rotating is what the flags of rotate-all say.
type rotating struct {
	api.Request
	overlap    time.Duration
	dryRun     bool
	resume     string
	deliver    string
	out        string
	recipients []string
}

func (c verbs) rotateAll() *cobra.Command {
	var in rotating
	cmd := &cobra.Command{
		Use: "rotate-all", Short: "Replace API keys, signing keys and the keys of providers, after a plan", Args: frame.None,
		Long: `Replace what may have been stolen: the API keys of callers, the keys that sign
tokens, and the keys of providers in the wallet, which their providers are asked
about before they serve. --dry-run prints the plan and its digest; the run wants
that digest with --plan, so that what is done is what you saw.

Without --overlap the old ones end at once. Each step is stored: a process that
dies goes on at its next start, and --resume tries again what failed.

New API keys have no secret until it is fetched. --out writes a claim token for
each to a file that only you read, or encrypted to --age-recipient; --deliver
does it again for a run, and voids the tokens it gave before.`,
		Example: `  portcullis incident rotate-all --dry-run
  portcullis incident rotate-all --plan 4be1f6c0a2d39e77 --out keys.jsonl
  portcullis incident rotate-all --plan 4be1f6c0a2d39e77 --overlap 1h --exclude wallet --exclude key:3f9a1c5e7b2d4806a1c3e5f7092b4d6e
  portcullis incident rotate-all --resume last`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := in.check(); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return c.WithAdmin(ctx, func(a *admin.Client) error { return c.rotate(ctx, a, &in) })
		},
	}
	f := cmd.Flags()
	f.BoolVar(&in.dryRun, "dry-run", false, "print the plan and change nothing")
	f.StringVar(&in.Plan, "plan", "", "carry out the plan of this `digest`")
	f.DurationVar(&in.overlap, "overlap", 0, "how long the old ones go on working")
	f.StringArrayVar(&in.Exclude, "exclude", nil, "leave out an `item` of the plan, or a kind: key, signing, wallet; repeatable")
	f.StringVar(&in.Incident, "incident", "", "`id` of the incident it is about")
	f.StringVar(&in.Reason, "reason", "", "why, for the audit log")
	f.BoolVar(&in.Force, "force", false, "although evidence of an open incident is not preserved")
	f.StringVar(&in.resume, "resume", "", "go on with the run of this `id`, or the last, and try again what failed")
	f.StringVar(&in.deliver, "deliver", "", "make claim tokens for the keys of the run of this `id`, or the last, that nobody fetched")
	f.StringVar(&in.out, "out", "", "write claim tokens to this `file`")
	f.StringArrayVar(&in.recipients, "age-recipient", nil, "encrypt the file to this age `recipient`; repeatable")
	return cmd
}

func (in *rotating) check() error {
	in.Overlap = int64(in.overlap / time.Second)
	ways := 0
	for _, set := range []bool{in.dryRun, in.Plan != "", in.resume != "", in.deliver != ""} {
		if set {
			ways++
		}
	}
	switch {
	case ways != 1:
		return frame.Usagef("incident rotate-all: want one of --dry-run, --plan, --resume and --deliver: a run carries out a plan that you have seen")
	case in.deliver != "" && in.out == "":
		return frame.Usagef("incident rotate-all: --deliver: name the file with --out")
	case in.overlap < 0 || in.overlap%time.Second != 0:
		return frame.Usagef("incident rotate-all: --overlap: want 0 or whole seconds")
	case in.out == "":
		return nil
	}
	if _, err := os.Lstat(in.out); !errors.Is(err, fs.ErrNotExist) {
		return frame.Usagef("incident rotate-all: --out: %q is there already", in.out)
	}
	return nil
}

func (c verbs) rotate(ctx context.Context, a *admin.Client, in *rotating) (err error) {
	var r rotateall.Run
	switch {
	case in.dryRun:
		if r, err = api.Plan(ctx, a, in.Request); err != nil {
			return err
		}
		return c.showRun(&r)
	case in.deliver != "":
		return c.deliver(ctx, a, in.deliver, in)
	case in.resume != "":
		r, err = api.Resume(ctx, a, in.resume, c.far)
	default:
		r, err = api.Carry(ctx, a, in.Request, c.far)
	}
	c.clear()
	if err != nil {
		return err
	}
	if err := c.showRun(&r); err != nil {
		return err
	}
	if in.out != "" {
		if err := c.deliver(ctx, a, r.ID, in); err != nil {
			return err
		}
	}
	for i := range r.Items {
		if r.Items[i].State == rotateall.Failed {
			return fmt.Errorf("not everything was rotated: 'portcullis incident rotate-all --resume %s' tries again", r.ID)
		}
	}
	return nil
}

func (c verbs) far(r rotateall.Run) {
	if !screen.IsTerminal(c.Err) {
		return
	}
	done := 0
	for i := range r.Items {
		if r.Items[i].State.Over() {
			done++
		}
	}
	fmt.Fprintf(c.Err, "\rrotating: %d of %d ", done, len(r.Items))
}

func (c verbs) showRun(r *rotateall.Run) error {
	if c.JSON() {
		return c.PrintJSON(r)
	}
	rows := make([][]string, len(r.Items))
	for n := range r.Items {
		i := &r.Items[n]
		rows[n] = []string{i.ID(), string(i.State), i.Result, frame.Printable(i.Detail)}
	}
	if err := c.Table([]string{"ITEM", "STATE", "NOW", "DETAIL"}, rows); err != nil {
		return err
	}
	old := "the old ones end at once"
	if r.Overlap > 0 {
		old = "the old ones work for another " + r.Overlap.String()
	}
	if r.ID == "" {
		return c.Printf("\nplan %s: %d items, %s. Nothing was changed.\n", r.Plan, len(r.Items), old)
	}
	return c.Printf("\nrotation %s: %d items, %s\n", r.ID, len(r.Items), old)
}

// deliver writes claim tokens to a file that only its owner reads.
func (c verbs) deliver(ctx context.Context, a *admin.Client, id string, in *rotating) (err error) {
	var to []age.Recipient
	if len(in.recipients) > 0 {
		if to, err = age.ParseRecipients(strings.NewReader(strings.Join(in.recipients, "\n"))); err != nil {
			return frame.Usagef("incident rotate-all: --age-recipient: %v", err)
		}
	}
	f, err := os.OpenFile(in.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // before there is anything to write
	if err != nil {
		return fmt.Errorf("making the file of claim tokens: %w", err)
	}
	list, err := api.Deliver(ctx, a, id)
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(in.out))
	}
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	for _, r := range list {
		if err := lines.Encode(r); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	var w io.WriteCloser = f
	if len(to) > 0 {
		if w, err = age.Encrypt(f, to...); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	_, err = w.Write(text.Bytes())
	if len(to) > 0 {
		err = errors.Join(err, w.Close())
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing the claim tokens: %w", err)
	}
	fmt.Fprintf(c.Err, "%d claim tokens are in %s: hand each to the owner of its key\n", len(list), in.out)
	return nil
}
