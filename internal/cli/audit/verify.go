package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/offline"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/screen"
)

type verifyFlags struct {
	since       string
	checkpoints []string
	key         string
	witnesses   []string
	evidence    string
	identity    string
}

func (c verbs) verify() *cobra.Command {
	var flags verifyFlags
	cmd := &cobra.Command{
		Use: "verify", Short: "Prove offline that no record was changed, removed or reordered", Args: frame.None,
		Long: `Reads the whole log and compares every record and every hash with the newest
signed checkpoint, and that with every checkpoint that was kept. The gateway may
run or not. Exit code 3 says that something is wrong.`,
		Example: `  portcullis audit verify
  portcullis audit verify --checkpoint kept-in-march --key audit.example.com+5a6b7c8d+AV…
  portcullis audit verify --since 24h --output json
  portcullis audit verify --evidence 4711.tar.gz --key audit.example.com+5a6b7c8d+AV…`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if flags.evidence != "" {
				return c.verifyEvidence(flags)
			}
			dir, err := c.dir("verify")
			if err != nil {
				return err
			}
			opts, err := c.verifyOptions(flags)
			if err != nil {
				return err
			}
			bar := newBar(c.Frame)
			opts.Progress = bar.show
			report, err := offline.Verify(ctx, dir, opts)
			bar.clear()
			if err != nil {
				return err
			}
			return c.printReport(report)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.since, "since", "", "leave out records before a `time`: a date such as 2026-11-01, or a duration such as 24h")
	f.StringArrayVar(&flags.checkpoints, "checkpoint", nil, "a checkpoint kept elsewhere that the log must continue: a `file`, or a folder of them; repeatable")
	f.StringVar(&flags.key, "key", "", "the `key` of the log: NAME+HASH+KEY (default: the data folder's)")
	f.StringVar(&flags.evidence, "evidence", "", "verify an archive of evidence instead: a `file`; - is standard input")
	f.StringVar(&flags.identity, "identity", "", "`file` with the age identity that opens the archive")
	f.StringArrayVar(&flags.witnesses, "witness", nil, "the `key` of a witness that must have signed; repeatable")
	return cmd
}

func (c verbs) verifyOptions(flags verifyFlags) (opts offline.VerifyOptions, err error) {
	if opts.Key, err = c.key("verify", flags.key); err != nil {
		return opts, err
	}
	if opts.Since, err = parseSince(flags.since, time.Now()); err != nil {
		return opts, frame.Usagef("audit verify: --since %q: want a date such as 2026-11-01 or a duration such as 24h", flags.since)
	}
	for _, text := range flags.witnesses {
		w, err := auditlog.NewVerifier(text)
		if err != nil {
			return opts, frame.Usagef("audit verify: --witness: %v", err)
		}
		opts.Witnesses = append(opts.Witnesses, w)
	}
	opts.Kept = map[string][]byte{}
	for _, name := range flags.checkpoints {
		if err := addKept(opts.Kept, name); err != nil {
			return opts, err
		}
	}
	return opts, nil
}

// addKept reads a checkpoint, or a folder of them.
func addKept(kept map[string][]byte, name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return frame.Usagef("audit verify: --checkpoint: there is no file %q", name)
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		kept[name], err = os.ReadFile(name)
		return err
	}
	files, err := os.ReadDir(name)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Type().IsRegular() && filepath.Ext(f.Name()) != ".new" {
			path := filepath.Join(name, f.Name())
			if kept[path], err = os.ReadFile(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseSince reads a date, a time or a duration before now. Empty is all.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = errors.New("it must be positive")
	}
	return now.Add(-d), err
}

func (c verbs) printReport(r *offline.Report) error {
	if c.JSON() {
		if err := c.PrintJSON(struct {
			Verified bool `json:"verified"`
			*offline.Report
		}{r.OK(), r}); err != nil {
			return err
		}
	} else if err := c.printReportText(r); err != nil {
		return err
	}
	if !r.OK() {
		return frame.ErrNo
	}
	return nil
}

func (c verbs) printReportText(r *offline.Report) error {
	text := fmt.Sprintf("verified   %d records of %s, signed by %s\n", r.Size, r.Origin, r.Key)
	if !r.OK() {
		text = fmt.Sprintf("NOT VERIFIED: %d problems\n", len(r.Problems)+r.More)
		if len(r.Problems)+r.More == 1 {
			text = "NOT VERIFIED: 1 problem\n"
		}
		for _, p := range r.Problems {
			text += "  " + frame.Printable(p.String()) + "\n"
		}
		if r.More > 0 {
			text += fmt.Sprintf("  and %d more\n", r.More)
		}
	}
	for _, line := range []struct {
		n    uint64
		text string
	}{
		{r.Checked, "read       %d records, each compared with the signed tree\n"},
		{r.Trusted, "left out   %d records that are older; their hashes were checked\n"},
		{r.Removed, "removed    %d records by retention, as signed records say\n"},
		{uint64(r.Checkpoints), "continues  %d kept checkpoints\n"},
		{r.Uncovered, "tail       %d records not yet covered by a checkpoint: nothing is proven about them\n"},
	} {
		if line.n > 0 {
			text += fmt.Sprintf(line.text, line.n)
		}
	}
	for _, w := range r.Witnesses {
		text += fmt.Sprintf("witness    %s signed at %s\n", frame.Printable(w.Name), w.Time.Format(time.RFC3339))
	}
	if r.Root != "" {
		text += fmt.Sprintf("root       %s\n", r.Root)
	}
	return c.Printf("%s", text)
}

// bar shows how far a long piece of work is, on a terminal only.
type bar struct {
	frame *frame.Frame
	on    bool
	begun time.Time
	next  time.Time
}

func newBar(f *frame.Frame) *bar {
	return &bar{frame: f, on: screen.IsTerminal(f.Err), begun: time.Now()}
}

func (b *bar) show(done, all int64) {
	now := time.Now()
	if !b.on || all == 0 || now.Before(b.next) {
		return
	}
	b.next = now.Add(100 * time.Millisecond)
	const width = 30
	filled := int(done * width / all)
	line := make([]byte, width)
	for i := range line {
		line[i] = '.'
		if i < filled {
			line[i] = '#'
		}
	}
	rate := float64(done) / 1e6 / max(now.Sub(b.begun).Seconds(), .001)
	fmt.Fprintf(b.frame.Err, "\r[%s] %3d%% of %d MB, %.0f MB/s ", line, done*100/all, all/1e6, rate)
}

func (b *bar) clear() {
	if b.on {
		fmt.Fprintf(b.frame.Err, "\r%60s\r", "")
	}
}
