package jws

import (
	"crypto"
	"crypto/rsa"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Verify checks the signature of a token or proof with a key that
// fits its algorithm. go-jose takes a PSS salt of any length; RFC 7518 section
// 3.5 has one length for each algorithm, so those are checked here.
func Verify(c Compact, k *Key) error {
	if !k.Verifies(c.Header.Alg) {
		return Reason("algorithm does not fit the key")
	}
	if strings.HasPrefix(c.Header.Alg, "PS") {
		return verifyPSS(c, k)
	}
	jws, err := jose.ParseSignedCompact(c.Text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(c.Header.Alg)})
	if err != nil {
		return Reason("not a JWS")
	}
	if _, err := jws.Verify(k.pub); err != nil {
		return Reason("bad signature")
	}
	return nil
}

func verifyPSS(c Compact, k *Key) error {
	hash, ok := map[string]crypto.Hash{"PS256": crypto.SHA256, "PS384": crypto.SHA384, "PS512": crypto.SHA512}[c.Header.Alg]
	pub, isRSA := k.pub.(*rsa.PublicKey)
	dot := strings.LastIndexByte(c.Text, '.')
	if !ok || !isRSA || dot < 0 {
		return Reason("algorithm does not fit the key")
	}
	sig, err := Decode(c.Text[dot+1:])
	if err != nil {
		return err
	}
	h := hash.New()
	h.Write([]byte(c.Text[:dot])) // never fails: see hash.Hash
	if err := rsa.VerifyPSS(pub, hash, h.Sum(nil), sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}); err != nil {
		return Reason("bad signature")
	}
	return nil
}
