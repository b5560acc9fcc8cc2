package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/auditlog/bundle"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/backups"
	"github.com/portcullis-dev/portcullis/internal/app/backup"
	"github.com/portcullis-dev/portcullis/internal/app/secrets/opener"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/screen"
)

// made is what `backup create` prints.
type made struct {
	File  string       `json:"file"`
	Bytes int64        `json:"bytes"`
	Seal  bundle.Seal  `json:"seal"`
	About backup.About `json:"about"`
}

func (c verbs) create() *cobra.Command {
	var out string
	var recipients []string
	var passphrase bool
	cmd := &cobra.Command{
		Use: "create", Short: "Copy the data folder to one encrypted, signed file, while a gateway runs", Args: frame.None,
		Long: `Copy the data folder to one encrypted, signed file. A gateway may run on it.

The copy holds the root key, the database, the wallet and the audit log: whoever
opens it has everything but what opens the wallet. It is encrypted to an age
recipient, whose identity you keep elsewhere, or with a passphrase. It does not
hold the configuration, nor what can be made again.`,
		Example: `  portcullis backup create --out backup.age --age-recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
  portcullis backup create --out backup.age --passphrase < passphrase.txt`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := c.folder(); err != nil {
				return err
			}
			o, err := c.creating(recipients, passphrase)
			if err != nil {
				return err
			}
			if out == "" {
				return frame.Usagef("backup create: --out: name the file")
			}
			if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
				return frame.Usagef("backup create: --out: %q is there already: a backup is never overwritten", out)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if err := c.note(ctx, backups.Note{Action: "create", Outcome: "pending"}); err != nil {
				return err
			}
			m, err := c.write(ctx, out, o)
			n := backups.Note{Action: "create", Outcome: "success", SHA256: m.Seal.SHA256, Records: m.About.Covered, Bytes: m.Bytes}
			if err != nil {
				n = backups.Note{Action: "create", Outcome: "failure"}
			}
			if err := errors.Join(err, c.note(context.WithoutCancel(ctx), n)); err != nil {
				return err
			}
			if c.JSON() {
				return c.PrintJSON(m)
			}
			return c.Printf("backup     %s, %d bytes\nsha256     %s of what is signed\nrecords    %d of the audit log %s\nProve it now and then: portcullis backup drill %s\n", m.File, m.Bytes, m.Seal.SHA256, m.About.Covered, m.About.Origin, m.File)
		},
	}
	f := cmd.Flags()
	f.StringVar(&out, "out", "", "the `file` to write (required)")
	f.StringArrayVar(&recipients, "age-recipient", nil, "encrypt to this age `recipient`; repeatable")
	f.BoolVar(&passphrase, "passphrase", false, "encrypt with a passphrase, the first line of standard input")
	return cmd
}

func (c verbs) creating(recipients []string, passphrase bool) (o backup.Options, err error) {
	cfg, _, err := c.LoadConfig()
	if err != nil {
		return o, err
	}
	o = backup.Options{
		DataDir: c.DataDir, Store: cfg.Store.URL, Version: c.Version,
		Wallet: opener.Opener{Config: cfg.Secrets, DataDir: c.DataDir, Getenv: c.Env}.Path(),
	}
	if screen.IsTerminal(c.Err) {
		o.Progress = func(done int64) { fmt.Fprintf(c.Err, "\rcopying: %d MB ", done/1e6) }
	}
	switch {
	case passphrase == (len(recipients) > 0):
		return o, frame.Usagef("backup create: say how it is encrypted: --age-recipient or --passphrase")
	case passphrase:
		text, err := c.passphrase("create", true)
		if err != nil {
			return o, err
		}
		r, err := age.NewScryptRecipient(text)
		o.Recipients = []age.Recipient{r}
		return o, err
	}
	if o.Recipients, err = age.ParseRecipients(strings.NewReader(strings.Join(recipients, "\n"))); err != nil {
		return o, frame.Usagef("backup create: --age-recipient: %v", err)
	}
	return o, nil
}

// note records what is done in the journal of the data folder.
func (c verbs) note(ctx context.Context, n backups.Note) error {
	return c.WithAdmin(ctx, func(a *admin.Client) error { return backups.Tell(ctx, a, n) })
}

// write writes the file, which appears when it is whole.
func (c verbs) write(ctx context.Context, out string, o backup.Options) (m made, err error) {
	f, err := os.CreateTemp(filepath.Dir(out), "."+filepath.Base(out)+".*")
	if err != nil {
		return m, fmt.Errorf("making the file: %w", err)
	}
	m.File = out
	m.Seal, m.About, err = backup.Create(ctx, f, o)
	if o.Progress != nil {
		fmt.Fprintf(c.Err, "\r%40s\r", "")
	}
	if err != nil {
		return m, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	info, err := f.Stat()
	if err == nil {
		m.Bytes = info.Size()
	}
	return m, errors.Join(err, f.Sync(), f.Close(), os.Rename(f.Name(), out), durable.SyncDir(filepath.Dir(out)))
}

func (c verbs) verify() *cobra.Command {
	var how opening
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Prove that a backup is whole and unchanged", Args: frame.One("the file of a backup"),
		Long: `Read a whole backup and prove that no byte of it was changed. Exit code 3 says
that it is not what was made. 'backup drill' proves that it can be used, too.`,
		Example: `  portcullis backup verify backup.age --identity key.txt --key audit.example.com+5a6b7c8d+AV…`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := open("verify", args[0])
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }() // it was only read
			key, err := c.known("verify", &how)
			if err != nil {
				return err
			}
			ids, err := c.identities("verify", &how)
			if err != nil {
				return err
			}
			got, err := backup.Verify(f, ids, key)
			if err != nil {
				return c.no(err)
			}
			if c.JSON() {
				return c.PrintJSON(got)
			}
			return c.Printf("verified   backup of %s, made %s by version %s\nholds      %d files, %d bytes, %d records of the audit log\n",
				got.About.Origin, got.About.At.Format(time.RFC3339), got.About.Version, got.Files, got.Bytes, got.About.Covered)
		},
	}
	how.flags(cmd)
	return cmd
}

