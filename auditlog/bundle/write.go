package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"time"
)

// Writer writes a bundle, member by member. It is used by one goroutine.
type Writer struct {
	out  *counter
	zip  *gzip.Writer
	tar  *tar.Writer
	kind string
	at   time.Time
	sums bytes.Buffer
	seen map[string]bool
	err  error
}

// counter counts and hashes what is written.
type counter struct {
	w   io.Writer
	sum hash.Hash
	n   int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	return n, err
}

// NewWriter returns a writer of a bundle of a kind, a word, made at a time.
func NewWriter(w io.Writer, kind string, at time.Time) *Writer {
	b := &Writer{out: &counter{w: w, sum: sha256.New()}, kind: kind, at: at.UTC().Truncate(time.Second), seen: map[string]bool{}}
	b.zip = gzip.NewWriter(b.out)
	b.tar = tar.NewWriter(b.zip)
	return b
}

// Written returns how many bytes were written so far.
func (b *Writer) Written() int64 { return b.out.n }

// Add adds a file of exactly size bytes.
func (b *Writer) Add(name string, size int64, r io.Reader) error {
	if b.err != nil {
		return b.err
	}
	sum := sha256.New()
	b.err = b.add(name, size, io.TeeReader(io.LimitReader(r, size), sum))
	if b.err == nil {
		fmt.Fprintf(&b.sums, "%s  %s\n", hex.EncodeToString(sum.Sum(nil)), name)
	}
	return b.err
}

// AddBytes adds a file.
func (b *Writer) AddBytes(name string, data []byte) error {
	return b.Add(name, int64(len(data)), bytes.NewReader(data))
}

func (b *Writer) add(name string, size int64, r io.Reader) error {
	if err := checkName(name); err != nil {
		return err
	}
	if b.seen[name] || len(b.seen) >= MaxMembers {
		return fmt.Errorf("%q: is in the archive already, or too many files are", name)
	}
	b.seen[name] = true
	if err := b.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: b.at}); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	n, err := io.Copy(b.tar, r)
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	if n != size {
		return fmt.Errorf("%q: has %d bytes, want %d: %w", name, n, size, io.ErrUnexpectedEOF)
	}
	return nil
}

// checkName refuses names that would leave the folder a bundle is unpacked in,
// or that one line cannot hold.
func checkName(name string) error {
	if !fs.ValidPath(name) || name == "." || len(name) > MaxName {
		return fmt.Errorf("%q: not a name of a file in an archive", name)
	}
	for i := range len(name) {
		if name[i] < 0x21 || name[i] > 0x7e || name[i] == '\\' {
			return fmt.Errorf("%q: not a name of a file in an archive", name)
		}
	}
	return nil
}

// Close ends the bundle. sign returns the signed note of a text; *tlog.Key has
// it.
func (b *Writer) Close(sign func(text string) ([]byte, error)) (Seal, error) {
	if b.err != nil {
		return Seal{}, b.err
	}
	if b.err = b.add(SumsName, int64(b.sums.Len()), &b.sums); b.err != nil {
		return Seal{}, b.err
	}
	if err := errors.Join(b.tar.Close(), b.zip.Close()); err != nil {
		return Seal{}, fmt.Errorf("ending the archive: %w", err)
	}
	s := Seal{Kind: b.kind, Time: b.at, Size: b.out.n, SHA256: hex.EncodeToString(b.out.sum.Sum(nil))}
	signed, err := sign(s.text())
	if err != nil {
		return Seal{}, fmt.Errorf("signing the archive: %w", err)
	}
	end, err := trailer(signed)
	if err != nil {
		return Seal{}, err
	}
	_, err = b.out.Write(end)
	b.err = errors.New("the archive is closed")
	return s, err
}
