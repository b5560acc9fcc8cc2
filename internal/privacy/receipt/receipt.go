// Package receipt is the proof that a person gets of an erasure: what was
// removed where, what stays and why, signed with Ed25519 by the key that signs
// checkpoints of the audit log. Whoever has the public key verifies it offline.
//
// A receipt names nobody: it has the id of the erasure. The text is a signed
// note (golang.org/x/mod/sumdb/note) of one JSON object.
package receipt

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Kind is the first member of a receipt.
const Kind = "portcullis.erasure.v1"

// MaxSize bounds a receipt that is read, in bytes.
const MaxSize = 256 << 10

// ErrInvalid says that a text is no receipt that the key signed.
var ErrInvalid = errors.New("not a receipt that this key signed")

// Receipt is what is signed.
type Receipt struct {
	Kind   string     `json:"kind"`
	ID     string     `json:"id"`    // of the erasure
	State  string     `json:"state"` // erased, held or telling
	Asked  time.Time  `json:"asked_at"`
	By     string     `json:"asked_by"` // subject or operator
	Ended  *time.Time `json:"erased_at,omitempty"`
	Places []Place    `json:"places"`
}

// Place is what was done in one place.
type Place struct {
	Name  string    `json:"name"`
	Count int       `json:"removed"`
	Kept  []string  `json:"kept,omitempty"`
	Open  bool      `json:"open,omitempty"` // goes on when what keeps it ends
	At    time.Time `json:"at"`

	Outcome  string `json:"outcome,omitempty"`  // of an upstream: done, failed or retry
	Attempts int    `json:"attempts,omitempty"` // how often it was told
}

// Sign returns the text of a receipt.
func Sign(r Receipt, signer note.Signer) (string, error) {
	r.Kind = Kind
	body, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encoding a receipt: %w", err)
	}
	text, err := note.Sign(&note.Note{Text: string(body) + "\n"}, signer)
	if err != nil {
		return "", fmt.Errorf("signing a receipt: %w", err)
	}
	return string(text), nil
}

// Verify returns what a text says if the key of the verifier signed it, else
// ErrInvalid.
func Verify(text []byte, by note.Verifier) (Receipt, error) {
	if len(text) > MaxSize {
		return Receipt{}, fmt.Errorf("%w: it is too long", ErrInvalid)
	}
	n, err := note.Open(text, note.VerifierList(by))
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	dec := json.NewDecoder(strings.NewReader(n.Text))
	dec.DisallowUnknownFields()
	var r Receipt
	if err := dec.Decode(&r); err != nil || r.Kind != Kind {
		return Receipt{}, fmt.Errorf("%w: it is something else", ErrInvalid)
	}
	return r, nil
}

// ParseKey reads a public key as `audit checkpoint --show-key` prints it.
func ParseKey(text string) (note.Verifier, error) {
	v, err := note.NewVerifier(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("the public key: %w", err)
	}
	return v, nil
}
