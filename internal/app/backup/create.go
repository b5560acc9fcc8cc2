package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"
	tiles "golang.org/x/mod/sumdb/tlog"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/bundle"
	"github.com/portcullis-dev/portcullis/internal/app/transparency"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/tlog"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
	"github.com/portcullis-dev/portcullis/internal/store/snapshot"
)

// Options say what to copy and for whom.
type Options struct {
	DataDir    string
	Store      string // as the configuration says: sqlite:FILE
	Wallet     string // path of the wallet, which may not be there
	Version    string
	Recipients []age.Recipient
	Progress   func(done int64) // bytes read so far
}

// About says what a backup is a copy of.
type About struct {
	Format   int       `json:"format"`
	Version  string    `json:"version"` // of the program that made it
	At       time.Time `json:"at"`
	Origin   string    `json:"origin"`   // name of the log
	Covered  uint64    `json:"covered"`  // records that its newest checkpoint covers
	Database string    `json:"database"` // path below the data folder
	Wallet   bool      `json:"wallet"`
}

const format = 1

// copier copies one data folder.
type copier struct {
	o     Options
	dir   *datadir.Dir
	key   *tlog.Key
	head  auditlog.Checkpoint
	late  map[string][]byte // partial tiles of head, by name
	out   *bundle.Writer
	read  int64
	known map[string]bool
}

