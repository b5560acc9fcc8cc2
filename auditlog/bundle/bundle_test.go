package bundle

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// testKey returns a key of a name, and what signs with it.
func testKey(t testing.TB, name string, seed byte) (note.Verifier, func(string) ([]byte, error)) {
	t.Helper()
	secret := bytes.Repeat([]byte{seed}, ed25519.SeedSize)
	text, err := note.NewEd25519VerifierKey(name, ed25519.NewKeyFromSeed(secret).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, v.KeyHash(), base64.StdEncoding.EncodeToString(append([]byte{1}, secret...))))
	if err != nil {
		t.Fatal(err)
	}
	return v, func(text string) ([]byte, error) { return note.Sign(&note.Note{Text: text}, s) }
}

func write(t testing.TB, sign func(string) ([]byte, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, "test", time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC))
	for _, f := range []struct{ name, text string }{{"about.json", `{"a":1}`}, {"deep/empty", ""}, {"deep/long", strings.Repeat("what happened\n", 400)}} {
		if err := w.AddBytes(f.name, []byte(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(sign); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRead(t *testing.T) {
	key, sign := testKey(t, "log.example", 1)
	data := write(t, sign)
	var names []string
	s, err := Read(iotestOne{bytes.NewReader(data)}, "test", key, func(name string, size int64, r io.Reader) error {
		names = append(names, name)
		if name == "deep/long" {
			return nil // whoever does not read it, verifies it all the same
		}
		got, err := io.ReadAll(r)
		if int64(len(got)) != size {
			t.Errorf("%s: %d bytes, want %d", name, len(got), size)
		}
		return err
	})
	if err != nil || fmt.Sprint(names) != "[about.json deep/empty deep/long]" || s.Kind != "test" || s.Key != KeyID(key) {
		t.Errorf("%v %+v: %v", names, s, err)
	}
	other, _ := testKey(t, "log.example", 2)
	for name, tc := range map[string]struct {
		kind string
		key  note.Verifier
	}{"another key": {"test", other}, "another kind": {"backup", key}} {
		if _, err := Read(bytes.NewReader(data), tc.kind, tc.key, ignore); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wrong := errors.New("the visitor is not content")
	if _, err := Read(bytes.NewReader(data), "test", key, func(string, int64, io.Reader) error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("what the visitor says is lost: %v", err)
	}
}

// iotestOne reads in small steps.
type iotestOne struct{ r io.Reader }

func (o iotestOne) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 7)]) }

func ignore(string, int64, io.Reader) error { return nil }

// TestEveryTamperingIsFound flips every bit of a bundle, cuts it at every byte,
// and adds to its end: none of it passes.
func TestEveryTamperingIsFound(t *testing.T) {
	key, sign := testKey(t, "log.example", 1)
	data := write(t, sign)
	for i := range data {
		for bit := range 8 {
			changed := bytes.Clone(data)
			changed[i] ^= 1 << bit
			if _, err := Read(bytes.NewReader(changed), "test", key, ignore); !errors.Is(err, ErrTampered) {
				t.Fatalf("byte %d of %d, bit %d: %v", i, len(data), bit, err)
			}
		}
		if _, err := Read(bytes.NewReader(data[:i]), "test", key, ignore); !errors.Is(err, ErrTampered) {
			t.Fatalf("cut at byte %d: %v", i, err)
		}
	}
	for _, more := range []string{"\x00", "more", string(data)} {
		if _, err := Read(bytes.NewReader(append(bytes.Clone(data), more...)), "test", key, ignore); !errors.Is(err, ErrTampered) {
			t.Errorf("%d more bytes: %v", len(more), err)
		}
	}
}

func TestNamesStayInside(t *testing.T) {
	for _, name := range []string{"", ".", "/etc/passwd", "../up", "a/../../b", "a\nb", "a b", `a\b`, "a//b", strings.Repeat("x", MaxName+1)} {
		w := NewWriter(io.Discard, "test", time.Now())
		if err := w.AddBytes(name, nil); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
	w := NewWriter(io.Discard, "test", time.Now())
	if err := errors.Join(w.AddBytes("a", nil), w.AddBytes("a", nil)); err == nil {
		t.Error("the same name twice")
	}
}

// TestShort says so when a file is shorter than was said.
func TestShort(t *testing.T) {
	w := NewWriter(io.Discard, "test", time.Now())
	if err := w.Add("a", 10, strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a short file: %v", err)
	}
	_, sign := testKey(t, "log.example", 1)
	if _, err := w.Close(sign); err == nil {
		t.Error("a broken bundle is signed")
	}
}

func FuzzRead(f *testing.F) {
	key, sign := testKey(f, "log.example", 1)
	good := write(f, sign)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte{0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := Read(bytes.NewReader(data), "test", key, ignore); err == nil && !bytes.Equal(data, good) {
			t.Error("what nobody signed is taken")
		}
	})
}

// TestReadRefusesHoles: a file with holes is not read: it would go on for as
// long as its header says, and fill the disk of who restores it.
func TestReadRefusesHoles(t *testing.T) {
	key, _ := testKey(t, "log.example", 1)
	var data bytes.Buffer
	zip := gzip.NewWriter(&data)
	block := func(name string, kind byte, body string) {
		var h [512]byte
		copy(h[:], name)
		copy(h[100:], "0000600\x000000000\x000000000\x00")
		copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00", len(body)))
		copy(h[148:], "        ")
		h[156] = kind
		copy(h[257:], "ustar\x0000")
		sum := 0
		for _, b := range h {
			sum += int(b)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		_, _ = zip.Write(h[:])
		_, _ = io.WriteString(zip, body+strings.Repeat("\x00", (512-len(body)%512)%512))
	}
	var records strings.Builder
	for _, kv := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=about.json", "GNU.sparse.realsize=1152921504606846976"} {
		n := len(kv) + 4 // "NN " and the end
		fmt.Fprintf(&records, "%02d %s\n", n, kv)
	}
	block("PaxHeaders/about.json", 'x', records.String())
	block("about.json", '0', "1\n1152921504606846975\n1\n"+strings.Repeat("\x00", 512-24)+"x")
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Read(&data, "test", key, func(name string, size int64, _ io.Reader) error {
		return fmt.Errorf("%s of %d bytes was shown", name, size)
	})
	if !errors.Is(err, ErrTampered) || !strings.Contains(err.Error(), "about.json") {
		t.Errorf("%v", err)
	}
}
