package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/offline"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

type checkpointFlags struct {
	key, check, export string
	list, showKey      bool
}

func (c verbs) checkpoint() *cobra.Command {
	var flags checkpointFlags
	cmd := &cobra.Command{
		Use: "checkpoint", Short: "Print the newest signed checkpoint; list kept ones; check one; export the log", Args: frame.None,
		Long: `Prints the newest checkpoint of the log, after checking its signature. Keep it
where nobody of this machine can change it: a log that was changed or rolled back
since cannot continue it.`,
		Example: `  portcullis audit checkpoint > kept-in-march
  portcullis audit checkpoint --check kept-in-march
  portcullis audit checkpoint --show-key
  portcullis audit checkpoint --list
  portcullis audit checkpoint --export /srv/log`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := c.dir("checkpoint")
			if err != nil {
				return err
			}
			key, err := c.knownKey("checkpoint", flags.key, dir)
			if err != nil {
				return err
			}
			switch {
			case flags.showKey:
				return c.showKey(dir, key)
			case flags.list:
				return c.listKept(dir, key)
			case flags.check != "":
				return c.checkCheckpoint(dir, flags.check, key)
			case flags.export != "":
				ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
				defer stop()
				top, err := offline.Export(ctx, dir, flags.export, offline.ExportOptions{Key: key})
				if err != nil {
					return err
				}
				return c.printCheckpoint(top, fmt.Sprintf("exported %d records to %s\n", top.Size, flags.export))
			}
			top, err := c.head(dir, key)
			if err != nil {
				return err
			}
			return c.printCheckpoint(top, string(top.Note))
		},
	}
	f := cmd.Flags()
	f.BoolVar(&flags.showKey, "show-key", false, "print the key that checkpoints are verified with; it is no secret")
	f.BoolVar(&flags.list, "list", false, "list the checkpoints that are kept in the folder")
	f.StringVar(&flags.check, "check", "", "check that the log continues the checkpoint in a `file`")
	f.StringVar(&flags.export, "export", "", "write the log to a `folder` as c2sp.org/tlog-tiles, for tools of others")
	f.StringVar(&flags.key, "key", "", "the `key` of the log: NAME+HASH+KEY (default: the data folder's)")
	cmd.MarkFlagsMutuallyExclusive("show-key", "list", "check", "export")
	return cmd
}

// checkpointView is a checkpoint as JSON.
type checkpointView struct {
	Origin    string              `json:"origin"`
	Size      uint64              `json:"size"`
	Root      string              `json:"root"`
	Kept      *time.Time          `json:"kept,omitempty"`
	Witnesses []auditlog.Cosigner `json:"witnesses,omitempty"`
	Note      string              `json:"checkpoint"`
}

func viewCheckpoint(c auditlog.Checkpoint) checkpointView {
	return checkpointView{Origin: c.Origin, Size: c.Size, Root: c.Root.String(), Witnesses: c.Witnesses, Note: string(c.Note)}
}

func (c verbs) printCheckpoint(top auditlog.Checkpoint, text string) error {
	if c.JSON() {
		return c.PrintJSON(viewCheckpoint(top))
	}
	return c.Printf("%s", text)
}

// showKey prints the key as text. The folder has it; it must be the one that
// is known.
func (c verbs) showKey(dir string, key note.Verifier) error {
	data, err := os.ReadFile(filepath.Join(dir, auditlog.KeyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return errUnsigned
	} else if err != nil {
		return err
	}
	has, err := auditlog.NewVerifier(string(data))
	if err != nil || has.Name() != key.Name() || has.KeyHash() != key.KeyHash() {
		return c.no(fmt.Errorf("%q holds another key than the known one", auditlog.KeyFile))
	}
	if c.JSON() {
		return c.PrintJSON(map[string]string{"key": string(data[:len(data)-1])})
	}
	return c.Printf("%s", data)
}

func (c verbs) listKept(dir string, key note.Verifier) error {
	files, err := os.ReadDir(filepath.Join(dir, auditlog.KeptFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return errUnsigned
	} else if err != nil {
		return err
	}
	views := []checkpointView{}
	var rows [][]string
	bad := 0
	for _, f := range files {
		if filepath.Ext(f.Name()) == ".new" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, auditlog.KeptFolder, f.Name()))
		if err != nil {
			return err
		}
		top, err := auditlog.OpenCheckpoint(data, key)
		if err != nil {
			fmt.Fprintf(c.Err, "portcullis: %s: %v\n", frame.Printable(f.Name()), err)
			bad++
			continue
		}
		v := viewCheckpoint(top)
		if info, err := f.Info(); err == nil {
			at := info.ModTime().UTC()
			v.Kept = &at
		}
		views = append(views, v)
		rows = append(rows, []string{strconv.FormatUint(top.Size, 10), frame.When(v.Kept, "-"), top.Root.String(), top.Origin})
	}
	if c.JSON() {
		err = c.PrintJSON(views)
	} else {
		err = c.Table([]string{"RECORDS", "KEPT", "ROOT", "ORIGIN"}, rows)
	}
	if err == nil && bad > 0 {
		err = frame.ErrNo
	}
	return err
}

// checkCheckpoint checks that the log continues a checkpoint, by a proof of a
// few hashes; 'audit verify --checkpoint' reads the records too.
func (c verbs) checkCheckpoint(dir, file string, key note.Verifier) error {
	data, err := c.readProof(file)
	if err != nil {
		return err
	}
	old, err := auditlog.OpenCheckpoint(data, key)
	if err != nil {
		return c.no(err)
	}
	top, err := c.head(dir, key)
	if err != nil {
		return err
	}
	var proof []auditlog.Hash
	if old.Size <= top.Size {
		if proof, err = auditlog.ProveConsistency(dir, top, old.Size); err != nil {
			return c.no(fmt.Errorf("the tiles do not fit the newest checkpoint: %w", err))
		}
	}
	if err := auditlog.CheckConsistency(proof, old, top); err != nil {
		return c.no(err)
	}
	return c.printCheckpoint(top, fmt.Sprintf("verified: the log of %d records continues this checkpoint of %d\n", top.Size, old.Size))
}