// Create writes a backup of a data folder to out. A gateway may run on it.
func Create(ctx context.Context, out io.Writer, o Options) (_ bundle.Seal, _ About, err error) {
	dir, err := datadir.Open(o.DataDir)
	if err != nil {
		return bundle.Seal{}, About{}, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if _, err := os.Stat(filepath.Join(dir.Path(), rootName)); err != nil {
		return bundle.Seal{}, About{}, fmt.Errorf("there is nothing to copy: %w", err)
	}
	c := &copier{o: o, dir: dir, known: map[string]bool{}}
	if c.key, err = transparency.Key(dir, ""); err != nil {
		return bundle.Seal{}, About{}, err
	}
	sealed, err := age.Encrypt(out, o.Recipients...)
	if err != nil {
		return bundle.Seal{}, About{}, fmt.Errorf("encrypting the backup: %w", err)
	}
	now := time.Now()
	c.out = bundle.NewWriter(sealed, Kind, now)
	about, err := c.copy(ctx, now)
	if err != nil {
		return bundle.Seal{}, about, err
	}
	seal, err := c.out.Close(c.key.Sign)
	seal.Key = bundle.KeyID(c.key.Verifier())
	return seal, about, errors.Join(err, sealed.Close())
}

func (c *copier) copy(ctx context.Context, now time.Time) (About, error) {
	if err := c.signed(ctx); err != nil {
		return About{}, err
	}
	db := c.dir.Resolve(c.o.Store)
	about := About{Format: format, Version: c.o.Version, At: now.UTC().Truncate(time.Second), Origin: c.head.Origin, Covered: c.head.Size, Database: dbName}
	if rel, err := filepath.Rel(c.dir.Path(), db); err == nil && filepath.IsLocal(rel) {
		about.Database = filepath.ToSlash(rel)
	}
	if _, err := os.Stat(c.o.Wallet); err == nil {
		about.Wallet = true
	}
	text, err := json.MarshalIndent(about, "", "  ")
	if err != nil {
		return about, fmt.Errorf("%s: %w", aboutName, err)
	}
	root, err := c.dir.RootKey()
	if err != nil {
		return about, err
	}
	if err := errors.Join(c.out.AddBytes(aboutName, append(text, '\n')), c.out.AddBytes(rootName, root)); err != nil {
		return about, err
	}
	if err := c.database(ctx, db); err != nil {
		return about, err
	}
	if about.Wallet {
		if err := c.file(c.o.Wallet, walletName, -1); err != nil {
			return about, err
		}
	}
	return about, c.audit(ctx)
}

// signedTries is how often the checkpoint is read until it and the hashes that
// it needs are of one moment.
const signedTries = 200

// signed reads the newest checkpoint with those of its tiles that the next one
// replaces.
func (c *copier) signed(ctx context.Context) error {
	dir := c.dir.AuditDir()
	var last error
	for range signedTries {
		data, err := os.ReadFile(filepath.Join(dir, auditlog.CheckpointFile))
		if err != nil {
			return fmt.Errorf("the audit log is not signed yet: start the gateway once: %w", err)
		}
		if c.head, err = auditlog.OpenCheckpoint(data, c.key.Verifier()); err != nil {
			return err
		}
		c.late = map[string][]byte{}
		last = c.eachTile(func(t tiles.Tile) error {
			if t.W == 1<<auditlog.TileHeight {
				return nil
			}
			data, err := auditlog.Tiles(dir).ReadTile(t, nil)
			c.late[auditlog.TilePath(t)] = data
			return err
		})
		if last == nil || !errors.Is(last, fs.ErrNotExist) {
			return last
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return fmt.Errorf("reading the tree of the audit log: %w", last)
}

// eachTile calls f with the tiles of the tree under the checkpoint.
func (c *copier) eachTile(f func(tiles.Tile) error) error {
	const width = 1 << auditlog.TileHeight
	for level, count := 0, c.head.Size; count > 0; level, count = level+1, count/width {
		for n := uint64(0); n*width < count; n++ {
			t := tiles.Tile{H: auditlog.TileHeight, L: level, N: int64(n), W: int(min(width, count-n*width))} //nolint:gosec // below the size of a tree
			if err := f(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// database copies the database through a file in a folder beside it, which holds
// what it holds and is removed at once. Backups made at the same time do not
// share it: one would copy what the other is writing.
func (c *copier) database(ctx context.Context, from string) (err error) {
	stage, err := occupy(filepath.Join(c.dir.Path(), stageName)) // empties it of one that was killed
	var locked *datadir.LockedError
	if errors.As(err, &locked) {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage.Path()), stage.Close()) }()
	tmp := filepath.Join(stage.Path(), dbName)
	if err := snapshot.Copy(ctx, from, tmp); err != nil {
		return err
	}
	return c.file(tmp, dbName, -1)
}

// audit copies the audit folder.
func (c *copier) audit(ctx context.Context) error {
	dir := c.dir.AuditDir()
	if err := c.out.AddBytes(path.Join(auditName, auditlog.CheckpointFile), c.head.Note); err != nil {
		return err
	}
	if err := c.eachTile(func(t tiles.Tile) error {
		name := auditlog.TilePath(t)
		data, ok := c.late[name]
		if !ok {
			var err error
			if data, err = auditlog.Tiles(dir).ReadTile(t, nil); err != nil {
				return err
			}
		}
		return errors.Join(ctx.Err(), c.out.AddBytes(path.Join(auditName, name), data))
	}); err != nil {
		return err
	}
	// Consumers' places come before the journal: none is ahead of it. A segment
	// that is divided meanwhile is found on one side or the other of the journal,
	// whose segments are opened before they are listed a second time.
	if err := c.folder(ctx, "", c.small); err != nil {
		return err
	}
	for _, sub := range []string{"cursors", auditlog.KeptFolder, "sealed"} {
		if err := c.folder(ctx, sub, c.kept); err != nil {
			return err
		}
	}
	if err := c.journal(ctx); err != nil {
		return err
	}
	return c.folder(ctx, "sealed", c.kept)
}

// small are the files of the audit folder itself that cannot be made again.
func (c *copier) small(name string) bool {
	return name == auditlog.KeyFile || name == "holds.json"
}

// kept reports whether a file below the audit folder is copied: finished ones,
// and of kept checkpoints those that the newest continues.
func (c *copier) kept(name string) bool {
	base := path.Base(name)
	if strings.HasSuffix(base, ".new") || strings.HasSuffix(base, ".tmp") {
		return false
	}
	return path.Dir(name) != auditlog.KeptFolder || base <= auditlog.KeptName(c.head.Size)
}

// folder copies the files below a folder, which may not be there, once each. One
// that is removed meanwhile was not needed any more.
func (c *copier) folder(ctx context.Context, sub string, want func(string) bool) error {
	top := filepath.Join(c.dir.AuditDir(), sub)
	return filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if d.IsDir() && sub == "" && file != top {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(c.dir.AuditDir(), file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if !d.Type().IsRegular() || !want(name) || c.known[name] {
			return nil
		}
		c.known[name] = true
		err = c.file(file, path.Join(auditName, name), -1)
		if errors.Is(err, errGone) {
			return nil
		}
		return err
	})
}

// errGone is a file that was removed before it was opened.
var errGone = errors.New("is not there any more")

// journal copies the segments, that in use up to its last whole line.
func (c *copier) journal(ctx context.Context) error {
	dir := filepath.Join(c.dir.AuditDir(), auditlog.JournalFolder)
	end, err := journal.End(c.dir.AuditDir())
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ".log")
		first, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil || first > end.Segment {
			continue
		}
		size := int64(-1)
		if first == end.Segment {
			size = end.Offset
		}
		err = c.file(filepath.Join(dir, e.Name()), path.Join(auditName, auditlog.JournalFolder, e.Name()), size)
		if err != nil && !errors.Is(err, errGone) { // divided by retention meanwhile
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// file copies a file, or its first size bytes.
func (c *copier) file(from, name string, size int64) (err error) {
	f, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return errGone
	}
	if err != nil {
		return fmt.Errorf("reading what is backed up: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if size < 0 {
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("reading what is backed up: %w", err)
		}
		size = info.Size()
	}
	if err := c.out.Add(name, size, f); err != nil {
		return err
	}
	c.read += size
	if c.o.Progress != nil {
		c.o.Progress(c.read)
	}
	return nil
}
