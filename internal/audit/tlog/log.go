package tlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
)

// ErrRefused says that a log is not continued because its files do not fit what
// was signed: somebody changed them, or an older copy was put in their place.
var ErrRefused = errors.New("the audit log does not fit its checkpoint and is not signed any further")

func refuse(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, a...))
}

const dirMode = 0o700

// Log is the tree and its checkpoints. Add and Commit are called by one
// goroutine; the other methods by any.
type Log struct {
	dir  string
	key  *Key
	keep time.Duration
	now  func() time.Time
	tree *tree

	mu   sync.Mutex
	head auditlog.Checkpoint
	kept time.Time // when a checkpoint was kept last
}

// Open opens the log in the audit folder dir, or begins one if there is none.
// A checkpoint is kept every keep.
func Open(dir string, key *Key, keep time.Duration) (*Log, error) {
	l := &Log{dir: dir, key: key, keep: keep, now: time.Now}
	if err := os.MkdirAll(filepath.Join(dir, auditlog.KeptFolder), dirMode); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(l.path(auditlog.CheckpointFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = l.begin()
	case err == nil:
		l.head, err = auditlog.OpenCheckpoint(data, key.verifier)
		if err != nil {
			err = refuse("%v", err)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	l.tree, err = openTree(dir, l.head)
	return l, err
}

func (l *Log) path(name string) string { return filepath.Join(l.dir, name) }

// begin makes the checkpoint of a log without records. Whoever takes the
// checkpoint of a log away must not get it signed anew: nothing else of a log
// may be there.
func (l *Log) begin() error {
	for _, name := range []string{auditlog.KeyFile, auditlog.TileFolder} {
		if _, err := os.Lstat(l.path(name)); !errors.Is(err, fs.ErrNotExist) {
			return refuse("%q is there, but %q is not", name, auditlog.CheckpointFile)
		}
	}
	kept, err := l.newestKept()
	if err != nil || kept != "" {
		return errors.Join(err, refuse("%q is there, but %q is not", kept, auditlog.CheckpointFile))
	}
	if err := l.sign(auditlog.Checkpoint{Origin: l.key.verifier.Name(), Root: emptyRoot()}); err != nil {
		return err
	}
	return durable.Replace(l.path(auditlog.KeyFile), []byte(l.key.text+"\n"))
}

func emptyRoot() auditlog.Hash {
	h, err := tlog.TreeHash(0, nil)
	if err != nil {
		panic(err) // reads nothing
	}
	return h
}

// check compares the checkpoint with the key and the newest that was kept.
func (l *Log) check() error {
	text, err := os.ReadFile(l.path(auditlog.KeyFile))
	switch {
	case errors.Is(err, fs.ErrNotExist) && l.head.Size == 0: // a crash while the log was begun
		err = durable.Replace(l.path(auditlog.KeyFile), []byte(l.key.text+"\n"))
	case err == nil && string(text) != l.key.text+"\n":
		err = refuse("%q holds another key", auditlog.KeyFile)
	}
	if err != nil {
		return err
	}
	name, err := l.newestKept()
	if err != nil || name == "" {
		return err
	}
	if filepath.Base(name) > auditlog.KeptName(l.head.Size) {
		return refuse("%q is newer than the checkpoint of %d records: the folder was rolled back", name, l.head.Size)
	}
	return nil
}

// newestKept returns the name of the newest kept checkpoint, "" if there is none.
func (l *Log) newestKept() (string, error) {
	entries, err := os.ReadDir(l.path(auditlog.KeptFolder))
	if err != nil {
		return "", err
	}
	for _, e := range slices.Backward(entries) {
		if len(e.Name()) == len(auditlog.KeptName(0)) && strings.Trim(e.Name(), "0123456789") == "" {
			return auditlog.KeptFolder + "/" + e.Name(), nil
		}
	}
	return "", nil
}

// Size returns how many records were added.
func (l *Log) Size() uint64 { return l.tree.size }

// Head returns the newest checkpoint.
func (l *Log) Head() auditlog.Checkpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// Add adds the leaf hash of the next record.
func (l *Log) Add(h auditlog.Hash) error { return l.tree.add(h) }

// Commit makes the tree durable and signs it. With last the checkpoint is kept
// whenever the one before was.
func (l *Log) Commit(last bool) error {
	if l.tree.size != l.Head().Size {
		if err := l.tree.flush(); err != nil {
			return err
		}
		root, err := l.tree.root()
		if err != nil {
			return err
		}
		if err := l.sign(auditlog.Checkpoint{Origin: l.key.verifier.Name(), Size: l.tree.size, Root: root}); err != nil {
			return err
		}
		l.tree.tidy()
	}
	return l.keepHead(last)
}

// sign signs a checkpoint and puts it in the place of the newest.
func (l *Log) sign(c auditlog.Checkpoint) error {
	data, err := note.Sign(&note.Note{Text: c.Text()}, l.key.signer)
	if err != nil {
		return err
	}
	c.Note = data
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := durable.Replace(l.path(auditlog.CheckpointFile), data); err != nil {
		return err
	}
	l.head = c
	return nil
}

// keepHead keeps the newest checkpoint if it is time to.
func (l *Log) keepHead(last bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !last && l.now().Sub(l.kept) < l.keep {
		return nil
	}
	path := l.path(filepath.Join(auditlog.KeptFolder, auditlog.KeptName(l.head.Size)))
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	if err := durable.Replace(path, l.head.Note); err != nil {
		return err
	}
	l.kept = l.now()
	return nil
}

// Cosigned keeps a checkpoint of this log with the signatures of witnesses.
func (l *Log) Cosigned(c auditlog.Checkpoint) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := durable.Replace(l.path(filepath.Join(auditlog.KeptFolder, auditlog.KeptName(c.Size))), c.Note); err != nil {
		return err
	}
	if c.Size != l.head.Size {
		return nil
	}
	if err := durable.Replace(l.path(auditlog.CheckpointFile), c.Note); err != nil {
		return err
	}
	l.head = c
	return nil
}
