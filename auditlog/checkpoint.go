package auditlog

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// maxSize is the largest tree that a checkpoint may speak of: what the tree
// arithmetic can count.
const maxSize = 1 << 60

// maxNote is the longest checkpoint that is read, in bytes.
const maxNote = 64 << 10

// A Checkpoint is what a log has signed: how many records it had, and the hash
// over all of them (c2sp.org/tlog-checkpoint).
type Checkpoint struct {
	Origin string // name of the log
	Size   uint64 // how many records it covers: numbers 0 to Size-1
	Root   Hash   // hash of the tree of these records

	Note      []byte     // the signed note, as it was opened
	Witnesses []Cosigner // the witnesses asked for whose signature it carries
}

// Cosigner is a witness that has signed a checkpoint, and when.
type Cosigner struct {
	Name string    `json:"name"`
	Time time.Time `json:"time"`
}

// Text returns the text of the checkpoint that is signed.
func (c Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + c.Root.String() + "\n"
}

// tree returns the checkpoint as tlog speaks of it.
func (c Checkpoint) tree() tlog.Tree { return tlog.Tree{N: int64(c.Size), Hash: c.Root} }

// ParseCheckpoint reads the text of a checkpoint, without signatures. There is
// one way to write a checkpoint; lines behind the third are passed over.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.SplitAfterN(text, "\n", 4)
	if len(lines) != 4 {
		return Checkpoint{}, errors.New("checkpoint: want three lines")
	}
	origin, size, root := strings.TrimSuffix(lines[0], "\n"), strings.TrimSuffix(lines[1], "\n"), strings.TrimSuffix(lines[2], "\n")
	if origin == "" {
		return Checkpoint{}, errors.New("checkpoint: no origin")
	}
	n, err := strconv.ParseUint(size, 10, 64)
	if err != nil || n > maxSize || strconv.FormatUint(n, 10) != size {
		return Checkpoint{}, fmt.Errorf("checkpoint: size %q", size)
	}
	h, err := tlog.ParseHash(root)
	if err != nil || h.String() != root {
		return Checkpoint{}, fmt.Errorf("checkpoint: root hash %q", root)
	}
	for rest := lines[3]; rest != ""; {
		line, after, ended := strings.Cut(rest, "\n")
		if line == "" || !ended {
			return Checkpoint{}, errors.New("checkpoint: an extension line is empty or has no end")
		}
		rest = after
	}
	return Checkpoint{Origin: origin, Size: n, Root: h}, nil
}

// OpenCheckpoint reads a signed checkpoint of the log that key belongs to. It
// returns an error unless key has signed it. Signatures of the given witnesses
// are checked too, and listed; a wrong one is an error, a missing one is not.
func OpenCheckpoint(data []byte, key note.Verifier, witnesses ...note.Verifier) (Checkpoint, error) {
	if len(data) > maxNote {
		return Checkpoint{}, fmt.Errorf("checkpoint of %d bytes, at most %d are read", len(data), maxNote)
	}
	n, err := note.Open(data, note.VerifierList(append([]note.Verifier{key}, witnesses...)...))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	if err := canonical(data, n); err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != key.Name() {
		return Checkpoint{}, fmt.Errorf("checkpoint: origin %q, but the key is that of %q", c.Origin, key.Name())
	}
	signed := false
	for _, s := range n.Sigs {
		if s.Name == key.Name() && s.Hash == key.KeyHash() {
			signed = true
			continue
		}
		at, err := cosignedAt(s)
		if err != nil {
			return Checkpoint{}, err
		}
		c.Witnesses = append(c.Witnesses, Cosigner{Name: s.Name, Time: at})
	}
	if !signed {
		return Checkpoint{}, fmt.Errorf("checkpoint: not signed by %q", key.Name())
	}
	c.Note = append([]byte(nil), data...)
	return c, nil
}

// canonical returns an error unless data is the one way to write n. Base64 has
// bits that a lenient reader ignores: changing them must not go unseen.
func canonical(data []byte, n *note.Note) error {
	size := len(n.Text) + 1
	for _, s := range append(append([]note.Signature(nil), n.Sigs...), n.UnverifiedSigs...) {
		raw, err := base64.StdEncoding.Strict().DecodeString(s.Base64)
		if err != nil || base64.StdEncoding.EncodeToString(raw) != s.Base64 {
			return fmt.Errorf("signature of %q is not written as it must be", s.Name)
		}
		size += len("— ") + len(s.Name) + 1 + len(s.Base64) + 1
	}
	if size != len(data) {
		return errors.New("a signature is there twice")
	}
	return nil
}
