package wallet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	adminwallet "github.com/portcullis-dev/portcullis/internal/admin/wallet"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/secrets/probe"
	"github.com/portcullis-dev/portcullis/internal/secrets/rotation"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

// rotating is what the flags of rotate say.
type rotating struct {
	pending, promote, discard, purge, status bool

	emergency, dryRun, noVerify, keep bool

	plan    rotation.Plan
	expires string
	probe   secrets.ProbeSection
}

func (c *verbs) rotate() *cobra.Command {
	var r rotating
	cmd := &cobra.Command{
		Use: "rotate NAME", Short: "Give an entry another value, which comes from standard input", Args: entryName,
		Long: `Give an entry another value. If it is the key of a provider that can be asked,
the new value first waits in the wallet, the provider is asked about it, and only
if it takes it, the new value serves. The old one is kept for the overlap and then
purged. The exit code is 3 if the provider refuses the value; if it cannot be told,
1, and the value goes on waiting: --promote asks again.

Which question is asked, [secrets.rotation] of the configuration says, or the
provider of the entry; --probe and --probe-url say otherwise. --pending only lets
the value wait.`,
		Example: `  portcullis wallet rotate openai < new.key
  portcullis wallet rotate openai --dry-run < new.key
  portcullis wallet rotate openai --emergency < new.key
  portcullis wallet rotate openai --pending < new.key
  portcullis wallet rotate openai --promote --overlap 1h
  portcullis wallet rotate openai --status`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.check(cmd); err != nil {
				return err
			}
			r.plan.Name = args[0]
			if r.status {
				return c.slots(cmd.Context(), args[0])
			}
			var value []byte
			if !r.promote && !r.discard && !r.purge {
				var err error
				if value, err = c.value(cmd.Name()); err != nil {
					return err
				}
				defer clear(value)
			}
			if r.dryRun && !r.promote {
				return c.try(cmd.Context(), &r, value)
			}
			return c.rotated(cmd.Context(), &r, value)
		},
	}
	r.flags(cmd)
	return cmd
}

func (r *rotating) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVar(&r.plan.Overlap, "overlap", 24*time.Hour, "how long the old value is kept; 0 drops it at once")
	f.StringVar(&r.expires, "expires", "", "when the entry ends from now on: a `time`, or a duration from now")
	f.BoolVar(&r.pending, "pending", false, "let the new value wait, and ask nobody")
	f.BoolVar(&r.promote, "promote", false, "go on with the waiting value: ask the provider, and make it the current one")
	f.BoolVar(&r.discard, "discard", false, "drop the waiting value")
	f.BoolVar(&r.discard, "abort", false, "the same as --discard")
	f.BoolVar(&r.purge, "purge", false, "drop the value before, now")
	f.BoolVar(&r.status, "status", false, "show which values the entry has, and when it is due")
	f.BoolVar(&r.emergency, "emergency", false, "now and without an overlap: drop a waiting value, and the old one as soon as the new one serves")
	f.BoolVar(&r.dryRun, "dry-run", false, "only ask the provider about the new value, or with --promote about the waiting one")
	f.BoolVar(&r.noVerify, "no-verify", false, "do not ask the provider: a wrong value breaks every call that needs it")
	f.BoolVar(&r.keep, "keep-refused", false, "let a value that the provider refuses wait, instead of dropping it")
	f.StringVar(&r.probe.Kind, "probe", "", "which question: `kind` of provider, such as openai")
	f.StringVar(&r.probe.URL, "probe-url", "", "`address` of the provider instead of its usual one")
}

