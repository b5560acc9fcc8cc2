package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
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
	"github.com/portcullis-dev/portcullis/internal/audit/format"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

// exporting is what the flags of export say.
type exporting struct {
	name         string // of the format
	file         string // "" = standard output
	since, until string
	types        []string
	actor        string
	sealed       bool

	filter  journal.Filter
	before  time.Time
	encoder format.Encoder
}

// formats are the names that --format takes. A line of JSON per event is what
// "jsonl" says better than "json".
func formats() []string {
	names := format.Names()
	names[0] = "jsonl"
	return names
}

func (c verbs) export() *cobra.Command {
	var in exporting
	cmd := &cobra.Command{
		Use: "export", Short: "Write events in a form that other programs read", Args: frame.None,
		Long: `Write events, the oldest first, one per line: as they stand in the log (jsonl),
as CSV, or as a SIEM reads them (ocsf, ecs, cef, leef). Damaged and missing
records are told of on standard error, and end with exit code 1.`,
		Example: `  portcullis audit export --format jsonl --since 24h
  portcullis audit export --format csv --since 2026-11-01 --until 2026-12-01 --out november.csv
  portcullis audit export --format ocsf --type AUTH_FAILURE,AUTHZ_DENIED | gzip > refused.json.gz`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.there("audit export"); err != nil {
				return err
			}
			if err := c.readExport(&in); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return c.exportTo(ctx, &in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.name, "format", "jsonl", strings.Join(formats(), ", "))
	f.StringVar(&in.file, "out", "", "write to this `file`, which appears when it is whole")
	f.StringVar(&in.since, "since", "", "not before this `time`: 24h ago, a day, or RFC 3339")
	f.StringVar(&in.until, "until", "", "before this `time`")
	f.StringSliceVar(&in.types, "type", nil, "only events of these types")
	f.StringVar(&in.actor, "actor", "", "only events of this principal or key id, or the hash of a sealed one")
	f.BoolVar(&in.sealed, "sealed", false, "leave personal data sealed, as it is in the log")
	return cmd
}

func (c verbs) readExport(in *exporting) (err error) {
	name := in.name
	if name == "jsonl" {
		name = "json"
	}
	host, err := os.Hostname()
	if err != nil { // then events do not name it
		host = ""
	}
	var ok bool
	if in.encoder, ok = format.ByName(name, format.Info{Version: c.Version, Host: host}); !ok {
		return frame.Usagef("audit export: --format %q: want %s", in.name, strings.Join(formats(), ", "))
	}
	now := time.Now()
	if in.filter.Since, err = moment("audit export", "since", in.since, now); err != nil {
		return err
	}
	if in.before, err = moment("audit export", "until", in.until, now); err != nil {
		return err
	}
	in.filter.Actor = in.actor
	in.filter.Types, err = c.types("audit export", in.types)
	return err
}

// exportTo writes to standard output, or to a file that appears when it is
// whole.
func (c verbs) exportTo(ctx context.Context, in *exporting) error {
	if in.file == "" {
		return c.write(ctx, in, c.Out)
	}
	f, err := os.CreateTemp(filepath.Dir(in.file), "."+filepath.Base(in.file)+".*")
	if err != nil {
		return fmt.Errorf("making the file: %w", err)
	}
	err = c.write(ctx, in, f)
	var damage *damagedError
	if err == nil || errors.As(err, &damage) { // what can be read is of use
		err = errors.Join(err, f.Sync(), f.Close(), os.Rename(f.Name(), in.file))
		return err
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// damagedError says that records could not be exported.
type damagedError struct{ n int }

// Error says how many.
func (e *damagedError) Error() string {
	return fmt.Sprintf("the audit log is damaged in %d places: what stood there is not exported", e.n)
}

// write writes the events that are asked for, record by record.
func (c verbs) write(ctx context.Context, in *exporting, out io.Writer) (err error) {
	people, err := c.Personal()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, people.Close()) }()
	open := people.Opener(slog.New(slog.DiscardHandler))
	if in.sealed {
		open = nil
	}
	end, err := journal.End(c.folder())
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 64<<10)
	var buf []byte
	if h, ok := in.encoder.(format.Header); ok {
		buf = append(h.AppendHeader(buf), in.eol()...)
	}
	p := c.progress("exporting")
	defer p.end()
	damaged := 0
	for line, err := range journal.All(c.folder(), journal.Cursor{}) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var e portcullis.Event
		if err == nil {
			e, err = auditlog.ParseEntry(line.Entry)
		} else if !journal.IsDamage(err) {
			return err
		}
		if err != nil {
			damaged++
			fmt.Fprintln(c.Err, "portcullis: damaged:", err)
			continue
		}
		if line.Seq >= end.Seq {
			break // written since the export began
		}
		p.tell(line.Seq, end.Seq)
		if open != nil {
			open(&e)
		}
		if in.filter.Match(&e) && (in.before.IsZero() || e.Time.Before(in.before)) {
			if buf, err = in.encoder.Append(buf, &e); err != nil {
				return err
			}
			buf = append(buf, in.eol()...)
		}
		if len(buf) > 0 {
			if _, err := w.Write(buf); err != nil {
				return fmt.Errorf("writing the export: %w", err)
			}
			buf = buf[:0]
		}
	}
	_, err = w.Write(buf) // a header that nothing followed
	if err = errors.Join(err, w.Flush()); err != nil {
		return fmt.Errorf("writing the export: %w", err)
	}
	if damaged > 0 {
		return &damagedError{damaged}
	}
	return nil
}

// eol is the end of a line. RFC 4180 wants two characters.
func (in *exporting) eol() string {
	if in.name == "csv" {
		return "\r\n"
	}
	return "\n"
}
