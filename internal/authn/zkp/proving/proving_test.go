package proving

import (
	"os"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
)

func load(t testing.TB) *circuit.System {
	t.Helper()
	s, err := circuit.Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestProveWithOwnSetup(t *testing.T) {
	s := load(t)
	k, err := Setup(s)
	if err != nil {
		t.Fatal(err)
	}
	k, err = Parse(k.Marshal(), s)
	if err != nil {
		t.Fatal(err)
	}
	prove(t, k)
}

func prove(t *testing.T, k *Key) {
	private, err := circuit.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	proof, inputs, err := k.Prove(private, fr.NewElement(42))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Verifying().Verify(proof, inputs); err != nil {
		t.Fatal(err)
	}
}

func TestProveWithSnarkjsKey(t *testing.T) {
	data, err := os.ReadFile("testdata/snarkjs.zkey")
	if err != nil {
		t.Fatal(err)
	}
	k, err := Parse(data, load(t))
	if err != nil {
		t.Fatal(err)
	}
	prove(t, k)
}
