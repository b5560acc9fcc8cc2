package zkp

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// Element is an element of the scalar field of BN254 in its one written form:
// decimal, without sign or leading zeros, below the order of the field. The
// zero Element is none.
type Element string

// maxDigits is the length of the largest element.
const maxDigits = 77

var errNoElement = errors.New("want a decimal number below the order of the field, without sign or leading zeros")

// ParseElement reads an element. Every other writing of the same number is
// refused: whoever compares texts must be able to rely on that.
func ParseElement(s string) (Element, error) {
	if s == "" || len(s) > maxDigits || s[0] == '0' && len(s) > 1 {
		return "", errNoElement
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return "", errNoElement
		}
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok || n.Cmp(fr.Modulus()) >= 0 {
		return "", errNoElement
	}
	return Element(s), nil
}

// challengeDomain keeps challenges apart from whatever else is hashed.
const challengeDomain = "portcullis/zkp/challenge/v1"

// Derive makes the challenge of a nonce for one user at one audience, by
// hash_to_field of RFC 9380 (expand_message_xmd, SHA-256). With a random nonce
// it is a random element; and a prover who derives it anew from what it was
// told knows that its proof opens nothing at any other audience.
func Derive(audience, user, nonce string) (Element, error) {
	e, err := fr.Hash([]byte(audience+"\x00"+user+"\x00"+nonce), []byte(challengeDomain), 1)
	if err != nil {
		return "", fmt.Errorf("making a challenge: %w", err)
	}
	return Element(e[0].BigInt(new(big.Int)).String()), nil
}
