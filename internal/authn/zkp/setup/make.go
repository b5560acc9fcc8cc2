package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/proving"
)

// Develop makes a setup for development in a folder.
func Develop(dir string, system *circuit.System) (Note, error) {
	key, err := proving.Setup(system)
	if err != nil {
		return Note{}, err
	}
	verifying, err := json.Marshal(key.Verifying())
	if err != nil {
		return Note{}, fmt.Errorf("writing the verification key: %w", err)
	}
	verifying = append(verifying, '\n')
	note := Note{Circuit: circuit.Name, Development: true, Warning: Warning, KeySHA256: digest(verifying)}
	return note, write(dir, append(circuitFiles(), file{VerificationKey, verifying}, file{ProvingKey, key.Marshal()}), &note)
}

// Import takes over the result of a ceremony: its verification key and, unless
// zkey is "", its proving key. With the proving key it is checked that both are
// for the login circuit and belong together.
func Import(dir, verifyingPath, zkeyPath string, system *circuit.System) (Note, error) {
	key, origin, err := LoadKey(verifyingPath)
	if err != nil {
		return Note{}, err
	}
	if origin == Development {
		return Note{}, fmt.Errorf("%s: %w", verifyingPath, ErrDevelopment)
	}
	verifying, err := readFile(verifyingPath, maxKey)
	if err != nil {
		return Note{}, err
	}
	files := append(circuitFiles(), file{VerificationKey, verifying})
	if zkeyPath != "" {
		pk, data, err := LoadProvingKey(zkeyPath, system)
		if err != nil {
			return Note{}, err
		}
		ours, err := json.Marshal(pk.Verifying())
		if err != nil {
			return Note{}, fmt.Errorf("comparing the keys: %w", err)
		}
		theirs, err := json.Marshal(key)
		if err != nil {
			return Note{}, fmt.Errorf("comparing the keys: %w", err)
		}
		if !bytes.Equal(ours, theirs) {
			return Note{}, fmt.Errorf("%s and %s: %w", verifyingPath, zkeyPath, ErrNotTogether)
		}
		if err := try(pk); err != nil {
			return Note{}, fmt.Errorf("proving key %s: %w", zkeyPath, err)
		}
		files = append(files, file{ProvingKey, data})
	}
	note := Note{Circuit: circuit.Name, KeySHA256: digest(verifying)}
	return note, write(dir, files, &note)
}

// Circuit writes the circuit alone, for a ceremony to begin with.
func Circuit(dir string) error { return write(dir, circuitFiles(), nil) }

// What a ceremony's result may be refused for.
var (
	ErrDevelopment = errors.New("the key is of a setup for development, not of a ceremony")
	ErrNotTogether = errors.New("the verification key and the proving key are of different setups")
)

// try makes a proof with a key that nobody has; Prove verifies it.
func try(key *proving.Key) error {
	private, err := circuit.NewPrivateKey()
	if err != nil {
		return err
	}
	defer private.Clear()
	_, _, err = key.Prove(private, fr.One())
	return err
}

type file struct {
	name string
	data []byte
}

func circuitFiles() []file {
	return []file{{CircuitSource, circuit.Source()}, {CircuitR1CS, circuit.Compiled()}}
}

// write makes the files of a setup, the note last. What is there already is
// never replaced, but for the circuit, of which there is only one.
func write(dir string, files []file, note *Note) (err error) {
	if note != nil {
		text, err := json.MarshalIndent(note, "", "  ")
		if err != nil {
			return fmt.Errorf("writing %s: %w", NoteFile, err)
		}
		files = append(files, file{NoteFile, append(text, '\n')})
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of the setup: %w", err)
	}
	for _, f := range files {
		old, err := os.ReadFile(filepath.Join(dir, f.name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("looking for an older setup: %w", err)
		case !bytes.Equal(old, f.data):
			return fmt.Errorf("%s: %w", filepath.Join(dir, f.name), ErrExists)
		}
	}
	for _, f := range files {
		if err := create(filepath.Join(dir, f.name), f.data); err != nil {
			return err
		}
	}
	return nil
}

// ErrExists says that a folder holds another setup.
var ErrExists = errors.New("there is one already, and proofs may depend on it: choose another folder, or move it away")

func create(path string, data []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil // the same: write has compared it
	}
	if err != nil {
		return fmt.Errorf("writing the setup: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("writing the setup: %w", err)
	}
	return f.Sync()
}
