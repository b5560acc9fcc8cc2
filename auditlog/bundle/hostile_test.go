package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// sealed signs whatever archive a member of the house, gone bad, could make.
func sealed(t testing.TB, sign func(string) ([]byte, error), headers []*tar.Header, bodies map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	files := tar.NewWriter(zip)
	var sums strings.Builder
	for _, h := range headers {
		body := bodies[h.Name]
		h.Mode = 0o600
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(body))
			sum := sha256.Sum256([]byte(body))
			fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), h.Name)
		}
		if err := files.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(files, body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := files.WriteHeader(&tar.Header{Name: SumsName, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(sums.Len())}); err != nil {
		t.Fatal(err)
	}
	_, err := io.WriteString(files, sums.String())
	if err := errors.Join(err, files.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(out.Bytes())
	signed, err := sign(Seal{Kind: "test", Time: time.Unix(1, 0), Size: int64(out.Len()), SHA256: hex.EncodeToString(sum[:])}.text())
	if err != nil {
		t.Fatal(err)
	}
	end, err := trailer(signed)
	if err != nil {
		t.Fatal(err)
	}
	return append(out.Bytes(), end...)
}

// TestHostileMembers: nothing but plain files with names that stay inside, each
// once, is shown to whoever restores, even if the right key signed it.
func TestHostileMembers(t *testing.T) {
	key, sign := testKey(t, "log.example", 1)
	file := func(name string) *tar.Header { return &tar.Header{Name: name, Typeflag: tar.TypeReg} }
	other := func(name string, kind byte, link string) *tar.Header {
		return &tar.Header{Name: name, Typeflag: kind, Linkname: link}
	}
	for name, c := range map[string]struct {
		headers []*tar.Header
		good    bool
	}{
		"plain":           {[]*tar.Header{file("a"), file("b/c")}, true},
		"symlink":         {[]*tar.Header{other("a", tar.TypeSymlink, "/etc/passwd")}, false},
		"symlink, inside": {[]*tar.Header{other("a", tar.TypeSymlink, "b"), file("a/c")}, false},
		"hard link":       {[]*tar.Header{file("b"), other("a", tar.TypeLink, "b")}, false},
		"device":          {[]*tar.Header{other("a", tar.TypeChar, "")}, false},
		"block device":    {[]*tar.Header{other("a", tar.TypeBlock, "")}, false},
		"fifo":            {[]*tar.Header{other("a", tar.TypeFifo, "")}, false},
		"folder":          {[]*tar.Header{other("a/", tar.TypeDir, "")}, false},
		"contiguous":      {[]*tar.Header{other("a", tar.TypeCont, "")}, false},
		"above":           {[]*tar.Header{file("../a")}, false},
		"above, later":    {[]*tar.Header{file("a/../../b")}, false},
		"absolute":        {[]*tar.Header{file("/a")}, false},
		"this folder":     {[]*tar.Header{file("./a")}, false},
		"backslash":       {[]*tar.Header{file(`..\a`)}, false},
		"double slash":    {[]*tar.Header{file("a//b")}, false},
		"line end":        {[]*tar.Header{file("a\nb")}, false},
		"twice":           {[]*tar.Header{file("a"), file("a")}, false},
		"sums twice":      {[]*tar.Header{file(SumsName), file("a")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			data := sealed(t, sign, c.headers, map[string]string{"a": "one", "b": "two"})
			shown := map[string]int{}
			_, err := Read(bytes.NewReader(data), "test", key, func(name string, _ int64, _ io.Reader) error {
				shown[name]++
				return nil
			})
			if c.good != (err == nil) || err != nil && !errors.Is(err, ErrTampered) {
				t.Errorf("%v", err)
			}
			for name, n := range shown {
				if n > 1 || checkName(name) != nil {
					t.Errorf("%q was shown %d times", name, n)
				}
			}
		})
	}
}

// zeros is as many bytes of zeros.
type zeros int64

func (z *zeros) Read(p []byte) (int, error) {
	if *z == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), int64(*z))
	clear(p[:n])
	*z -= zeros(n)
	return int(n), nil
}

// TestBombIsCutShort: what grows beyond measure is given up long before its end,
// where its signature would be, and without being kept in memory.
func TestBombIsCutShort(t *testing.T) {
	const size = 1 << 28
	var data bytes.Buffer
	zip := gzip.NewWriter(&data)
	files := tar.NewWriter(zip)
	if err := files.WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeReg, Mode: 0o600, Size: size}); err != nil {
		t.Fatal(err)
	}
	all := zeros(size)
	_, err := io.Copy(files, &all)
	if err := errors.Join(err, files.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	key, _ := testKey(t, "log.example", 1)
	var got int64
	_, err = Read(&data, "test", key, func(_ string, _ int64, r io.Reader) error {
		n, err := io.Copy(io.Discard, r)
		got = n
		return err
	})
	if !errors.Is(err, ErrTampered) || got > freely+64*int64(data.Cap()) {
		t.Errorf("%d bytes were read of %d: %v", got, data.Cap(), err)
	}
}
