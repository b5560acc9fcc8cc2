package signing

import (
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// DocumentType is the typ of signatures that stand in documents. No verifier of
// tokens takes it for one: those have the typ at+jwt.
const DocumentType = "JOSE"

// SignDocument signs a document that carries its signature itself, such as an
// agent card, and returns the protected header and the signature of a JSON Web
// Signature. jku is where the key set is published; "" leaves it out.
func (r *Ring) SignDocument(payload []byte, jku string) (protected, signature string, err error) {
	text, err := r.signAs(payload, jku)
	if err != nil {
		return "", "", err
	}
	protected, rest, _ := strings.Cut(text, ".")
	_, signature, _ = strings.Cut(rest, ".")
	return protected, signature, nil
}

// SignCompact signs what is no access token and returns a compact JSON Web
// Signature of [DocumentType].
func (r *Ring) SignCompact(payload []byte) (string, error) { return r.signAs(payload, "") }

func (r *Ring) signAs(payload []byte, jku string) (string, error) {
	k := r.set.Load().current(r.now())
	if k == nil {
		return "", ErrNoKey
	}
	o := (&jose.SignerOptions{}).WithType(DocumentType)
	if jku != "" {
		o = o.WithHeader("jku", jku)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: k.private, KeyID: k.KID}}, o)
	if err != nil {
		return "", fmt.Errorf("signing a document: %w", err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing a document: %w", err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("signing a document: %w", err)
	}
	return text, nil
}
