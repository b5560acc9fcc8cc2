package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/app/transparency"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
)

// dir returns the audit folder, which must be there.
func (c verbs) dir(verb string) (string, error) {
	dir := filepath.Join(c.DataDir, "audit")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return "", frame.Usagef("audit %s: %q holds no audit log: name the data folder with --data", verb, c.DataDir)
	} else if err != nil {
		return "", err
	}
	return dir, nil
}

// key returns the key that a log is verified with: the one given, else that of
// the data folder, else nil: the one beside the log, of which the user is
// warned.
func (c verbs) key(verb, text string) (note.Verifier, error) {
	if text != "" {
		key, err := auditlog.NewVerifier(text)
		if err != nil {
			return nil, frame.Usagef("audit %s: --key: %v; 'portcullis audit checkpoint --show-key' prints it", verb, err)
		}
		return key, nil
	}
	if key, err := c.ownKey(); err == nil {
		return key, nil
	}
	fmt.Fprintln(c.Err, "note: the key was taken from the log's own folder, where whoever can write could have put another: name the one you know with --key")
	return nil, nil
}

// ownKey derives the key of the log from the data folder, which stays as it is.
func (c verbs) ownKey() (_ note.Verifier, err error) {
	if _, err := os.Stat(filepath.Join(c.DataDir, "root.key")); err != nil {
		return nil, err
	}
	dir, err := datadir.Open(c.DataDir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	key, err := transparency.Key(dir, "")
	if err != nil {
		return nil, err
	}
	return key.Verifier(), nil
}

// knownKey is key for verbs that read a part of the log only: without another
// it is the key beside the log.
func (c verbs) knownKey(verb, text, dir string) (note.Verifier, error) {
	key, err := c.key(verb, text)
	if key != nil || err != nil {
		return key, err
	}
	data, err := os.ReadFile(filepath.Join(dir, auditlog.KeyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("the log has no key yet: nothing was signed; start the gateway")
	}
	if err != nil {
		return nil, err
	}
	return auditlog.NewVerifier(string(data))
}

// errUnsigned says that no gateway has signed the log.
var errUnsigned = errors.New("the log has no checkpoint yet: nothing was signed; start the gateway")

// head returns the newest checkpoint of the log.
func (c verbs) head(dir string, key note.Verifier) (auditlog.Checkpoint, error) {
	data, err := os.ReadFile(filepath.Join(dir, auditlog.CheckpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return auditlog.Checkpoint{}, errUnsigned
	}
	if err != nil {
		return auditlog.Checkpoint{}, err
	}
	top, err := auditlog.OpenCheckpoint(data, key)
	if err != nil {
		return top, c.no(fmt.Errorf("the newest %w", err))
	}
	return top, nil
}

// no says why a verification said no.
func (c verbs) no(err error) error {
	fmt.Fprintln(c.Err, "portcullis:", frame.Printable(err.Error()))
	return frame.ErrNo
}
