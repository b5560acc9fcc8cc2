package zkp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/groth16"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/setup"
)

const (
	holderKey = "123456789012345678901234567890"
	challenge = "98765432109876543210"
)

func system(t *testing.T) *circuit.System {
	t.Helper()
	s, err := circuit.Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func holder(t *testing.T, text string) *circuit.PrivateKey {
	t.Helper()
	k, err := circuit.ParsePrivateKey([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func publicKey(t *testing.T, private string) string {
	t.Helper()
	pub, err := system(t).PublicKey(holder(t, private))
	if err != nil {
		t.Fatal(err)
	}
	return groth16.FormatScalar(pub)
}

func scalar(t *testing.T, text string) fr.Element {
	t.Helper()
	e, err := groth16.ParseScalar(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// compile compiles the login circuit as its source says.
func (s tools) compile(t *testing.T, dir string) {
	t.Helper()
	write(t, filepath.Join(dir, "login.circom"), circuit.Source())
	s.run(t, dir, s.circom, "login.circom", "--r1cs", "--wasm", "--O1", "--prime", "bn128")
}

// The constraint system in the program is what the compiler makes of the
// source.
func TestCompiledCircuitIsCurrent(t *testing.T) {
	s, dir := find(t), t.TempDir()
	s.compile(t, dir)
	if !bytes.Equal(read(t, filepath.Join(dir, "login.r1cs")), circuit.Compiled()) {
		t.Error("login.r1cs is not what circom makes of login.circom: compile it again, and give the circuit another number")
	}
}

// Public keys are those of circomlib's Poseidon(1).
func TestPublicKeyIsThatOfCircomlib(t *testing.T) {
	s, dir := find(t), t.TempDir()
	for _, name := range []string{"poseidon.circom", "poseidon_constants.circom"} {
		write(t, filepath.Join(dir, name), read(t, filepath.Join(s.modules, "circomlib", "circuits", name)))
	}
	write(t, filepath.Join(dir, "hash.circom"), []byte(`pragma circom 2.1.0;
include "poseidon.circom";
template Three() {
    signal input in[3];
    signal output out[3];
    for (var i = 0; i < 3; i++) {
        out[i] <== Poseidon(1)([in[i]]);
    }
}
component main = Three();
`))
	s.run(t, dir, s.circom, "hash.circom", "--wasm", "--prime", "bn128")
	keys := []string{"1", holderKey, new(big.Int).Sub(fr.Modulus(), big.NewInt(1)).String()}
	write(t, filepath.Join(dir, "in.json"), fmt.Appendf(nil, `{"in":[%q,%q,%q]}`, keys[0], keys[1], keys[2]))
	s.run(t, dir, s.snarkjs, "wtns", "calculate", "hash_js/hash.wasm", "in.json", "w.wtns")
	s.run(t, dir, s.snarkjs, "wtns", "export", "json", "w.wtns", "w.json")
	var wires []string
	if err := json.Unmarshal(read(t, filepath.Join(dir, "w.json")), &wires); err != nil || len(wires) < 4 {
		t.Fatalf("%d wires, %v", len(wires), err)
	}
	for i, private := range keys {
		if got := publicKey(t, private); got != wires[1+i] {
			t.Errorf("%s: got %s, circomlib has %s", private, got, wires[1+i])
		}
	}
}

// snarkjsProves makes proof.json and public.json as a browser does, and reads
// them.
func (s tools) snarkjsProves(t *testing.T, dir, zkey string) (groth16.Proof, []fr.Element) {
	t.Helper()
	write(t, filepath.Join(dir, "in.json"), fmt.Appendf(nil, `{"privateKey":%q,"publicKey":%q,"challenge":%q}`, holderKey, publicKey(t, holderKey), challenge))
	s.run(t, dir, s.snarkjs, "groth16", "fullprove", "in.json", "login_js/login.wasm", zkey, "proof.json", "public.json")
	proof, err := groth16.ParseProof(read(t, filepath.Join(dir, "proof.json")))
	if err != nil {
		t.Fatal(err)
	}
	inputs, err := groth16.ParsePublic(read(t, filepath.Join(dir, "public.json")))
	if err != nil {
		t.Fatal(err)
	}
	if want := []fr.Element{scalar(t, publicKey(t, holderKey)), scalar(t, challenge)}; len(inputs) != 2 || inputs[0] != want[0] || inputs[1] != want[1] {
		t.Errorf("public.json holds %v, want public key and challenge: %v", inputs, want)
	}
	return proof, inputs
}

// snarkjsVerifies reports what snarkjs says to a proof.
func (s tools) snarkjsVerifies(t *testing.T, dir, vk string, proof groth16.Proof, inputs []fr.Element) bool {
	t.Helper()
	text, err := json.Marshal(proof)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "our-proof.json"), text)
	write(t, filepath.Join(dir, "our-public.json"), groth16.FormatPublic(inputs))
	out, err := s.try(t, dir, s.snarkjs, "groth16", "verify", vk, "our-public.json", "our-proof.json")
	return err == nil && strings.Contains(out, "OK!")
}

// bothWays makes a proof with either prover and shows it to either verifier.
func (s tools) bothWays(t *testing.T, dir, vkPath, zkeyPath string) {
	t.Helper()
	vk, _, err := setup.LoadKey(vkPath)
	if err != nil {
		t.Fatal(err)
	}
	pk, _, err := setup.LoadProvingKey(zkeyPath, system(t))
	if err != nil {
		t.Fatal(err)
	}
	theirs, inputs := s.snarkjsProves(t, dir, zkeyPath)
	ours, ourInputs, err := pk.Prove(holder(t, holderKey), scalar(t, challenge))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(groth16.FormatPublic(inputs), groth16.FormatPublic(ourInputs)) {
		t.Errorf("snarkjs has the inputs %v, we have %v", inputs, ourInputs)
	}
	for prover, proof := range map[string]groth16.Proof{"snarkjs": theirs, "portcullis": ours} {
		if err := vk.Verify(proof, inputs); err != nil {
			t.Errorf("proof of %s: %v", prover, err)
		}
		if !s.snarkjsVerifies(t, dir, vkPath, proof, inputs) {
			t.Errorf("proof of %s: snarkjs refuses it", prover)
		}
		other := []fr.Element{inputs[0], scalar(t, "1")}
		if err := vk.Verify(proof, other); !errors.Is(err, &groth16.Error{Reason: groth16.InvalidProof}) {
			t.Errorf("proof of %s for another challenge: %v", prover, err)
		}
	}
	if s.snarkjsVerifies(t, dir, vkPath, ours, []fr.Element{inputs[0], scalar(t, "1")}) {
		t.Error("snarkjs takes a proof for another challenge")
	}
}

// A ceremony as docs/zero-knowledge-login.md tells it.
func TestCeremony(t *testing.T) {
	s, dir := find(t), t.TempDir()
	powers := s.powers(t)
	s.compile(t, dir)
	s.run(t, dir, s.snarkjs, "groth16", "setup", "login.r1cs", powers, "0.zkey")
	s.run(t, dir, s.snarkjs, "zkey", "export", "verificationkey", "0.zkey", "0.json")
	if _, _, err := setup.LoadKey(filepath.Join(dir, "0.json")); !errors.Is(err, &groth16.Error{Reason: groth16.UnsafeKey, Detail: "vk_delta_2"}) {
		t.Errorf("before the first contribution: %v", err)
	}
	s.run(t, dir, s.snarkjs, "zkey", "contribute", "0.zkey", "1.zkey", "--name=first", "-e=not random, for tests")
	s.run(t, dir, s.snarkjs, "zkey", "beacon", "1.zkey", "final.zkey", "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20", "10")
	if out := s.run(t, dir, s.snarkjs, "zkey", "verify", "login.r1cs", powers, "final.zkey"); !strings.Contains(out, "ZKey Ok!") {
		t.Errorf("snarkjs finds fault with the ceremony:\n%s", out)
	}
	s.run(t, dir, s.snarkjs, "zkey", "export", "verificationkey", "final.zkey", "verification_key.json")
	vk, zkey, to := filepath.Join(dir, "verification_key.json"), filepath.Join(dir, "final.zkey"), filepath.Join(dir, "imported")
	note, err := setup.Import(to, vk, zkey, system(t))
	if err != nil || note.Development {
		t.Fatalf("importing: %+v, %v", note, err)
	}
	if _, origin, err := setup.LoadKey(filepath.Join(to, setup.VerificationKey)); err != nil || origin != setup.Imported {
		t.Errorf("origin %v, %v", origin, err)
	}
	s.bothWays(t, dir, filepath.Join(to, setup.VerificationKey), filepath.Join(to, setup.ProvingKey))
	// The same ceremony's key of an earlier round belongs to another setup.
	if _, err := setup.Import(filepath.Join(dir, "mixed"), vk, filepath.Join(dir, "1.zkey"), system(t)); !errors.Is(err, setup.ErrNotTogether) {
		t.Errorf("keys of two rounds: %v", err)
	}
}

// The keys of a setup of ours serve snarkjs.
func TestOwnSetupServesSnarkjs(t *testing.T) {
	s, dir := find(t), t.TempDir()
	s.compile(t, dir)
	made := filepath.Join(dir, "made")
	if _, err := setup.Develop(made, system(t)); err != nil {
		t.Fatal(err)
	}
	s.bothWays(t, dir, filepath.Join(made, setup.VerificationKey), filepath.Join(made, setup.ProvingKey))
}

// What circom makes without --O1 is another constraint system; its keys are
// refused by name of the reason.
func TestKeyOfAnotherCompilation(t *testing.T) {
	s, dir := find(t), t.TempDir()
	powers := s.powers(t)
	write(t, filepath.Join(dir, "login.circom"), circuit.Source())
	s.run(t, dir, s.circom, "login.circom", "--r1cs", "--O2", "--prime", "bn128")
	s.run(t, dir, s.snarkjs, "groth16", "setup", "login.r1cs", powers, "0.zkey")
	if _, _, err := setup.LoadProvingKey(filepath.Join(dir, "0.zkey"), system(t)); err == nil || !strings.Contains(err.Error(), "--O1") {
		t.Errorf("got %v", err)
	}
}
