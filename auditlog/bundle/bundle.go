// Package bundle reads and writes signed archives, such as the evidence of an
// incident and the backups of a gateway.
//
// A bundle is a gzip-compressed tar that common tools unpack. Its last member is
// SHA256SUMS, which `sha256sum -c` reads. Behind the archive stands a second,
// empty gzip member whose extra field holds a C2SP signed note: the kind of the
// bundle, when it was made, and the SHA-256 over every byte before it, signed
// with the key of the audit log. So no byte of the file can change unseen, and
// file and signature cannot be parted.
//
// Both directions stream: a bundle of any size takes little memory.
package bundle

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// ErrTampered says that a bundle is not what was signed.
var ErrTampered = errors.New("not what was signed")

// SumsName is the last member of every bundle.
const SumsName = "SHA256SUMS"

// firstLine begins what is signed. It is no name that a log can have, so a
// bundle never passes for a checkpoint.
const firstLine = "portcullis bundle v1"

// Bounds.
const (
	MaxMembers = 1 << 20
	MaxName    = 512
	maxNote    = 32 << 10
)

// Seal is what is signed of a bundle.
type Seal struct {
	Kind   string    `json:"kind"` // such as "evidence"
	Time   time.Time `json:"time"`
	Size   int64     `json:"size"` // of the bytes that are signed
	SHA256 string    `json:"sha256"`
	Key    string    `json:"key"` // that signed, NAME+HASH
}

// text is the note. There is one way to write it.
func (s Seal) text() string {
	return fmt.Sprintf("%s\n%s\n%s\n%d\n%s\n", firstLine, s.Kind, s.Time.UTC().Format(time.RFC3339), s.Size, s.SHA256)
}

func tampered(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrTampered, fmt.Sprintf(format, a...))
}

// openSeal reads a signed seal.
func openSeal(data []byte, key note.Verifier) (Seal, error) {
	n, err := note.Open(data, note.VerifierList(key))
	if err != nil {
		return Seal{}, tampered("its signature: %v", err)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 6 || lines[0] != firstLine {
		return Seal{}, tampered("the note is none of a bundle")
	}
	s := Seal{Kind: lines[1], SHA256: lines[4], Key: KeyID(key)}
	if s.Time, err = time.Parse(time.RFC3339, lines[2]); err == nil {
		s.Size, err = strconv.ParseInt(lines[3], 10, 64)
	}
	if sum, herr := hex.DecodeString(s.SHA256); err != nil || herr != nil || len(sum) != 32 || s.text() != n.Text {
		return Seal{}, tampered("the note is not written as it must be")
	}
	if again, err := note.Sign(&note.Note{Text: n.Text, Sigs: n.Sigs}); err != nil || string(again) != string(data) {
		return Seal{}, tampered("the signature is not written as it must be")
	}
	return s, nil
}

// KeyID names a key: NAME+HASH.
func KeyID(v note.Verifier) string { return fmt.Sprintf("%s+%08x", v.Name(), v.KeyHash()) }

// gzip member without content, before and behind its extra field.
const (
	trailerHead = "\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff" // with an extra field
	trailerEnd  = "\x03\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	subfield    = "PS"
)

// trailer is the gzip member that carries the signature.
func trailer(signed []byte) ([]byte, error) {
	if len(signed) > maxNote {
		return nil, fmt.Errorf("signature of %d bytes, at most %d are written", len(signed), maxNote)
	}
	n := len(signed)
	out := append([]byte(trailerHead), byte(n+4), byte((n+4)>>8))
	out = append(append(out, subfield...), byte(n), byte(n>>8))
	return append(append(out, signed...), trailerEnd...), nil
}

// openTrailer returns the signature in a trailer.
func openTrailer(data []byte) ([]byte, error) {
	const head = len(trailerHead) + 2 + len(subfield) + 2
	if len(data) < head+len(trailerEnd) {
		return nil, tampered("its signature is cut off")
	}
	signed := data[head : len(data)-len(trailerEnd)]
	if want, err := trailer(signed); err != nil || string(want) != string(data) {
		return nil, tampered("what stands behind the archive is no signature")
	}
	return signed, nil
}
