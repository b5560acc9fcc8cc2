package backup

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/bundle"
	"github.com/portcullis-dev/portcullis/internal/app/transparency"
)

// Contents are what a backup was found to hold.
type Contents struct {
	Seal  bundle.Seal `json:"seal"`
	About About       `json:"about"`
	Files int         `json:"files"`
	Bytes int64       `json:"bytes"`
}

// read opens a backup and shows each file. key is that of the log, if it is
// known: without it the backup is held to the root key it holds itself, which
// proves that it is whole, not who made it.
func read(in io.Reader, ids []age.Identity, key note.Verifier, visit func(name string, size int64, r io.Reader) error) (Contents, error) {
	plain, err := age.Decrypt(in, ids...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return Contents{}, ErrLocked
	}
	if err != nil {
		return Contents{}, fmt.Errorf("%w: %w", ErrWrong, err)
	}
	var c Contents
	own := &ownKey{known: key}
	seen := map[string]bool{}
	c.Seal, err = bundle.Read(plain, Kind, own, func(name string, size int64, r io.Reader) error {
		c.Files, c.Bytes, seen[name] = c.Files+1, c.Bytes+size, true
		switch name {
		case aboutName:
			data, err := io.ReadAll(io.LimitReader(r, 1<<20))
			if err == nil {
				err = json.Unmarshal(data, &c.About)
			}
			switch {
			case err != nil:
				return fmt.Errorf("%w: %s: %w", ErrWrong, name, err)
			case c.About.Format != format:
				return fmt.Errorf("%w: its format is %d, and this program knows %d", ErrWrong, c.About.Format, format)
			}
			return visit(name, size, nil)
		case rootName:
			root, err := io.ReadAll(io.LimitReader(r, 64))
			if err == nil {
				err = own.derive(root, c.About.Origin)
			}
			if err != nil {
				return fmt.Errorf("%w: %w", ErrWrong, err)
			}
			return visit(name, size, newBytes(root))
		}
		return visit(name, size, r)
	})
	if errors.Is(err, bundle.ErrTampered) {
		return c, fmt.Errorf("%w: %w", ErrWrong, err)
	}
	if err != nil {
		return c, ageError(err)
	}
	for _, name := range []string{aboutName, rootName, dbName, auditName + "/" + auditlog.CheckpointFile} {
		if !seen[name] {
			return c, fmt.Errorf("%w: it holds no %s", ErrWrong, name)
		}
	}
	return c, nil
}

// ageError tells a file that was changed from one that cannot be read: age says
// the former in words only, and everything that reading a file fails with has a
// type.
func ageError(err error) error {
	var failed interface{ Timeout() bool } // of the operating system
	if errors.As(err, &failed) || errors.Is(err, ErrWrong) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrWrong, err)
}

// ownKey is the key of the log that a backup is of, known as soon as its root
// key is read. Where the key was given, that root key must be the one behind it.
type ownKey struct {
	known note.Verifier
	found note.Verifier
}

var errOtherKey = errors.New("its root key is not that of the log named by the key")

func (k *ownKey) derive(root []byte, origin string) error {
	seed, err := hkdf.Key(sha256.New, root, nil, "portcullis/"+transparency.Purpose, 32)
	if err != nil {
		return err
	}
	found, err := transparency.KeyOf(seed, origin)
	if err != nil {
		return err
	}
	k.found = found.Verifier()
	if k.known != nil && bundle.KeyID(k.known) != bundle.KeyID(k.found) {
		return errOtherKey
	}
	return nil
}

func (k *ownKey) use() note.Verifier {
	if k.known != nil {
		return k.known
	}
	return k.found
}

func (k *ownKey) Name() string {
	if v := k.use(); v != nil {
		return v.Name()
	}
	return ""
}

func (k *ownKey) KeyHash() uint32 {
	if v := k.use(); v != nil {
		return v.KeyHash()
	}
	return 0
}

func (k *ownKey) Verify(msg, sig []byte) bool {
	v := k.use()
	return v != nil && v.Verify(msg, sig)
}

// Verify reads a whole backup and proves that nothing of it was changed.
func Verify(in io.Reader, ids []age.Identity, key note.Verifier) (Contents, error) {
	return read(in, ids, key, func(string, int64, io.Reader) error { return nil })
}
