package wallet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/kdf"
)

// filled returns the bytes of a wallet with entries in all states.
func filled(t *testing.T) (*world, []byte) {
	t.Helper()
	w := newWorld(t)
	o := w.open()
	end := w.now.Add(time.Hour)
	must(t, o.Put(t.Context(), New{Name: "a", Provider: "openai", Expires: &end, Metadata: map[string]string{"k": "v"}}, []byte("value-a")))
	must(t, o.Put(t.Context(), New{Name: "b"}, []byte("value-b")))
	must(t, o.Rotate(t.Context(), "a", []byte("value-a2"), Rotation{Overlap: time.Hour}))
	must(t, o.StageAutomatic(t.Context(), "a", []byte("value-a3")))
	must(t, o.SetDefault(t.Context(), "a"))
	raw, err := os.ReadFile(w.path)
	must(t, err)
	return w, raw
}

// refused opens bytes as a wallet would be and reports what came of it.
func refused(key Unlocker, raw []byte) error {
	p, err := parse(raw)
	if err != nil {
		return err
	}
	k, err := key.unlock(context.Background(), p.header.ID, &p.header.Slot)
	if err != nil {
		return err
	}
	_, err = p.open(k)
	return err
}

// Every bit of the file matters: header, contents, line ends, authentication.
func TestEveryBitIsAuthenticated(t *testing.T) {
	w, raw := filled(t)
	if err := refused(w.key, raw); err != nil {
		t.Fatalf("the file itself: %v", err)
	}
	for i := range raw {
		for bit := range 8 {
			bad := bytes.Clone(raw)
			bad[i] ^= 1 << bit
			err := refused(w.key, bad)
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrPassword) && !errors.Is(err, kdf.ErrParams) {
				t.Fatalf("byte %d, bit %d: %v", i, bit, err)
			}
		}
	}
	for n := range raw {
		if err := refused(w.key, raw[:n]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for _, more := range []string{"\n", " ", "x", "\x00"} {
		if err := refused(w.key, append(bytes.Clone(raw), more...)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%q behind it: %v", more, err)
		}
	}
}

// Parts of one good file in another, also of an older state of the same wallet.
func TestPartsOfOtherFiles(t *testing.T) {
	w, raw := filled(t)
	o := w.open()
	must(t, o.Remove(t.Context(), "b"))
	newer, err := os.ReadFile(w.path)
	must(t, err)
	stranger, err := os.ReadFile(newWorld(t).path)
	must(t, err)
	for name, other := range map[string][]byte{"an older state": newer, "another wallet": stranger} {
		a, b := bytes.Split(raw, []byte("\n")), bytes.Split(other, []byte("\n"))
		for mask := 1; mask < 7; mask++ { // of header, contents, code: not all, not none
			mixed := [][]byte{a[0], a[1], a[2], a[3], nil}
			for i := range 3 {
				if mask&(1<<i) != 0 {
					mixed[i+1] = b[i+1]
				}
			}
			if err := refused(w.key, bytes.Join(mixed, []byte("\n"))); err == nil {
				t.Errorf("%s, parts %03b: it opened", name, mask)
			}
		}
	}
}

// Even who could write the contents cannot pass a value off as another.
func TestValuesStayInTheirPlace(t *testing.T) {
	w, _ := filled(t)
	o := w.open()
	key, id := o.key, o.header.ID
	a, b := o.c.records[0], o.c.records[1]
	try := func(what string, r record, s sealed) {
		t.Helper()
		if v, err := openValue(key, id, &r, &s); !errors.Is(err, ErrDamaged) || v != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	try("another entry's", a, b.current)
	try("its old value", a, sealed{a.current.version, a.previous.key, a.previous.text})
	try("an old key", a, sealed{a.current.version, a.previous.key, a.current.text})
	try("an old text", a, sealed{a.current.version, a.current.key, a.previous.text})
	renamed, provider, version := a, a, a.current
	renamed.name = "c"
	provider.provider = "custom"
	version.version++
	try("a name", renamed, a.current)
	try("a provider", provider, a.current)
	try("a version", a, version)
	if _, err := openValue(key, "00000000000000000000000000000000", &a, &a.current); !errors.Is(err, ErrDamaged) {
		t.Errorf("another wallet: %v", err)
	}
}

// A header that asks for a cheaper derivation opens nothing, and one that asks
// for a ruinous one is refused before any work.
func TestParametersOfTheDerivation(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), FileName)
	params, err := kdf.New(kdf.PBKDF2SHA384, kdf.InsecureIterations+1)
	must(t, err)
	p := Password{Params: params, Secret: []byte("correct horse")}
	o := Options{Recorder: &journal{}}
	must(t, Create(ctx, path, p, o))
	raw, err := os.ReadFile(path)
	must(t, err)
	change := func(from, to string) []byte { return bytes.Replace(raw, []byte(from), []byte(to), 1) }
	for name, c := range map[string]struct {
		raw  []byte
		want error
	}{
		"fewer":        {change("100001", "100000"), ErrPassword},
		"other hash":   {change("sha384", "sha256"), ErrPassword},
		"too few":      {change("100001", "099999"), ErrDamaged}, // no JSON number
		"far too few":  {change("100001", "1"), kdf.ErrParams},
		"far too many": {change("100001", "10000001"), kdf.ErrParams},
		"unknown":      {change("sha384", "md5"), kdf.ErrParams},
		"memory":       {change(`"iterations":100001`, `"iterations":100001,"memory":4294967295`), kdf.ErrParams},
		"argon2id":     {change(`"pbkdf2-hmac-sha384","iterations":100001`, `"argon2id","iterations":1,"memory":4294967295,"lanes":1`), kdf.ErrParams},
		"no kdf":       {change(`"kind":"password"`, `"kind":"none"`), ErrPassword},
	} {
		if err := refused(p, c.raw); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := refused(Password{Secret: []byte("Correct horse")}, raw); !errors.Is(err, ErrPassword) {
		t.Errorf("wrong password: %v", err)
	}
	if err := refused(p, raw); err != nil {
		t.Errorf("the password: %v", err)
	}
	argon, err := kdf.New(kdf.Argon2id, 0)
	must(t, err)
	argon.Memory = kdf.MinMemory
	w, err := Open(ctx, path, p, o)
	must(t, err)
	next := Password{Params: argon, Secret: []byte("another one")}
	must(t, w.Rewrap(ctx, next))
	if _, err := Open(ctx, path, next, o); err != nil {
		t.Error(err)
	}
	st, err := Inspect(path)
	if err != nil || st.Kind != KindPassword || !reflect.DeepEqual(*st.KDF, argon) || st.Generation != 2 {
		t.Errorf("status %+v, %v", st, err)
	}
}

func TestAgeKeepsTheKey(t *testing.T) {
	ctx := t.Context()
	id, err := age.GenerateX25519Identity()
	must(t, err)
	stranger, err := age.GenerateX25519Identity()
	must(t, err)
	path, o := filepath.Join(t.TempDir(), FileName), Options{Recorder: &journal{}}
	must(t, Create(ctx, path, AgeRecipients{Names: []string{id.Recipient().String()}, Recipients: []age.Recipient{id.Recipient()}}, o))
	w, err := Open(ctx, path, AgeIdentities{id}, o)
	must(t, err)
	must(t, w.Put(ctx, New{Name: "a"}, []byte("1")))
	_, err = Open(ctx, path, AgeIdentities{stranger}, o)
	wantErr(t, "another identity", err, ErrPassword)
	_, err = Open(ctx, path, Password{Secret: []byte("x")}, o)
	wantErr(t, "a password", err, ErrPassword)
	if err := w.Rewrap(ctx, AgeRecipients{}); err == nil {
		t.Error("wrapped for nobody")
	}
}

func FuzzParse(f *testing.F) {
	key := envelope.NewKey()
	s, err := rawKey(1).protect(context.Background(), "00112233445566778899aabbccddeeff", key)
	if err != nil {
		f.Fatal(err)
	}
	h := header{ID: "00112233445566778899aabbccddeeff", Generation: 3, Slot: s}
	good, err := seal(h, &contents{fingerprints: key}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(magic))
	f.Add([]byte(magic + "{}\n\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := parse(raw)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		line, err := json.Marshal(p.header)
		if err != nil || !bytes.Equal(line, p.line) {
			t.Fatalf("a header of two encodings: %s", p.line)
		}
		if _, err := p.open(key); err == nil && !bytes.Equal(raw, good) {
			t.Fatal("a forged file opened")
		}
	})
}

// FuzzDecode reads contents as if they had been authenticated.
func FuzzDecode(f *testing.F) {
	c := &contents{fingerprints: make([]byte, envelope.KeySize), records: []record{
		{name: "a", provider: "p", permissions: []string{"x"}, metadata: map[string]string{"k": "v", "l": "w"}, created: 5, last: 2, current: sealed{2, []byte("k"), []byte("t")}},
		{name: "b", expires: -1, last: 1, pending: sealed{1, []byte("k"), []byte("t")}},
	}}
	f.Add(c.encode())
	f.Add((&contents{fingerprints: make([]byte, envelope.KeySize)}).encode())
	c.records[0].marks, c.records[1].marks = marks{preferred: true}, marks{automatic: true, staged: 7}
	f.Add(c.encode())
	f.Add(append((&contents{fingerprints: make([]byte, envelope.KeySize)}).encode(), 1, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decode(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) || got != nil {
				t.Fatalf("%v", err)
			}
			return
		}
		again, err := decode(got.encode())
		if err != nil || fmt.Sprint(again) != fmt.Sprint(got) {
			t.Fatalf("read, written and read again: %v", err)
		}
	})
}

