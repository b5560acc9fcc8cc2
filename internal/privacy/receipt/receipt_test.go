package receipt_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/portcullis-dev/portcullis/internal/privacy/receipt"
)

func keys(t testing.TB) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "log.example")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	v, err := receipt.ParseKey(public + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

func TestEveryChangeIsFound(t *testing.T) {
	s, v := keys(t)
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	want := receipt.Receipt{ID: "1", State: "erased", Asked: at, By: "subject", Ended: &at, Places: []receipt.Place{{Name: "account", Count: 1, At: at, Kept: []string{"x"}}}}
	text, err := receipt.Sign(want, s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := receipt.Verify([]byte(text), v)
	if err != nil || got.ID != "1" || got.Places[0].Count != 1 || got.Kind != receipt.Kind {
		t.Fatalf("%+v, %v", got, err)
	}
	for i := range len(text) - 1 { // without the last line end
		bad := []byte(text)
		bad[i] ^= 1
		if got, err := receipt.Verify(bad, v); !errors.Is(err, receipt.ErrInvalid) && (err != nil || got.ID != "1") {
			t.Fatalf("byte %d: %+v, %v", i, got, err)
		}
	}
	if _, other := keys(t); other != nil {
		if _, err := receipt.Verify([]byte(text), other); !errors.Is(err, receipt.ErrInvalid) {
			t.Errorf("another key: %v", err)
		}
	}
	other, err := note.Sign(&note.Note{Text: "{\"kind\":\"x\"}\n"}, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := receipt.Verify(other, v); !errors.Is(err, receipt.ErrInvalid) {
		t.Errorf("something else that the key signed: %v", err)
	}
	if _, err := receipt.Verify(bytes.Repeat([]byte("a"), receipt.MaxSize+1), v); !errors.Is(err, receipt.ErrInvalid) {
		t.Errorf("too long: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	s, v := keys(f)
	text, err := receipt.Sign(receipt.Receipt{ID: "1", Places: []receipt.Place{}}, s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("{}\n\n— a b\n"))
	f.Add([]byte(text[1:]))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := receipt.Verify(b, v); err == nil && string(b) != text {
			t.Errorf("taken: %q", b)
		}
	})
}