// check refuses flags that exclude one another.
func (r *rotating) check(cmd *cobra.Command) error {
	chosen := 0
	for _, b := range []bool{r.pending, r.promote, r.discard, r.purge, r.status} {
		if b {
			chosen++
		}
	}
	asks := !r.pending && !r.discard && !r.purge && !r.status
	switch {
	case chosen > 1:
		return frame.Usagef("--pending, --promote, --discard, --purge and --status exclude each other")
	case r.emergency && !asks, r.emergency && r.promote && r.dryRun:
		return frame.Usagef("--emergency is about a new value, or with --promote about the waiting one")
	case r.emergency && cmd.Flags().Changed("overlap"):
		return frame.Usagef("--emergency leaves no overlap")
	case r.dryRun && (!asks || r.noVerify):
		return frame.Usagef("--dry-run asks the provider")
	case r.noVerify && !asks:
		return frame.Usagef("--no-verify is about a new value, or with --promote about the waiting one")
	}
	if r.emergency {
		r.plan.Overlap = 0
	}
	r.plan.Discard = !r.keep
	var err error
	r.plan.Expires, err = moment(r.expires)
	return err
}

// question finds what to ask about an entry: as the flags say, else the
// configuration, else by its provider.
func (c *verbs) question(r *rotating, e wallet.Entry) (rotation.Check, error) {
	cfg, _, err := c.LoadConfig()
	if err != nil {
		return nil, err
	}
	entry := cfg.Secrets.Rotation.Entry(e.Name)
	p := entry.Probe
	if r.probe.Kind != "" {
		if !slices.Contains(probe.Kinds(), r.probe.Kind) || r.probe.Kind == probe.None {
			return nil, frame.Usagef("--probe: there is no question of this kind")
		}
		p.Kind = r.probe.Kind
	}
	if r.probe.URL != "" {
		p.URL = r.probe.URL
	}
	settings, ok := p.Settings(e.Provider)
	if !ok {
		return nil, nil
	}
	asked, err := probe.New(settings)
	if err != nil {
		return nil, frame.Usagef("asking the provider: %w", err)
	}
	return asked, nil
}

// verdict is what is printed of an answer.
type verdict struct {
	Entry   string        `json:"entry"`
	Verdict probe.Verdict `json:"verdict"`
	Why     string        `json:"why"`
	Status  int           `json:"status,omitempty"`
}

// say prints an answer. The exit code is 0 for a yes, 3 for a no, else 1.
func (c *verbs) say(name string, out rotation.Outcome) error {
	v := verdict{name, out.Result.Verdict, out.Result.Why, out.Result.Status}
	var err error
	if c.JSON() {
		err = c.PrintJSON(v)
	} else {
		text := map[probe.Verdict]string{
			probe.Accepted: "the provider takes the value of %s\n", probe.Refused: "the provider refuses the value of %s\n",
		}[v.Verdict]
		if text == "" {
			text = "the provider did not say whether it takes the value of %s\n"
		}
		err = c.Printf(text, name)
	}
	switch {
	case err != nil:
		return err
	case v.Verdict == probe.Refused:
		return frame.ErrNo
	case v.Verdict != probe.Accepted:
		return fmt.Errorf("it cannot be told now (%s)", v.Why)
	}
	return nil
}

// try asks about a value that is not in the wallet.
func (c *verbs) try(ctx context.Context, r *rotating, value []byte) error {
	return c.looking(ctx, func(w *wallet.Wallet) error {
		e, err := w.Entry(r.plan.Name)
		if err != nil {
			return err
		}
		asked, err := c.question(r, e)
		if err != nil {
			return err
		}
		if asked == nil {
			return frame.Usagef("there is no probe for provider %q: give --probe", e.Provider)
		}
		return c.say(e.Name, rotation.Try(ctx, asked, value))
	})
}

// rotated does a step that changes the wallet.
func (c *verbs) rotated(ctx context.Context, r *rotating, value []byte) error {
	u, err := c.ready(ctx)
	if err != nil {
		return err
	}
	return c.WithAdmin(ctx, func(a *admin.Client) error {
		recorder := adminwallet.NewRecorder(a)
		return c.with(ctx, u, recorder, func(w *wallet.Wallet) error {
			name := r.plan.Name
			switch {
			case r.pending:
				return c.after(w, "staged a value of", name, w.Stage(ctx, name, value))
			case r.discard:
				return c.after(w, "dropped the pending value of", name, w.Abort(ctx, name))
			case r.purge:
				return c.after(w, "dropped the previous value of", name, w.Purge(ctx, name))
			}
			return c.exchange(ctx, r, w, &rotation.Rotator{Wallet: w, Recorder: recorder}, value)
		})
	})
}

