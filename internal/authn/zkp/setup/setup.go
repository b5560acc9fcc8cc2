// Package setup keeps the files of a trusted setup of the login circuit in one
// folder, and tells a setup for development from the result of a ceremony.
//
//	verification_key.json   what a gateway verifies proofs with
//	login.zkey              what proofs are made with; not secret
//	login.circom login.r1cs the circuit, for snarkjs and for ceremonies
//	setup.json              what this is: the [Note]
package setup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/groth16"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/proving"
)

// The names of the files.
const (
	VerificationKey = "verification_key.json"
	ProvingKey      = "login.zkey"
	CircuitSource   = "login.circom"
	CircuitR1CS     = "login.r1cs"
	NoteFile        = "setup.json"
)

// Note says what a setup is. It lies beside the verification key.
type Note struct {
	Circuit     string `json:"circuit"`
	Development bool   `json:"development"`
	Warning     string `json:"warning,omitempty"`
	KeySHA256   string `json:"verification_key_sha256"` // the file, in hex
}

// Warning is said wherever a setup for development shows up.
const Warning = "DEVELOPMENT SETUP: one process made this key alone. Whoever kept its secrets can log in as anyone. Use the result of a ceremony in production."

// Origin says where a verification key comes from.
type Origin uint8

// The origins. A key for development shows it wherever it lies; for the others
// the word of the note beside the key is all there is.
const (
	Unknown     Origin = iota // no note, or one about another key
	Development               // made by one process alone
	Imported                  // imported by 'zkp setup --import'
)

func (o Origin) String() string { return [...]string{"unknown", "development", "imported"}[o] }

// maxKey is the size of the largest verification key that is read.
const maxKey = 64 << 10

// LoadKey reads a verification key, which must have the public inputs of the
// login circuit, and finds out where it comes from. That a key is for this circuit and no
// other with as many inputs cannot be seen from it.
func LoadKey(path string) (*groth16.Key, Origin, error) {
	data, err := readFile(path, maxKey)
	if err != nil {
		return nil, Unknown, err
	}
	key, err := groth16.ParseKey(data)
	if err != nil {
		return nil, Unknown, fmt.Errorf("verification key %s: %w", path, err)
	}
	if key.Inputs() != circuit.PublicInputs {
		return nil, Unknown, fmt.Errorf("verification key %s: it is for proofs with %d public inputs; the login circuit has %d, the public key and the challenge", path, key.Inputs(), circuit.PublicInputs)
	}
	if proving.Development(key) {
		return key, Development, nil
	}
	origin, err := originOf(path, data)
	if err != nil {
		return nil, Unknown, err
	}
	return key, origin, nil
}

func originOf(path string, key []byte) (Origin, error) {
	name := filepath.Join(filepath.Dir(path), NoteFile)
	data, err := readFile(name, maxKey)
	if errors.Is(err, fs.ErrNotExist) {
		return Unknown, nil
	}
	if err != nil {
		return Unknown, err
	}
	var n Note
	if err := json.Unmarshal(data, &n); err != nil {
		return Unknown, fmt.Errorf("reading %s: %w", name, err)
	}
	switch {
	case n.KeySHA256 != digest(key):
		return Unknown, nil
	case n.Circuit != circuit.Name:
		return Unknown, fmt.Errorf("%s: the key is for circuit %q, this program has %q", name, n.Circuit, circuit.Name)
	case n.Development:
		return Development, nil
	}
	return Imported, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// readFile reads a file that is not larger than most.
func readFile(path string, most int64) (data []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, most)
	}
	return data, nil
}

// LoadProvingKey reads a proving key of the login circuit.
func LoadProvingKey(path string, system *circuit.System) (*proving.Key, []byte, error) {
	data, err := readFile(path, proving.MaxFile)
	if err != nil {
		return nil, nil, err
	}
	key, err := proving.Parse(data, system)
	if err != nil {
		return nil, nil, fmt.Errorf("proving key %s: %w", path, err)
	}
	return key, data, nil
}
