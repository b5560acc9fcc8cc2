package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/offline"
	"github.com/portcullis-dev/portcullis/internal/app/personal"
	"github.com/portcullis-dev/portcullis/internal/app/transparency"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/tlog"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
	"github.com/portcullis-dev/portcullis/internal/store/snapshot"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
)

func newBytes(b []byte) io.Reader { return bytes.NewReader(b) }

// Restoring says how to make a data folder of a backup.
type Restoring struct {
	DataDir    string
	Identities []age.Identity
	Key        note.Verifier     // of the log, nil = that of the backup
	Kept       map[string][]byte // checkpoints that the log had, kept elsewhere
	Erased     []string          // persons erased since the backup: ids of principals, or their subjects
	By         portcullis.Actor
	Journal    journal.Config
	Plain      bool // personal data is written in clear
	Log        *slog.Logger
	// Failing says at which step to stop, for tests; nil = at none.
	Failing func(step string) error
}

// Restored is what came of it.
type Restored struct {
	Contents
	Records uint64 `json:"records"` // of the log, the event of the restore included
	Erased  int    `json:"erased"`  // persons whose keys were destroyed again
	// Behind is how many records the log had more than the backup, as far as the
	// checkpoints tell that were given. They are lost.
	Behind uint64 `json:"behind,omitempty"`
}

// Restore makes a data folder of a backup: beside it first, and under its name
// when everything was proven. A process that is killed leaves the folder as it
// was; the next one begins anew.
func Restore(ctx context.Context, in io.Reader, o Restoring) (out Restored, err error) {
	final, err := filepath.Abs(o.DataDir)
	if err != nil {
		return out, err
	}
	if err := empty(final); err != nil {
		return out, err
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o700); err != nil {
		return out, fmt.Errorf("making the folder above: %w", err)
	}
	stage := final + ".restoring"
	dir, err := occupy(stage)
	if err != nil {
		return out, err
	}
	defer func() {
		err = errors.Join(err, dir.Close())
		if err != nil {
			err = errors.Join(err, os.RemoveAll(stage))
		}
	}()
	if out, err = unpack(ctx, in, dir, o); err != nil {
		return out, err
	}
	if err := o.step("rename"); err != nil {
		return out, err
	}
	if err := os.Remove(final); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, fmt.Errorf("%w: %w", ErrOccupied, err)
	}
	if err := os.Rename(stage, final); err != nil {
		return out, fmt.Errorf("giving the restored folder its name: %w", err)
	}
	return out, durable.SyncDir(filepath.Dir(final))
}

func (o *Restoring) step(name string) error {
	if o.Failing == nil {
		return nil
	}
	return o.Failing(name)
}

// empty refuses a folder that holds anything.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOccupied, err)
	}
	if len(entries) == 0 {
		return nil
	}
	if d, err := datadir.Open(dir); err == nil { // say it if a gateway runs there
		err = d.Lock()
		var locked *datadir.LockedError
		if cerr := d.Close(); errors.As(err, &locked) || cerr != nil {
			return fmt.Errorf("%w: %w", ErrOccupied, errors.Join(err, cerr))
		}
	}
	return fmt.Errorf("%w: %q: a backup is restored into an empty folder, or one that is not there; move the old one aside", ErrOccupied, dir)
}

// occupy takes the folder beside the final one. What a killed restore left there
// is removed; one that runs is left alone.
func occupy(stage string) (*datadir.Dir, error) {
	dir, err := datadir.Open(stage)
	if err != nil {
		return nil, err
	}
	if err := dir.Lock(); err != nil {
		return nil, errors.Join(fmt.Errorf("another restore: %w", err), dir.Close())
	}
	entries, err := os.ReadDir(stage)
	for _, e := range entries {
		if e.Name() != "lock" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(stage, e.Name())))
		}
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

// unpack writes the files of a backup to a folder and makes it one that a
// gateway can start on.
func unpack(ctx context.Context, in io.Reader, dir *datadir.Dir, o Restoring) (out Restored, err error) {
	root, err := os.OpenRoot(dir.Path())
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	var about *About
	out.Contents, err = read(in, o.Identities, o.Key, func(name string, _ int64, r io.Reader) error {
		if err := errors.Join(ctx.Err(), o.step(name)); err != nil {
			return err
		}
		to, mode := name, fs.FileMode(0o600)
		switch {
		case name == aboutName:
			return nil
		case name == walletName:
			to = wallet.FileName
		case strings.HasPrefix(name, auditName+"/"):
		case name == rootName, name == dbName:
		default:
			return fmt.Errorf("%w: it holds %q", ErrWrong, name)
		}
		return writeFile(root, to, mode, r)
	})
	if err != nil {
		return out, err
	}
	about = &out.About
	if about.Database != dbName {
		if !filepath.IsLocal(about.Database) || strings.HasPrefix(about.Database, auditName) {
			return out, fmt.Errorf("%w: its database was %q", ErrWrong, about.Database)
		}
		if err := errors.Join(root.MkdirAll(filepath.Dir(about.Database), 0o700), root.Rename(dbName, about.Database)); err != nil {
			return out, err
		}
	}
	if err := seal(dir.AuditDir()); err != nil {
		return out, err
	}
	if err := revive(ctx, dir, &out, o); err != nil {
		return out, err
	}
	return out, syncTree(dir.Path())
}