func (c *verbs) after(w *wallet.Wallet, verb, name string, err error) error {
	if err != nil {
		return err
	}
	return c.done(w, verb, name)
}

// exchange makes a new or waiting value the current one.
func (c *verbs) exchange(ctx context.Context, r *rotating, w *wallet.Wallet, rot *rotation.Rotator, value []byte) error {
	name := r.plan.Name
	e, err := w.Entry(name)
	if err != nil {
		return err
	}
	if !r.noVerify {
		if r.plan.Check, err = c.question(r, e); err != nil {
			return err
		}
	}
	switch {
	case r.dryRun && r.plan.Check == nil:
		return frame.Usagef("there is no probe for provider %q: give --probe", e.Provider)
	case r.dryRun:
		out, err := rot.Verify(ctx, name, wallet.Pending, r.plan.Check)
		if err != nil {
			return err
		}
		return c.say(name, out)
	case r.noVerify:
		fmt.Fprintf(c.Err, "warning: nobody asks the provider whether the new value of %s is good (--no-verify)\n", name)
	case r.plan.Check == nil && e.Provider != "":
		fmt.Fprintf(c.Err, "note: the new value of %s is not verified: there is no probe for provider %q\n", name, e.Provider)
	}
	verb := "rotated"
	switch {
	case r.promote:
		verb = "promoted the pending value of"
		_, err = rot.Finish(ctx, r.plan)
	case r.emergency && e.Pending != 0:
		if err := w.AbortVersion(ctx, name, e.Pending); err != nil {
			return err
		}
		_, err = rot.Rotate(ctx, r.plan, value)
	case r.plan.Check == nil:
		err = w.Rotate(ctx, name, value, wallet.Rotation{Overlap: r.plan.Overlap, Expires: r.plan.Expires})
	default:
		_, err = rot.Rotate(ctx, r.plan, value)
	}
	return c.after(w, verb, name, c.refusal(r, err))
}

// refusal says what to do about a rotation that did not happen.
func (c *verbs) refusal(r *rotating, err error) error {
	switch {
	case errors.Is(err, rotation.ErrRefused):
		what := "the new value is dropped"
		if r.keep {
			what = "the new value waits: --promote asks again, --discard drops it"
		}
		fmt.Fprintf(c.Err, "%s\n%s\n", frame.Printable(err.Error()), what)
		return frame.ErrNo
	case errors.Is(err, rotation.ErrUnknown):
		return fmt.Errorf("%w: the new value waits: --promote asks again, --discard drops it", err)
	}
	return err
}

// slots shows the values that an entry has, and when it is due.
func (c *verbs) slots(ctx context.Context, name string) error {
	cfg, _, err := c.LoadConfig()
	if err != nil {
		return err
	}
	return c.looking(ctx, func(w *wallet.Wallet) error {
		e, err := w.Entry(name)
		if err != nil {
			return err
		}
		entry := cfg.Secrets.Rotation.Entry(name)
		due := rotation.Schedule{Every: entry.Every}.Due(e)
		_, asks := entry.Probe.Settings(e.Provider)
		if c.JSON() {
			return c.PrintJSON(struct {
				wallet.Entry
				Due      time.Time `json:"due_at"`
				Verified bool      `json:"verified_before_use"`
			}{e, due, asks && !entry.NoVerify})
		}
		rows := [][]string{{"current", fmt.Sprintf("version %d", e.Version)}, {"pending", "none"}, {"previous", "none"}, {"due", due.UTC().Format(time.RFC3339)}}
		if e.Pending != 0 {
			rows[1][1] = pending(e)
		}
		if e.Previous != 0 {
			rows[2][1] = fmt.Sprintf("version %d, kept until %s", e.Previous, frame.When(e.KeptUntil, ""))
		}
		return c.Table([]string{"name", e.Name}, rows)
	})
}
