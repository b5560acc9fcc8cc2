package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/groth16"
)

// The keys of one ceremony, made by snarkjs.
var (
	ceremonyVK   = filepath.Join("..", "groth16", "testdata", "snarkjs", "verification_key.json")
	ceremonyZkey = filepath.Join("..", "proving", "testdata", "snarkjs.zkey")
)

func system(t *testing.T) *circuit.System {
	t.Helper()
	s, err := circuit.Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// works makes a proof with the keys of a folder.
func works(t *testing.T, dir string, want Origin) {
	t.Helper()
	vk, origin, err := LoadKey(filepath.Join(dir, VerificationKey))
	if err != nil {
		t.Fatal(err)
	}
	if origin != want {
		t.Errorf("origin %v, want %v", origin, want)
	}
	pk, _, err := LoadProvingKey(filepath.Join(dir, ProvingKey), system(t))
	if err != nil {
		t.Fatal(err)
	}
	private, err := circuit.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	proof, inputs, err := pk.Prove(private, fr.One())
	if err != nil {
		t.Fatal(err)
	}
	if err := vk.Verify(proof, inputs); err != nil {
		t.Error(err)
	}
}

func TestDevelop(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "zkp")
	note, err := Develop(dir, system(t))
	if err != nil {
		t.Fatal(err)
	}
	if !note.Development || note.Warning != Warning || note.Circuit != circuit.Name {
		t.Errorf("note %+v", note)
	}
	var kept Note
	if err := json.Unmarshal(read(t, filepath.Join(dir, NoteFile)), &kept); err != nil || kept != note {
		t.Errorf("kept %+v, %v", kept, err)
	}
	works(t, dir, Development)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
	before := read(t, filepath.Join(dir, VerificationKey))
	if _, err := Develop(dir, system(t)); !errors.Is(err, ErrExists) {
		t.Errorf("a second setup in one folder: %v", err)
	}
	if !bytes.Equal(before, read(t, filepath.Join(dir, VerificationKey))) {
		t.Error("the key was replaced")
	}
	// The mark is in the key, not only beside it.
	elsewhere := filepath.Join(t.TempDir(), "key.json")
	put(t, elsewhere, before)
	if _, origin, err := LoadKey(elsewhere); err != nil || origin != Development {
		t.Errorf("copied: %v, %v", origin, err)
	}
	if _, err := Import(t.TempDir(), elsewhere, filepath.Join(dir, ProvingKey), system(t)); !errors.Is(err, ErrDevelopment) {
		t.Errorf("imported: %v", err)
	}
}

func TestImport(t *testing.T) {
	dir := t.TempDir()
	note, err := Import(dir, ceremonyVK, ceremonyZkey, system(t))
	if err != nil {
		t.Fatal(err)
	}
	if note.Development || note.Warning != "" {
		t.Errorf("note %+v", note)
	}
	works(t, dir, Imported)
	if !bytes.Equal(read(t, filepath.Join(dir, VerificationKey)), read(t, ceremonyVK)) {
		t.Error("the verification key was changed")
	}
	// Once more is no change.
	if _, err := Import(dir, ceremonyVK, ceremonyZkey, system(t)); err != nil {
		t.Errorf("again: %v", err)
	}
	if _, err := Develop(dir, system(t)); !errors.Is(err, ErrExists) {
		t.Errorf("a setup over it: %v", err)
	}
}

func TestImportWithoutProvingKey(t *testing.T) {
	dir := t.TempDir()
	if _, err := Import(dir, ceremonyVK, "", system(t)); err != nil {
		t.Fatal(err)
	}
	if _, origin, err := LoadKey(filepath.Join(dir, VerificationKey)); err != nil || origin != Imported {
		t.Errorf("%v, %v", origin, err)
	}
	if _, _, err := LoadProvingKey(filepath.Join(dir, ProvingKey), system(t)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("proving key: %v", err)
	}
}

