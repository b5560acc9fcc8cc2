// Package actions holds the verbs below "incident" that preserve evidence, end
// sessions and rotate what may be stolen.
package actions

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/evidence"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/screen"
)

type verbs struct{ *frame.Frame }

// Commands returns the verbs.
func Commands(f *frame.Frame) []*cobra.Command {
	c := verbs{f}
	return []*cobra.Command{c.evidence(), c.rotateAll(), c.revokeSessions()}
}

func (c verbs) evidence() *cobra.Command {
	var what evidence.Request
	var since time.Duration
	var out string
	cmd := &cobra.Command{
		Use: "evidence", Short: "Preserve evidence: one signed archive, before anything is destroyed", Args: frame.None,
		Long: `Write one signed archive of what an investigation needs: the audit log of the
last hours with a proof that it is whole, the calls that ended with 401, 403 or
5xx, the configuration with secrets masked, keys, sessions, tools, incidents,
containments, metrics, versions and the list of modules of the binary.

The archive lies in the folder "evidence" of the data folder, or is moved to
--out. Personal data stays sealed as it is in the log: whoever has the archive
without the data folder sees no person. --open-personal opens it; encrypt the
archive then. 'portcullis audit verify --evidence' verifies it, anywhere.`,
		Example: `  portcullis incident evidence
  portcullis incident evidence --since 24h --out /mnt/cases/4711.tar.gz --reason "ticket 4711"
  portcullis incident evidence --open-personal --age-recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since < time.Hour {
				return frame.Usagef("incident evidence: --since: want at least 1h")
			}
			what.Hours = int((since + time.Hour - 1) / time.Hour)
			if out != "" {
				if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
					return frame.Usagef("incident evidence: --out: %q is there already: evidence is never overwritten", out)
				}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			var made evidence.Archive
			if err := c.WithAdmin(ctx, func(a *admin.Client) (err error) {
				made, err = evidence.Preserve(ctx, a, what, c.tell)
				c.clear()
				return err
			}); err != nil {
				return err
			}
			if out != "" {
				if err := move(made.Path, out); err != nil {
					return fmt.Errorf("the archive is %s, but moving it: %w", made.Path, err)
				}
				made.Path = out
			}
			return c.show(made)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&since, "since", evidence.DefaultHours*time.Hour, "how far back the audit log is preserved")
	f.StringVar(&out, "out", "", "move the archive to this `file`")
	f.StringArrayVar(&what.Recipients, "age-recipient", nil, "encrypt to this age `recipient`; repeatable")
	f.BoolVar(&what.OpenPersonal, "open-personal", false, "open personal data")
	f.StringVar(&what.Incident, "incident", "", "`id` of the incident it is about (default: all that are open)")
	f.StringVar(&what.Reason, "reason", "", "why, for the audit log")
	return cmd
}

func (c verbs) tell(a evidence.Archive) {
	if screen.IsTerminal(c.Err) && a.All > 0 {
		fmt.Fprintf(c.Err, "\rpreserving evidence: %d of %d records ", a.Done, a.All)
	}
}

func (c verbs) clear() {
	if screen.IsTerminal(c.Err) {
		fmt.Fprintf(c.Err, "\r%60s\r", "")
	}
}

func (c verbs) show(a evidence.Archive) error {
	if c.JSON() {
		return c.PrintJSON(a)
	}
	text := fmt.Sprintf("evidence   %s\nsha256     %s\nkey        %s\nrecords    %d proven from number %d on, %d of refused calls\n", a.Path, a.SHA256, a.Key, a.Counts.Records, a.Counts.First, a.Counts.Refused)
	if a.Counts.Removed > 0 {
		text += fmt.Sprintf("removed    %d records by retention: their hashes are there\n", a.Counts.Removed)
	}
	if a.Counts.Uncovered > 0 {
		text += fmt.Sprintf("tail       %d records that no checkpoint covers yet\n", a.Counts.Uncovered)
	}
	if !a.Encrypted {
		text += "The archive is not encrypted: --age-recipient encrypts it.\n"
	}
	return c.Printf("%s", text)
}

// move moves a file, also to another file system. It never replaces one.
func move(from, to string) (err error) {
	if err := os.Link(from, to); err == nil {
		return errors.Join(durable.SyncDir(filepath.Dir(to)), os.Remove(from))
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return errors.Join(durable.SyncDir(filepath.Dir(to)), os.Remove(from))
}
