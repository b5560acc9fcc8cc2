package envelope_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
)

// vectors reads a file of test vectors; without the folder of samples the test
// is skipped.
func vectors(t *testing.T, name string, into any) {
	t.Helper()
	dir := os.Getenv("PORTCULLIS_SAMPLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "samples")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no samples in %s: set PORTCULLIS_SAMPLES to their folder", dir)
	}
	b, err := os.ReadFile(filepath.Join(dir, "crypto", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// All vectors go through OpenForeign, which takes other nonces and keys; those
// of our sizes through a Box as well.
func TestWycheproofAESGCM(t *testing.T) {
	var file struct {
		NumberOfTests int
		TestGroups    []struct {
			IVSize, KeySize, TagSize int
			Tests                    []struct {
				TcID                               int
				Key, IV, AAD, Msg, CT, Tag, Result string
			}
		}
	}
	vectors(t, "wycheproof-aes_gcm_test.json", &file)
	ran, boxed := 0, 0
	for _, g := range file.TestGroups {
		for _, c := range g.Tests {
			ran++
			key, iv, aad, ct, tag := unhex(t, c.Key), unhex(t, c.IV), unhex(t, c.AAD), unhex(t, c.CT), unhex(t, c.Tag)
			valid := c.Result != "invalid"
			got, err := envelope.OpenForeign(key, iv, ct, tag, aad)
			if valid != (err == nil) || valid && !bytes.Equal(got, unhex(t, c.Msg)) {
				t.Errorf("test %d (%s): %v", c.TcID, c.Result, err)
			}
			box, err := envelope.NewBox(key)
			if (err == nil) != (len(key) == envelope.KeySize) {
				t.Errorf("test %d: a key of %d bytes: %v", c.TcID, len(key), err)
			}
			if err != nil || len(iv) != 12 {
				continue
			}
			boxed++
			got, err = box.Open(append(append(iv, ct...), tag...), aad)
			if valid != (err == nil) || valid && !bytes.Equal(got, unhex(t, c.Msg)) {
				t.Errorf("test %d (%s), in a box: %v", c.TcID, c.Result, err)
			}
		}
	}
	if ran != file.NumberOfTests || boxed == 0 {
		t.Errorf("%d of %d vectors, %d in a box", ran, file.NumberOfTests, boxed)
	}
}

func ring(t *testing.T, purpose string, active envelope.Key, older ...envelope.Key) *envelope.Ring {
	t.Helper()
	r, err := envelope.NewRing(purpose, active, older...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRing(t *testing.T) {
	one, two := envelope.Key{ID: 1, Secret: envelope.NewKey()}, envelope.Key{ID: 2, Secret: envelope.NewKey()}
	before, after := ring(t, "privacy", one), ring(t, "privacy", two, one)
	field := before.Seal([]byte("alice@example.com"), "users", "17", "email")
	if bytes.Equal(field, before.Seal([]byte("alice@example.com"), "users", "17", "email")) {
		t.Error("the same field twice looks the same")
	}
	got, err := after.Open(field, "users", "17", "email")
	if err != nil || string(got) != "alice@example.com" {
		t.Fatalf("after the rotation: %v", err)
	}
	for name, place := range map[string][]string{
		"another row": {"users", "18", "email"}, "another split": {"users", "1", "7email"}, "fewer": {"users", "17"}, "none": nil,
	} {
		if got, err := after.Open(field, place...); !errors.Is(err, envelope.ErrOpen) || got != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ring(t, "other", two, one).Open(field, "users", "17", "email"); !errors.Is(err, envelope.ErrOpen) {
		t.Errorf("another purpose: %v", err)
	}
	if _, err := ring(t, "privacy", two).Open(field, "users", "17", "email"); !errors.Is(err, envelope.ErrUnknownKey) {
		t.Errorf("a key that is gone: %v", err)
	}
	for i := range field {
		bad := bytes.Clone(field)
		bad[i] ^= 1
		if _, err := after.Open(bad, "users", "17", "email"); err == nil {
			t.Errorf("byte %d changed: it opened", i)
		}
		if _, err := after.Open(field[:i], "users", "17", "email"); !errors.Is(err, envelope.ErrOpen) {
			t.Errorf("cut to %d: %v", i, err)
		}
	}
	moved, changed, err := after.Reseal(field, "users", "17", "email")
	if id, ok := envelope.KeyID(moved); err != nil || !changed || !ok || id != 2 {
		t.Fatalf("resealed: key %d, %t, %v", id, changed, err)
	}
	if same, changed, err := after.Reseal(moved, "users", "17", "email"); err != nil || changed || !bytes.Equal(same, moved) {
		t.Errorf("resealed without need: %t, %v", changed, err)
	}
	if got, err := ring(t, "privacy", two).Open(moved, "users", "17", "email"); err != nil || string(got) != "alice@example.com" {
		t.Errorf("without the old key: %v", err)
	}
	if _, _, err := after.Reseal(field, "users", "18", "email"); err == nil {
		t.Error("moved to another place")
	}
	if _, err := envelope.NewRing("x", one, one); err == nil {
		t.Error("an id twice")
	}
	if _, err := envelope.NewRing("x", envelope.Key{ID: 1, Secret: []byte("short")}); !errors.Is(err, envelope.ErrKey) {
		t.Errorf("a short key: %v", err)
	}
}

func TestForeignRefusals(t *testing.T) {
	key := envelope.NewKey()
	for name, f := range map[string]func() ([]byte, error){
		"no nonce":    func() ([]byte, error) { return envelope.OpenForeign(key, nil, nil, make([]byte, 16), nil) },
		"a short tag": func() ([]byte, error) { return envelope.OpenForeign(key, make([]byte, 12), nil, make([]byte, 12), nil) },
		"a bad key": func() ([]byte, error) {
			return envelope.OpenForeign(key[:5], make([]byte, 12), nil, make([]byte, 16), nil)
		},
	} {
		if out, err := f(); err == nil || out != nil {
			t.Errorf("%s: it opened", name)
		}
	}
	if _, err := envelope.Derive(key[:31], "x"); !errors.Is(err, envelope.ErrKey) {
		t.Errorf("%v", err)
	}
}

func FuzzRingOpen(f *testing.F) {
	r, err := envelope.NewRing("fuzz", envelope.Key{ID: 1, Secret: envelope.NewKey()}) // random: what another worker sealed is forged here
	if err != nil {
		f.Fatal(err)
	}
	good := r.Seal([]byte("x"), "place")
	f.Add(good)
	f.Add([]byte{1, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		out, err := r.Open(sealed, "place")
		if (err == nil) != bytes.Equal(sealed, good) || err != nil && out != nil {
			t.Fatalf("%x: %v", sealed, err)
		}
	})
}
