// Package audit holds the verbs that read the audit log.
package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

type verbs struct{ *frame.Frame }

// Command returns the verbs below "audit".
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("audit", "Read and prove the audit log, and say where it goes and how long it is kept",
		c.tail(), c.search(), c.verify(), c.prove(), c.checkpoint(), c.export(), c.index(), c.sinks(), c.retention(), c.hold())
}

func (c verbs) tail() *cobra.Command {
	var opts journal.TailOptions
	var types []string
	var since time.Duration
	cmd := &cobra.Command{
		Use: "tail", Short: "Print the newest events, and the next ones as they come", Args: frame.None,
		Example: `  portcullis audit tail -n 50
  portcullis audit tail --follow --type AUTHZ_DENIED,INPUT_REJECTED
  portcullis audit tail --request-id 01997d3e-… --output json`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			dir := filepath.Join(c.DataDir, "audit")
			if err := c.there("audit tail"); err != nil {
				return err
			}
			if since < 0 {
				return frame.Usagef("audit tail: --since must be positive")
			}
			if opts.Filter.Types, err = c.types("audit tail", types); err != nil {
				return err
			}
			if since > 0 {
				opts.Filter.Since = time.Now().Add(-since)
			}
			people, err := c.Personal()
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, people.Close()) }()
			opts.Open = people.Opener(slog.New(slog.DiscardHandler))
			damaged := false
			opts.Damage = func(err error) error {
				damaged = true
				fmt.Fprintln(c.Err, "portcullis: damaged:", err)
				return nil
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if err := c.follow(ctx, dir, opts); err != nil {
				return err
			}
			if damaged {
				return fmt.Errorf("%w: the audit log is damaged", frame.ErrNo)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.IntVarP(&opts.Last, "lines", "n", 20, "how many events to begin with; -1 = all")
	f.BoolVarP(&opts.Follow, "follow", "f", false, "wait for more")
	f.StringSliceVar(&types, "type", nil, "only events of these types")
	f.StringVar(&opts.Filter.Actor, "actor", "", "only events of this principal or key id")
	f.StringVar(&opts.Filter.RequestID, "request-id", "", "only events of this request")
	f.DurationVar(&since, "since", 0, "only events of the last `duration`, such as 24h")
	return cmd
}

func (c verbs) follow(ctx context.Context, dir string, opts journal.TailOptions) error {
	return journal.Tail(ctx, dir, opts, func(_ journal.Line, e portcullis.Event) error {
		if c.JSON() {
			return c.Printf("%s\n", auditlog.AppendEntry(nil, &e))
		}
		return c.line(&e)
	})
}
