// Package kdf makes a key of a password, with parameters that a file names and
// that are bounded before any work is done for them.
package kdf

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/argon2"
)

// Names of the functions.
const (
	PBKDF2SHA256 = "pbkdf2-hmac-sha256"
	PBKDF2SHA384 = "pbkdf2-hmac-sha384"
	PBKDF2SHA512 = "pbkdf2-hmac-sha512"
	Argon2id     = "argon2id"
)

// Bounds of the parameters. Below the first two only an operator who says so
// goes; above the others a file is refused, as opening it could take hours or
// all the memory there is.
const (
	DefaultIterations  = 600_000
	InsecureIterations = 100_000
	MaxIterations      = 10_000_000
	SaltSize           = 32
	MinMemory          = 19 << 10 // KiB
	MaxMemory          = 1 << 20
	MaxPasses          = 16
	MaxLanes           = 16
	keySize            = 32
)

// ErrParams is wrapped by errors about parameters.
var ErrParams = errors.New("parameters of the key derivation")

// Params are a function and its parameters, as a file keeps them.
type Params struct {
	Name       string `json:"name"`
	Iterations uint32 `json:"iterations"`       // of PBKDF2; passes of argon2id
	Memory     uint32 `json:"memory,omitempty"` // KiB, argon2id
	Lanes      uint8  `json:"lanes,omitempty"`  // argon2id
	Salt       []byte `json:"salt"`
}

// New returns parameters with a fresh salt. Zero iterations are the default.
func New(name string, iterations uint32) (Params, error) {
	p := Params{Name: name, Iterations: iterations, Salt: make([]byte, SaltSize)}
	rand.Read(p.Salt) //nolint:errcheck // it never fails
	switch {
	case name == Argon2id:
		p.Memory, p.Lanes = 64<<10, 1
		if iterations == 0 {
			p.Iterations = 3
		}
	case iterations == 0:
		p.Iterations = DefaultIterations
	}
	return p, p.Validate()
}

// Weak reports whether the parameters are below what is recommended: good only
// with an explicit word of the operator.
func (p *Params) Weak() bool {
	if p.Name == Argon2id {
		return p.Memory < MinMemory || p.Iterations < 2
	}
	return p.Iterations < DefaultIterations
}

// Validate bounds the parameters, before anything is done with them.
func (p *Params) Validate() error {
	if len(p.Salt) != SaltSize {
		return fmt.Errorf("%w: a salt of %d bytes, want %d", ErrParams, len(p.Salt), SaltSize)
	}
	switch p.Name {
	case Argon2id:
		if p.Memory < MinMemory || p.Memory > MaxMemory || p.Iterations < 1 || p.Iterations > MaxPasses || p.Lanes < 1 || p.Lanes > MaxLanes {
			return fmt.Errorf("%w: argon2id wants %d to %d KiB, 1 to %d passes, 1 to %d lanes", ErrParams, MinMemory, MaxMemory, MaxPasses, MaxLanes)
		}
		return nil
	case PBKDF2SHA256, PBKDF2SHA384, PBKDF2SHA512:
		if p.Memory != 0 || p.Lanes != 0 {
			return fmt.Errorf("%w: %s has no memory and no lanes", ErrParams, p.Name)
		}
		if p.Iterations < InsecureIterations || p.Iterations > MaxIterations {
			return fmt.Errorf("%w: want %d to %d iterations", ErrParams, InsecureIterations, MaxIterations)
		}
		return nil
	}
	return fmt.Errorf("%w: unknown function %q", ErrParams, p.Name)
}

// Key derives the key of 32 bytes.
func (p *Params) Key(password []byte) ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.Name == Argon2id {
		return argon2.IDKey(password, p.Salt, p.Iterations, p.Memory, p.Lanes, keySize), nil
	}
	return derive(p.Name, password, p.Salt, int(p.Iterations), keySize)
}

// derive is PBKDF2, as the test vectors call it.
func derive(name string, password, salt []byte, iterations, size int) ([]byte, error) {
	h, ok := map[string]func() hash.Hash{PBKDF2SHA256: sha256.New, PBKDF2SHA384: sha512.New384, PBKDF2SHA512: sha512.New}[name]
	if !ok {
		return nil, fmt.Errorf("%w: unknown function %q", ErrParams, name)
	}
	key, err := pbkdf2.Key(h, string(password), salt, iterations, size)
	if err != nil {
		return nil, fmt.Errorf("deriving the key: %w", err)
	}
	return key, nil
}
