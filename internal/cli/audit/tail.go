// Package audit holds the verbs that read the audit log.
package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
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
	return frame.Group("audit", "Read and prove the audit log", c.tail(), c.verify(), c.prove(), c.checkpoint())
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
			if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
				return frame.Usagef("audit tail: %q holds no audit log: name the data folder with --data", c.DataDir)
			}
			if since < 0 {
				return frame.Usagef("audit tail: --since must be positive")
			}
			for _, t := range types {
				if strings.Trim(strings.ToUpper(t), "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || t == "" {
					return frame.Usagef("audit tail: --type %q: want the name of an event, such as AUTHZ_DENIED", t)
				}
				opts.Filter.Types = append(opts.Filter.Types, portcullis.EventType(strings.ToUpper(t)))
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
		who := e.Actor.ID
		if e.Actor.Sealed != "" {
			who = cmp.Or(e.Actor.Subject, "sealed")
		}
		if e.Actor.IP.IsValid() {
			who += "@" + e.Actor.IP.String()
		}
		what := strings.TrimSpace(e.Action + " " + e.Resource)
		line := fmt.Sprintf("%s %-8s %-22s %-8s %s %s", e.Time.UTC().Format("2006-01-02T15:04:05.000Z"),
			e.Severity, e.Type, e.Outcome, cmp.Or(strings.TrimSpace(who), "-"), strings.TrimSpace(what+" "+e.Reason))
		for _, d := range e.Details {
			line += fmt.Sprintf(" %s=%v", d.Key, d.Value)
		}
		return c.Printf("%s\n", c.Screen().Paint(e.Severity, frame.Printable(strings.TrimRight(line, " "))))
	})
}