func writeFile(root *os.Root, name string, mode fs.FileMode, r io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// seal gives what does not change any more the rights that it had: all segments
// of the journal but the last, and divided ones.
func seal(auditDir string) error {
	segments, err := filepath.Glob(filepath.Join(auditDir, auditlog.JournalFolder, "*.log"))
	if err != nil {
		return err
	}
	classes, err := filepath.Glob(filepath.Join(auditDir, "sealed", "*", "*"))
	if err != nil {
		return err
	}
	if len(segments) > 0 {
		segments = segments[:len(segments)-1]
	}
	for _, name := range append(segments, classes...) {
		if err := os.Chmod(name, 0o400); err != nil {
			return err
		}
	}
	return nil
}

// revive opens everything once: the database, from which those are erased who
// were erased since, and the log, which tells of the restore and is verified.
func revive(ctx context.Context, dir *datadir.Dir, out *Restored, o Restoring) (err error) {
	if out.Behind, err = history(ctx, dir, out.About.Covered, o); err != nil {
		return err
	}
	file := filepath.Join(dir.Path(), filepath.FromSlash(out.About.Database))
	if err := snapshot.Check(ctx, file); err != nil {
		return fmt.Errorf("%w: %w", ErrWrong, err)
	}
	db, err := sqlite.Open(ctx, file)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWrong, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	book, err := personal.New(dir, db.Subjects())
	if err != nil {
		return err
	}
	for _, id := range o.Erased {
		for _, name := range []string{id, book.Name(id)} {
			had, err := db.Subjects().EraseSubjectKey(ctx, name)
			if err != nil {
				return fmt.Errorf("erasing a person again: %w", err)
			}
			if had {
				out.Erased++
			}
		}
	}
	jo := journal.Options{Service: "portcullis", Log: o.Log, Personal: book}
	if o.Plain {
		jo.Personal = nil
	}
	j, err := journal.Open(dir.AuditDir(), o.Journal, jo)
	if err != nil {
		return err
	}
	err = tell(ctx, dir, j, out, o)
	out.Records = j.End().Seq
	return errors.Join(err, j.Close(context.WithoutCancel(ctx)))
}

// tell records the restore and signs it: from here on the log has another past
// than the one that was lost.
func tell(ctx context.Context, dir *datadir.Dir, j *journal.Journal, out *Restored, o Restoring) error {
	details := []slog.Attr{
		slog.String("made_at", out.About.At.Format(time.RFC3339)), slog.String("sha256", out.Seal.SHA256),
		slog.Uint64("records", out.About.Covered), slog.Int("erased", out.Erased),
	}
	if out.Behind > 0 {
		details = append(details, slog.Uint64("lost_records", out.Behind))
	}
	if err := j.Record(ctx, &portcullis.Event{
		Time: time.Now(), Type: portcullis.EventBackupRestored, Severity: portcullis.SeverityCritical, Outcome: portcullis.OutcomeSuccess,
		Actor: o.By, Action: "backup.restore", Resource: "backup:" + out.Seal.SHA256[:16], Details: details,
	}); err != nil {
		return err
	}
	key, err := transparency.Key(dir, "")
	if err != nil {
		return err
	}
	return tlog.NewFollower(tlog.Options{Dir: dir.AuditDir(), Key: key, Journal: j, Interval: time.Second, Keep: time.Hour, Log: o.Log, Observer: nobody{}}).Finish(ctx)
}

type nobody struct{}

func (nobody) Signed(uint64) {}
func (nobody) Failed(string) {}

// history verifies the log of a backup. It may be older than checkpoints that
// were kept elsewhere, and then is behind by so many records; it is never of
// another history.
func history(ctx context.Context, dir *datadir.Dir, size uint64, o Restoring) (behind uint64, err error) {
	opts := offline.VerifyOptions{Key: o.Key, Kept: map[string][]byte{}}
	for name, data := range o.Kept {
		if o.Key == nil {
			return 0, errors.New("comparing checkpoints: the key of the log is needed")
		}
		c, err := auditlog.OpenCheckpoint(data, o.Key)
		if err != nil {
			return 0, fmt.Errorf("%w: %s: %w", ErrWrong, name, err)
		}
		if c.Size > size {
			behind = max(behind, c.Size-size)
			continue
		}
		opts.Kept[name] = data
	}
	report, err := offline.Verify(ctx, dir.AuditDir(), opts)
	if err != nil {
		return 0, err
	}
	if !report.OK() {
		return 0, fmt.Errorf("%w: its audit log: %s", ErrWrong, report.Problems[0])
	}
	return behind, nil
}

// syncTree makes every file and folder survive the loss of power.
func syncTree(top string) error {
	return filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() && !d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
