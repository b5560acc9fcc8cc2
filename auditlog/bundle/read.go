package bundle

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Read reads a bundle of a kind that key has signed and shows each file to
// visit, which need not read it to its end. The error wraps [ErrTampered] if
// anything is not as it was signed. What visit sees is proven only when Read
// returns nil.
func Read(r io.Reader, kind string, key note.Verifier, visit func(name string, size int64, r io.Reader) error) (Seal, error) {
	in := &source{br: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	if err := readArchive(in, visit); err != nil {
		return Seal{}, err
	}
	size, sum := in.digest()
	rest, err := io.ReadAll(io.LimitReader(in.br, 2*maxNote))
	if err != nil {
		return Seal{}, fmt.Errorf("reading the archive: %w", err)
	}
	signed, err := openTrailer(rest)
	if err != nil {
		return Seal{}, err
	}
	s, err := openSeal(signed, key)
	switch {
	case err != nil:
		return Seal{}, err
	case s.Size != size || s.SHA256 != sum:
		return Seal{}, tampered("the archive is another one than the signature is about")
	case s.Kind != kind:
		return Seal{}, tampered("it is of the kind %q, want %q", s.Kind, kind)
	}
	return s, nil
}

func readArchive(in *source, visit func(string, int64, io.Reader) error) error {
	zip, err := gzip.NewReader(in)
	if err != nil {
		return in.failed(err)
	}
	zip.Multistream(false)
	plain := &measured{r: zip, in: in}
	files := tar.NewReader(plain)
	var sums bytes.Buffer
	seen := map[string]bool{}
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return in.failed(err)
		}
		switch {
		case h.Typeflag != tar.TypeReg || sparse(h) || checkName(h.Name) != nil || seen[h.Name] || len(seen) >= MaxMembers || h.Size < 0:
			return tampered("it holds %q, which no archive may", h.Name)
		case seen[SumsName]:
			return tampered("something stands behind %s", SumsName)
		}
		seen[h.Name] = true
		if h.Name == SumsName {
			if h.Size != int64(sums.Len()) {
				return tampered("%s does not list what is there", SumsName)
			}
			got, err := io.ReadAll(files)
			if err != nil {
				return in.failed(err)
			}
			if !bytes.Equal(got, sums.Bytes()) {
				return tampered("%s does not fit what is there", SumsName)
			}
			continue
		}
		sum := sha256.New()
		body := &told{io.TeeReader(files, sum), nil}
		if err := visit(h.Name, h.Size, body); err != nil && body.err == nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return in.failed(err)
		}
		fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum.Sum(nil)), h.Name)
	}
	if !seen[SumsName] {
		return tampered("there is no %s", SumsName)
	}
	if _, err := io.Copy(io.Discard, plain); err != nil { // the padding of the tar, and the checksum
		return in.failed(err)
	}
	return nil
}

// The signature stands behind the archive: until it is read, an archive may make
// work only in proportion to its own size. What is in real ones, hashes and
// random names for the most part, does not shrink to a tenth.
const (
	freely = 64 << 20 // bytes that may be made of anything
	growth = 64       // what a byte may become beyond that
)

// measured gives up on an archive that grows beyond measure.
type measured struct {
	r   io.Reader
	in  *source
	out int64
}

func (m *measured) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if m.out += int64(n); m.out > freely+growth*m.in.taken() {
		return n, errors.New("it grows beyond measure when it is decompressed")
	}
	return n, err
}

// sparse reports whether a file has holes: a few bytes would be read as many
// exabytes of zeros, before the signature behind them is seen.
func sparse(h *tar.Header) bool {
	for name := range h.PAXRecords {
		if strings.HasPrefix(name, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// told remembers why reading failed: whoever reads may say something else of it.
type told struct {
	r   io.Reader
	err error
}

func (t *told) Read(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	n, err := t.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}

// source hashes the bytes that are taken of it. It gives single bytes, so that
// decompression takes none behind its end.
type source struct {
	br   *bufio.Reader
	sum  hash.Hash
	n    int64
	held []byte // taken and not hashed yet
	err  error  // of reading, other than the end
}

const heldBytes = 32 << 10

func (s *source) ReadByte() (byte, error) {
	b, err := s.br.ReadByte()
	if err != nil {
		s.note(err)
		return b, err
	}
	if s.held = append(s.held, b); len(s.held) >= heldBytes {
		s.flush()
	}
	return b, nil
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.br.Read(p)
	s.held = append(s.held, p[:n]...)
	s.flush()
	s.note(err)
	return n, err
}

func (s *source) note(err error) {
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
}

func (s *source) flush() {
	s.sum.Write(s.held)
	s.n += int64(len(s.held))
	s.held = s.held[:0]
}

// taken is how many bytes were.
func (s *source) taken() int64 { return s.n + int64(len(s.held)) }

func (s *source) digest() (int64, string) {
	s.flush()
	return s.n, hex.EncodeToString(s.sum.Sum(nil))
}

// failed tells a disk that fails from an archive that is damaged.
func (s *source) failed(err error) error {
	if s.err != nil {
		return fmt.Errorf("reading the archive: %w", s.err)
	}
	return tampered("%v", err)
}
