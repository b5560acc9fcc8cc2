package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/index"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

// question is what the flags of search say.
type question struct {
	q               index.Query
	since, until    string
	types, outcomes []string
	severity, ip    string
}

func (c verbs) search() *cobra.Command {
	var in question
	cmd := &cobra.Command{
		Use: "search", Short: "Find events, the newest first", Args: frame.None,
		Long: `Find events, the newest first. All filters must match; a filter with more than
one value matches any of them. An index makes this fast in large logs; it is
brought up to date first, unless the gateway runs, which does that all the time.`,
		Example: `  portcullis audit search --actor user:alice --since 24h
  portcullis audit search --type AUTHZ_DENIED,INPUT_REJECTED --resource tool:write_file
  portcullis audit search --severity WARN --ip 192.0.2.0/24 --since 2026-11-01 --until 2026-12-01
  portcullis audit search --text "secret aws" -n 10 --output json
  portcullis audit search --outcome failure --before 151230`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.there("audit search"); err != nil {
				return err
			}
			if err := c.read(&in); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return c.find(ctx, in.q)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.since, "since", "", "not before this `time`: 24h ago, a day, or RFC 3339")
	f.StringVar(&in.until, "until", "", "before this `time`")
	f.StringSliceVar(&in.types, "type", nil, "events of these types")
	f.StringVar(&in.severity, "severity", "", "this severity or worse: INFO, WARN, ERROR or CRITICAL")
	f.StringVar(&in.q.Actor, "actor", "", "principal or key id, or the hash of a sealed one")
	f.StringVar(&in.q.Resource, "resource", "", "such as tool:write_file")
	f.StringSliceVar(&in.outcomes, "outcome", nil, "success, failure or pending")
	f.StringVar(&in.q.Route, "route", "", "name of a route")
	f.StringVar(&in.q.Reason, "reason", "", "why a call was refused, such as forbidden")
	f.StringVar(&in.q.RequestID, "request-id", "", "X-Request-Id of a reply")
	f.StringVar(&in.ip, "ip", "", "client `address` or network")
	f.StringVar(&in.q.Text, "text", "", "`words` that stand in resource, route, action, reason, trace id or details")
	f.IntVarP(&in.q.Limit, "limit", "n", index.DefaultLimit, "how many events, at most 10000")
	f.Uint64Var(&in.q.Before, "before", 0, "go on behind a page: the `number` that it ended with")
	return cmd
}

// read turns flags into the question.
func (c verbs) read(in *question) (err error) {
	now := time.Now()
	if in.q.Since, err = moment("audit search", "since", in.since, now); err != nil {
		return err
	}
	if in.q.Until, err = moment("audit search", "until", in.until, now); err != nil {
		return err
	}
	if in.q.Types, err = c.types("audit search", in.types); err != nil {
		return err
	}
	if in.ip != "" {
		if in.q.Address, err = index.ParseAddress(in.ip); err != nil {
			return frame.Usagef("audit search: --ip: %w", err)
		}
	}
	in.q.Severity = portcullis.Severity(strings.ToUpper(in.severity))
	for _, o := range in.outcomes {
		switch o := portcullis.Outcome(o); o {
		case portcullis.OutcomeSuccess, portcullis.OutcomeFailure, portcullis.OutcomePending:
			in.q.Outcomes = append(in.q.Outcomes, o)
		default:
			return frame.Usagef("audit search: --outcome %q: want success, failure or pending", o)
		}
	}
	if in.q.Limit == 0 {
		return frame.Usagef("audit search: limit 0: want 1 to %d", index.MaxLimit)
	}
	if err := in.q.Validate(); err != nil {
		return frame.Usagef("audit search: %w", err)
	}
	return nil
}

// open returns the index of the data folder, and what to close.
func (c verbs) open() (*index.Index, func() error, error) {
	people, err := c.Personal()
	if err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.DiscardHandler)
	opts := index.Options{Log: log, Open: people.Opener(log)}
	if people != nil {
		opts.Subject = people.Name
	}
	x := index.New(c.folder(), opts)
	return x, func() error { return errors.Join(x.Close(), people.Close()) }, nil
}

// update brings the index up to date. A search answers without it too.
func (c verbs) update(ctx context.Context, x *index.Index) {
	p := c.progress("indexing")
	err := x.Update(ctx, func(at index.Progress) { p.tell(at.Done, at.Total) })
	p.end()
	if err != nil && !errors.Is(err, index.ErrBusy) && ctx.Err() == nil {
		fmt.Fprintln(c.Err, "portcullis: warning: the index is not up to date, so this may take longer:", err)
	}
}

func (c verbs) find(ctx context.Context, q index.Query) (err error) {
	x, end, err := c.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	c.update(ctx, x)
	r, err := x.Search(ctx, q)
	if err != nil {
		return err
	}
	if c.JSON() {
		out := found{Events: make([]json.RawMessage, len(r.Events)), Before: r.More, Unindexed: r.Unindexed}
		for i := range r.Events {
			out.Events[i] = auditlog.AppendEntry(nil, &r.Events[i].Event)
		}
		return c.PrintJSON(out)
	}
	for i := range r.Events {
		if err := c.line(&r.Events[i].Event); err != nil {
			return err
		}
	}
	if r.More > 0 {
		fmt.Fprintf(c.Err, "older events match too: go on with --before %d\n", r.More)
	}
	return nil
}

// found is an answer for scripts.
type found struct {
	Events    []json.RawMessage `json:"events"`
	Before    uint64            `json:"before,omitempty"` // --before of the next page
	Unindexed int               `json:"unindexed"`        // events that were read because the index lacks them
}

func (c verbs) index() *cobra.Command {
	return frame.Group("index", "Look after the index of the audit log", c.indexStatus(), c.indexRebuild())
}

func (c verbs) indexStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how far the index reaches", Args: frame.None,
		Example: "  portcullis audit index status --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.there("audit index status"); err != nil {
				return err
			}
			x := index.New(c.folder(), index.Options{})
			s, err := x.Status(cmd.Context())
			if err = errors.Join(err, x.Close()); err != nil {
				return err
			}
			if c.JSON() {
				return c.PrintJSON(map[string]any{"indexed": s.Indexed, "written": s.Written, "behind": s.Written - min(s.Indexed, s.Written), "blocks": s.Blocks, "bytes": s.Bytes})
			}
			return c.Printf("%d of %d events are in the index (%d bytes); the rest is read from the journal\n", s.Indexed, s.Written, s.Bytes)
		},
	}
}

func (c verbs) indexRebuild() *cobra.Command {
	return &cobra.Command{
		Use: "rebuild", Short: "Make the index anew from the journal", Args: frame.None,
		Example: "  portcullis audit index rebuild",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := c.there("audit index rebuild"); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			x := index.New(c.folder(), index.Options{})
			defer func() { err = errors.Join(err, x.Close()) }()
			p := c.progress("indexing")
			err = x.Rebuild(ctx, func(at index.Progress) { p.tell(at.Done, at.Total) })
			p.end()
			if errors.Is(err, index.ErrBusy) {
				return fmt.Errorf("rebuilding the index: %w: stop it first", err)
			}
			if err != nil {
				return err
			}
			s, err := x.Status(ctx)
			if err != nil {
				return err
			}
			if c.JSON() {
				return c.PrintJSON(map[string]any{"indexed": s.Indexed, "written": s.Written})
			}
			return c.Printf("indexed %d of %d events; the rest does not fill a block yet\n", s.Indexed, s.Written)
		},
	}
}