func TestImportRefuses(t *testing.T) {
	s := system(t)
	from := t.TempDir()
	made := filepath.Join(from, "made")
	if _, err := Develop(made, s); err != nil {
		t.Fatal(err)
	}
	wide := filepath.Join(from, "wide.json")
	var vk map[string]any
	if err := json.Unmarshal(read(t, ceremonyVK), &vk); err != nil {
		t.Fatal(err)
	}
	ic := vk["IC"].([]any)
	vk["IC"], vk["nPublic"] = append(ic, ic[0]), 3
	text, err := json.Marshal(vk)
	if err != nil {
		t.Fatal(err)
	}
	put(t, wide, text)
	large := filepath.Join(from, "large.json")
	put(t, large, bytes.Repeat([]byte(" "), maxKey+1))
	damaged := filepath.Join(from, "damaged.zkey")
	put(t, damaged, read(t, ceremonyZkey)[:1000])
	for name, tt := range map[string]struct {
		vk, zkey string
		says     string
	}{
		"no file":            {filepath.Join(from, "nothing"), "", "no such file"},
		"not a key":          {ceremonyZkey, "", "larger than"},
		"too large":          {large, "", "larger than"},
		"no contribution":    {strings.Replace(ceremonyVK, ".json", "_no_contribution.json", 1), "", "unsafe_key"},
		"three inputs":       {wide, "", "3 public inputs; the login circuit has 2"},
		"no proving key":     {ceremonyVK, filepath.Join(from, "nothing"), "no such file"},
		"damaged":            {ceremonyVK, damaged, "not a zkey file"},
		"of different keys":  {ceremonyVK, filepath.Join(made, ProvingKey), ErrNotTogether.Error()},
		"of the development": {filepath.Join(made, VerificationKey), filepath.Join(made, ProvingKey), ErrDevelopment.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "to")
			if _, err := Import(to, tt.vk, tt.zkey, s); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
			if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("something was written: %v", err)
			}
		})
	}
}

func TestNoteDecidesOrigin(t *testing.T) {
	for name, tt := range map[string]struct {
		note string // "" = none, {SUM} = digest of the key
		want Origin
		says string
	}{
		"no note":          {"", Unknown, ""},
		"of another key":   {`{"circuit":"portcullis login v1","verification_key_sha256":"00"}`, Unknown, ""},
		"of the key":       {`{"circuit":"portcullis login v1","verification_key_sha256":"{SUM}"}`, Imported, ""},
		"for development":  {`{"circuit":"portcullis login v1","development":true,"verification_key_sha256":"{SUM}"}`, Development, ""},
		"another circuit":  {`{"circuit":"portcullis login v2","verification_key_sha256":"{SUM}"}`, Unknown, "is for circuit"},
		"not JSON":         {`development`, Unknown, "reading"},
		"enormous":         {strings.Repeat(" ", maxKey+1), Unknown, "larger than"},
		"of another shape": {`[]`, Unknown, "reading"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), VerificationKey)
			key := read(t, ceremonyVK)
			put(t, path, key)
			if tt.note != "" {
				put(t, filepath.Join(filepath.Dir(path), NoteFile), []byte(strings.ReplaceAll(tt.note, "{SUM}", digest(key))))
			}
			vk, origin, err := LoadKey(path)
			switch {
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says) || vk != nil):
				t.Errorf("got %v, want %q", err, tt.says)
			case tt.says == "" && err != nil:
				t.Error(err)
			case origin != tt.want:
				t.Errorf("origin %v, want %v", origin, tt.want)
			}
		})
	}
}

func TestLoadKeyRefuses(t *testing.T) {
	_, _, err := LoadKey(strings.Replace(ceremonyVK, ".json", "_no_contribution.json", 1))
	if !errors.Is(err, &groth16.Error{Reason: groth16.UnsafeKey}) {
		t.Errorf("got %v", err)
	}
}

func TestCircuitAlone(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if err := Circuit(dir); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(read(t, filepath.Join(dir, CircuitSource)), circuit.Source()) || !bytes.Equal(read(t, filepath.Join(dir, CircuitR1CS)), circuit.Compiled()) {
		t.Error("the files are not the circuit")
	}
	put(t, filepath.Join(dir, CircuitSource), []byte("another"))
	if err := Circuit(dir); !errors.Is(err, ErrExists) {
		t.Errorf("over another circuit: %v", err)
	}
}
