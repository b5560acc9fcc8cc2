package auditlog

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	proofHeader = "c2sp.org/tlog-proof@v1"
	// maxProof is the longest proof that is read: the longest entry in base64,
	// the longest path and the longest checkpoint.
	maxProof = MaxLine*4/3 + maxPath*45 + maxNote + 1<<10
	// maxPath is how many hashes lead from a leaf to the root of the largest tree.
	maxPath = 63
)

// Proof shows that one record is in the log. It stands for itself: with it and
// the key of the log nothing else is needed. Its text is a
// c2sp.org/tlog-proof, with the entry as the extra data.
type Proof struct {
	Seq   uint64 // number of the record
	Entry []byte // the entry as it is in the journal
	Path  []Hash // from the neighbour of the leaf to below the root
	Note  []byte // the signed checkpoint
}

// Append appends the text of the proof to dst.
func (p Proof) Append(dst []byte) []byte {
	dst = append(dst, proofHeader+"\nextra "...)
	dst = base64.StdEncoding.AppendEncode(dst, p.Entry)
	dst = append(dst, "\nindex "...)
	dst = strconv.AppendUint(dst, p.Seq, 10)
	dst = append(dst, '\n')
	for _, h := range p.Path {
		dst = append(append(dst, h.String()...), '\n')
	}
	dst = append(dst, '\n')
	return append(dst, p.Note...)
}

// ParseProof reads a proof. It does not verify it.
func ParseProof(data []byte) (Proof, error) {
	if len(data) > maxProof {
		return Proof{}, fmt.Errorf("proof of %d bytes, at most %d are read", len(data), maxProof)
	}
	head, checkpoint, ok := bytes.Cut(data, []byte("\n\n"))
	if !ok || len(checkpoint) == 0 {
		return Proof{}, errors.New("proof: no checkpoint behind an empty line")
	}
	lines := strings.Split(string(head), "\n")
	if lines[0] != proofHeader {
		return Proof{}, fmt.Errorf("proof: the first line must be %q", proofHeader)
	}
	if len(lines) < 3 {
		return Proof{}, errors.New("proof: no entry or no index")
	}
	p := Proof{Note: checkpoint}
	extra, ok := strings.CutPrefix(lines[1], "extra ")
	if !ok {
		return Proof{}, errors.New("proof: the second line must hold the entry as extra data")
	}
	var err error
	if p.Entry, err = base64.StdEncoding.Strict().DecodeString(extra); err != nil {
		return Proof{}, fmt.Errorf("proof: entry: %w", err)
	}
	index, ok := strings.CutPrefix(lines[2], "index ")
	if p.Seq, err = strconv.ParseUint(index, 10, 64); !ok || err != nil || p.Seq >= maxSize {
		return Proof{}, errors.New("proof: the third line must be \"index\" and a number")
	}
	if len(lines)-3 > maxPath {
		return Proof{}, fmt.Errorf("proof: %d hashes, at most %d can be needed", len(lines)-3, maxPath)
	}
	for _, line := range lines[3:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return Proof{}, fmt.Errorf("proof: hash %q", line)
		}
		p.Path = append(p.Path, h)
	}
	if !bytes.Equal(p.Append(nil), data) {
		return Proof{}, errors.New("proof: not written as it must be")
	}
	return p, nil
}

// Verify returns the checkpoint of the proof if key has signed it and it covers
// the entry under its number.
func (p Proof) Verify(key note.Verifier, witnesses ...note.Verifier) (Checkpoint, error) {
	c, err := OpenCheckpoint(p.Note, key, witnesses...)
	if err != nil {
		return Checkpoint{}, err
	}
	if p.Seq >= c.Size {
		return Checkpoint{}, fmt.Errorf("proof: record %d is not among the %d of the checkpoint", p.Seq, c.Size)
	}
	if StandsIn(p.Entry) {
		return Checkpoint{}, errors.New("proof: holds what stands in for an entry, not an entry")
	}
	if err := tlog.CheckRecord(p.Path, int64(c.Size), c.Root, int64(p.Seq), LeafHash(p.Entry)); err != nil {
		return Checkpoint{}, fmt.Errorf("proof: the entry is not record %d of the log, or was changed", p.Seq)
	}
	return c, nil
}

// Prove makes the proof of a record of the log in the audit folder dir: the
// entry must be that of number seq, and c a checkpoint of the log that covers it.
func Prove(dir string, c Checkpoint, seq uint64, entry []byte) (Proof, error) {
	if seq >= c.Size {
		return Proof{}, fmt.Errorf("record %d is not covered by the checkpoint of %d records", seq, c.Size)
	}
	path, err := tlog.ProveRecord(int64(c.Size), int64(seq), Tiles(dir).Hashes(c))
	if err != nil {
		return Proof{}, fmt.Errorf("proving record %d: %w", seq, err)
	}
	p := Proof{Seq: seq, Entry: entry, Path: path, Note: c.Note}
	if err := tlog.CheckRecord(path, int64(c.Size), c.Root, int64(seq), LeafHash(entry)); err != nil {
		return Proof{}, fmt.Errorf("record %d is not what the log has signed: it was changed", seq)
	}
	return p, nil
}

// ProveConsistency makes the proof that the log in the audit folder dir only
// grew from its first old records to checkpoint c.
func ProveConsistency(dir string, c Checkpoint, old uint64) ([]Hash, error) {
	if old > c.Size {
		return nil, fmt.Errorf("%d records are more than the %d of the checkpoint", old, c.Size)
	}
	if old == 0 || old == c.Size {
		return nil, nil
	}
	return tlog.ProveTree(int64(c.Size), int64(old), Tiles(dir).Hashes(c))
}

// CheckConsistency returns nil if proof shows that the records of checkpoint
// old are the first of checkpoint c.
func CheckConsistency(proof []Hash, old, c Checkpoint) error {
	switch {
	case old.Origin != c.Origin:
		return fmt.Errorf("checkpoints of two logs: %q and %q", old.Origin, c.Origin)
	case old.Size > c.Size:
		return fmt.Errorf("rolled back: %d records, an earlier checkpoint has %d", c.Size, old.Size)
	case old.Size == c.Size && old.Root != c.Root:
		return fmt.Errorf("two histories of %d records", c.Size)
	case old.Size == c.Size || old.Size == 0:
		return nil
	}
	if err := tlog.CheckTree(proof, int64(c.Size), c.Root, int64(old.Size), old.Root); err != nil {
		return errors.New("the earlier checkpoint is of another history")
	}
	return nil
}