func BenchmarkUnlock(b *testing.B) { // what the default derivation costs
	params, err := kdf.New(kdf.PBKDF2SHA384, 0)
	if err != nil {
		b.Fatal(err)
	}
	path, p, o := filepath.Join(b.TempDir(), FileName), Password{Params: params, Secret: []byte("correct horse")}, Options{Recorder: &journal{}}
	if err := Create(b.Context(), path, p, o); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Open(b.Context(), path, p, o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenAndList10000(b *testing.B) { // beyond the derivation
	path, o := filepath.Join(b.TempDir(), FileName), Options{Recorder: &journal{}}
	if err := Create(b.Context(), path, rawKey(1), o); err != nil {
		b.Fatal(err)
	}
	w, err := Open(b.Context(), path, rawKey(1), o)
	if err != nil {
		b.Fatal(err)
	}
	items := make([]Item, 10_000)
	for i := range items {
		items[i] = Item{New{Name: fmt.Sprintf("entry-%05d", i), Provider: "openai", Permissions: []string{"chat"}, Metadata: map[string]string{"owner": "ops"}}, []byte("sk-0123456789abcdef0123456789abcdef")}
	}
	if err := w.PutAll(b.Context(), items, "wallet.import"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		w, err := Open(b.Context(), path, rawKey(1), o)
		if err != nil {
			b.Fatal(err)
		}
		if list, err := w.List(); err != nil || len(list) != len(items) {
			b.Fatal(len(list), err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	path, o := filepath.Join(b.TempDir(), FileName), Options{Recorder: &journal{}}
	if err := Create(b.Context(), path, rawKey(1), o); err != nil {
		b.Fatal(err)
	}
	w, err := Open(b.Context(), path, rawKey(1), o)
	if err == nil {
		err = w.Put(b.Context(), New{Name: "a"}, []byte("1"))
	}
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := w.Get(b.Context(), "a"); err != nil {
			b.Fatal(err)
		}
	}
}