func (c verbs) restore() *cobra.Command {
	var how restoring
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Make a data folder of a backup", Args: frame.One("the file of a backup"),
		Long: `Make a data folder of a backup, at --data, which must be empty or not there. The
folder appears when everything was proven: the backup, the audit log in it and
the database. A restore that is killed leaves nothing under that name; run it
again.

What was written after the backup is lost, and the log says so: it goes on with
BACKUP_RESTORED. Keys that were revoked since are valid again, persons that were
erased since have their keys again unless --erasures names them. --checkpoint
tells how much is lost, and finds a backup of another history.`,
		Example: `  portcullis backup restore backup.age --data ./restored --identity key.txt
  portcullis backup restore backup.age --data ./restored --passphrase --erasures erased.jsonl < passphrase.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := open("restore", args[0])
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }() // it was only read
			o, err := c.options("restore", &how)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			got, err := backup.Restore(ctx, f, o)
			if errors.Is(err, backup.ErrOccupied) {
				return frame.UsageError{Err: fmt.Errorf("backup restore: %w", err)}
			}
			if err != nil {
				return c.no(err)
			}
			if c.JSON() {
				return c.PrintJSON(got)
			}
			return c.showRestored(got)
		},
	}
	how.flags(cmd)
	return cmd
}

func (c verbs) showRestored(r backup.Restored) error {
	text := fmt.Sprintf("restored   %s, as it was at %s\nrecords    %d of the audit log %s, verified\n", c.DataDir, r.About.At.Format(time.RFC3339), r.Records, r.About.Origin)
	if r.Erased > 0 {
		text += fmt.Sprintf("erased     the keys of %d persons, again\n", r.Erased)
	}
	if r.Behind > 0 {
		text += fmt.Sprintf("LOST       %d records that were written after the backup\n", r.Behind)
	}
	return c.Printf("%sKeys and sessions that ended after the backup are valid again: revoke them before the gateway serves.\n", text)
}

func (c verbs) drill() *cobra.Command {
	var how restoring
	cmd := &cobra.Command{
		Use: "drill FILE", Short: "Restore a backup into a scratch folder, use everything in it, and grade that", Args: frame.One("the file of a backup"),
		Long: `Restore a backup into a scratch folder beside the data folder, open everything
in it as a gateway would, verify the audit log, read keys, and say what worked
and how long it took. The scratch folder is removed. The outcome is recorded in
the audit log of the data folder. Exit code 3 says that a check failed.`,
		Example: `  portcullis backup drill backup.age --identity key.txt --key audit.example.com+5a6b7c8d+AV…`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := open("drill", args[0])
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }() // it was only read
			o, err := c.options("drill", &how)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			got, err := backup.Drill(ctx, f, o)
			if err != nil {
				return err
			}
			return c.graded(ctx, got)
		},
	}
	how.flags(cmd)
	return cmd
}

// graded records the outcome of a drill where there is a log, and shows it.
func (c verbs) graded(ctx context.Context, d backup.Drilled) error {
	n := backups.Note{Action: "drill", Outcome: "success", SHA256: d.Seal.SHA256, Records: d.About.Covered, Bytes: d.Bytes}
	rows := make([][]string, len(d.Grades))
	var failed []string
	for i, g := range d.Grades {
		rows[i] = []string{g.Check, "ok", frame.Printable(g.Detail)}
		if !g.OK {
			rows[i][1], n.Outcome, failed = "FAILED", "failure", append(failed, g.Check)
		}
	}
	n.Failed = strings.Join(failed, ", ")
	if _, err := os.Stat(filepath.Join(c.DataDir, "root.key")); err == nil {
		if err := c.note(ctx, n); err != nil {
			return err
		}
	}
	if c.JSON() {
		if err := c.PrintJSON(d); err != nil {
			return err
		}
	} else {
		if err := c.Table([]string{"CHECK", "GRADE", "DETAIL"}, rows); err != nil {
			return err
		}
		if err := c.Printf("\n%s in %s\n", map[bool]string{true: "passed: a gateway could have started", false: "NOT PASSED"}[d.OK], d.Took.Round(time.Millisecond)); err != nil {
			return err
		}
	}
	if !d.OK {
		return frame.ErrNo
	}
	return nil
}
