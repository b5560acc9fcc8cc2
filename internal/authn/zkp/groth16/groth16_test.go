package groth16

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// The vectors under testdata/snarkjs were made by snarkjs 0.7.6 with a setup of
// our own for the login circuit; test/zkp makes such ones anew.

func vector(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "snarkjs", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func vectors(t testing.TB) (*Key, Proof, []fr.Element) {
	t.Helper()
	key, err := ParseKey(vector(t, "verification_key.json"))
	if err != nil {
		t.Fatal(err)
	}
	proof, err := ParseProof(vector(t, "proof.json"))
	if err != nil {
		t.Fatal(err)
	}
	inputs, err := ParsePublic(vector(t, "public.json"))
	if err != nil {
		t.Fatal(err)
	}
	return key, proof, inputs
}

func reasonOf(err error) Reason {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func TestSnarkjsProofVerifies(t *testing.T) {
	key, proof, inputs := vectors(t)
	if err := key.Verify(proof, inputs); err != nil {
		t.Fatal(err)
	}
	if key.Inputs() != 2 {
		t.Errorf("key is for %d inputs", key.Inputs())
	}
}

// Proofs of 'portcullis zkp prove', kept so that none becomes invalid later.
func TestOwnProofVerifies(t *testing.T) {
	own := func(name string) []byte { return vector(t, filepath.Join("..", "portcullis", name)) }
	key, err := ParseKey(own("verification_key.json"))
	if err != nil {
		t.Fatal(err)
	}
	proof, err := ParseProof(own("proof.json"))
	if err != nil {
		t.Fatal(err)
	}
	inputs, err := ParsePublic(own("public.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Verify(proof, inputs); err != nil {
		t.Error(err)
	}
	_, _, foreign := vectors(t)
	if err := key.Verify(proof, foreign); reasonOf(err) != InvalidProof {
		t.Errorf("for the inputs of another proof: %v", err)
	}
}

func TestWrittenFormReadsBack(t *testing.T) {
	key, proof, inputs := vectors(t)
	keyText, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	proofText, err := json.Marshal(proof)
	if err != nil {
		t.Fatal(err)
	}
	key2, err := ParseKey(keyText)
	if err != nil {
		t.Fatal(err)
	}
	proof2, err := ParseProof(proofText)
	if err != nil {
		t.Fatal(err)
	}
	inputs2, err := ParsePublic(FormatPublic(inputs))
	if err != nil {
		t.Fatal(err)
	}
	if err := key2.Verify(proof2, inputs2); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkVerify(b *testing.B) {
	key, proof, inputs := vectors(b)
	for b.Loop() {
		if err := key.Verify(proof, inputs); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseProof(b *testing.B) {
	data := vector(b, "proof.json")
	for b.Loop() {
		if _, err := ParseProof(data); err != nil {
			b.Fatal(err)
		}
	}
}
