package jwt

import (
	"crypto"
	"crypto/rsa"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// verifySignature checks the signature of a token or proof with a key that
// fits its algorithm. go-jose takes a PSS salt of any length; RFC 7518 section
// 3.5 has one length for each algorithm, so those are checked here.
func verifySignature(c compact, k *key) error {
	if !k.verifies(c.header.alg) {
		return reason("algorithm does not fit the key")
	}
	if strings.HasPrefix(c.header.alg, "PS") {
		return verifyPSS(c, k)
	}
	jws, err := jose.ParseSignedCompact(c.text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(c.header.alg)})
	if err != nil {
		return reason("not a JWS")
	}
	if _, err := jws.Verify(k.pub); err != nil {
		return reason("bad signature")
	}
	return nil
}

func verifyPSS(c compact, k *key) error {
	hash, ok := map[string]crypto.Hash{"PS256": crypto.SHA256, "PS384": crypto.SHA384, "PS512": crypto.SHA512}[c.header.alg]
	pub, isRSA := k.pub.(*rsa.PublicKey)
	dot := strings.LastIndexByte(c.text, '.')
	if !ok || !isRSA || dot < 0 {
		return reason("algorithm does not fit the key")
	}
	sig, err := decodePart(c.text[dot+1:])
	if err != nil {
		return err
	}
	h := hash.New()
	h.Write([]byte(c.text[:dot])) // never fails: see hash.Hash
	if err := rsa.VerifyPSS(pub, hash, h.Sum(nil), sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}); err != nil {
		return reason("bad signature")
	}
	return nil
}
