package card

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Signer signs a payload and returns the protected header and the signature of
// a JSON Web Signature, both in base64url.
type Signer func(payload []byte) (protected, signature string, err error)

// Sign adds signatures to a card without any, as [Card.Marshal] writes it. Each
// of others is a further form of the same card that a reader may make of what
// it reads, and gets a signature of its own.
func Sign(raw []byte, sign Signer, others ...[]byte) ([]byte, error) {
	var signatures []jsonObject
	for _, payload := range append([][]byte{raw}, others...) {
		p, s, err := sign(payload)
		if err != nil {
			return nil, fmt.Errorf("agent card: signing: %w", err)
		}
		signatures = append(signatures, jsonObject{"protected": p, "signature": s})
	}
	list, err := json.Marshal(signatures)
	if err != nil {
		return nil, fmt.Errorf("agent card: signing: %w", err)
	}
	out := bytes.TrimSuffix(slices.Clone(raw), []byte("}"))
	if len(out) > 1 {
		out = append(out, ',')
	}
	return canonical(append(append(append(out, `"signatures":`...), list...), '}'))
}

// Keys are those whose signatures count.
type Keys struct{ keys []trustedKey }

type trustedKey struct {
	id     string
	public any
	algs   []jose.SignatureAlgorithm
}

const maxKeys = 32

// ParseKeys reads public keys: a JWK set, one JWK, or PEM blocks "PUBLIC KEY".
// A key without an id may verify any signature that fits its type.
func ParseKeys(raw []byte) (*Keys, error) {
	k := &Keys{}
	if block, rest := pem.Decode(raw); block != nil {
		for ; block != nil; block, rest = pem.Decode(rest) {
			if block.Type != "PUBLIC KEY" {
				return nil, errors.New("card keys: a PEM block that is no PUBLIC KEY")
			}
			pub, err := x509.ParsePKIXPublicKey(block.Bytes)
			if err != nil {
				return nil, errors.New("card keys: a PEM block that is no public key")
			}
			if err := k.add("", "", pub); err != nil {
				return nil, err
			}
		}
		return k, k.check()
	}
	if err := jsonrpc.ReadObject(raw, DefaultLimits()); err != nil {
		return nil, errors.New("card keys: want a JWK set, a JWK or PEM blocks")
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New("card keys: want a JWK set, a JWK or PEM blocks")
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{raw}
	}
	for _, one := range set.Keys {
		var j jose.JSONWebKey
		if err := json.Unmarshal(one, &j); err != nil {
			return nil, errors.New("card keys: not a key") // the error may repeat it
		}
		if !j.IsPublic() {
			return nil, errors.New("card keys: holds a private or shared key: want public ones")
		}
		if j.Use != "" && j.Use != "sig" {
			continue
		}
		if err := k.add(j.KeyID, j.Algorithm, j.Key); err != nil {
			return nil, err
		}
	}
	return k, k.check()
}

func (k *Keys) check() error {
	if n := len(k.keys); n == 0 || n > maxKeys {
		return fmt.Errorf("card keys: %d keys: want 1 to %d", n, maxKeys)
	}
	return nil
}

// Len returns how many keys there are.
func (k *Keys) Len() int {
	if k == nil {
		return 0
	}
	return len(k.keys)
}

// With returns the keys of both; k may be nil.
func (k *Keys) With(more *Keys) (*Keys, error) {
	out := &Keys{}
	if k != nil {
		out.keys = slices.Clone(k.keys)
	}
	out.keys = append(out.keys, more.keys...)
	return out, out.check()
}

// add adds a key with the algorithms that fit its type, or the one that it is
// said to be for.
func (k *Keys) add(id, alg string, public any) error {
	t := trustedKey{id: id, public: public}
	switch p := public.(type) {
	case ed25519.PublicKey:
		t.algs = []jose.SignatureAlgorithm{jose.EdDSA}
	case *ecdsa.PublicKey:
		switch p.Curve {
		case elliptic.P256():
			t.algs = []jose.SignatureAlgorithm{jose.ES256}
		case elliptic.P384():
			t.algs = []jose.SignatureAlgorithm{jose.ES384}
		case elliptic.P521():
			t.algs = []jose.SignatureAlgorithm{jose.ES512}
		}
	case *rsa.PublicKey:
		if p.N.BitLen() >= 2048 && p.E >= 65537 {
			t.algs = []jose.SignatureAlgorithm{jose.RS256, jose.PS256}
		}
	}
	if alg != "" {
		t.algs = slices.DeleteFunc(t.algs, func(a jose.SignatureAlgorithm) bool { return string(a) != alg })
	}
	if len(t.algs) == 0 {
		return errors.New("card keys: a key that is too weak or of no type that is taken: want Ed25519, ECDSA or RSA of 2048 bits")
	}
	k.keys = append(k.keys, t)
	return nil
}

// Verify returns the id of the key that verified a signature of the card. The
// error is [ErrUnsigned] if there is no signature, and [ErrNotTrusted] if none
// is by one of the keys: it does not tell why. Which key is tried is said by
// the keys and the kid, never by a key or an address in the card.
func (k *Keys) Verify(raw []byte) (kid string, err error) {
	payloads, err := forms(raw)
	if err != nil {
		return "", err
	}
	r := &reader{}
	o := r.object(value{"", jsonrpc.Object, raw}, cardShape)
	signed := false
	r.list(o.get("signatures"), maxSignatures, func(v value) {
		in := r.object(v, signatureShape)
		s := Signature{Protected: r.filled(in.need("protected"), 4096), Signature: r.filled(in.need("signature"), 4096)}
		signed = true
		if r.err != nil || err != nil || kid != "" {
			return
		}
		if id, ok := k.signature(s, payloads); ok {
			kid = id
		}
	})
	switch {
	case r.err != nil:
		return "", r.err
	case !signed:
		return "", ErrUnsigned
	case kid == "":
		return "", ErrNotTrusted
	}
	return kid, nil
}

// unnamed stands for the id of a key that has none.
const unnamed = "(no id)"

func (k *Keys) signature(s Signature, payloads [][]byte) (string, bool) {
	head, ok := header(s.Protected)
	if !ok || !strict64(s.Signature) || k == nil {
		return "", false
	}
	for _, key := range k.keys {
		if head.kid != "" && key.id != "" && key.id != head.kid || !slices.Contains(key.algs, head.alg) {
			continue
		}
		for _, payload := range payloads {
			compact := s.Protected + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + s.Signature
			sig, err := jose.ParseSignedCompact(compact, key.algs)
			if err != nil {
				return "", false
			}
			if _, err := sig.Verify(key.public); err == nil {
				if key.id == "" {
					return unnamed, true
				}
				return key.id, true
			}
		}
	}
	return "", false
}

type signatureHeader struct {
	alg jose.SignatureAlgorithm
	kid string
}

// header reads the protected header. One that asks for what is not done here
// (crit, b64) is refused; what names a key is not looked at.
func header(protected string) (h signatureHeader, ok bool) {
	if !strict64(protected) {
		return h, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(protected)
	if err != nil || jsonrpc.ReadObject(raw, DefaultLimits()) != nil {
		return h, false
	}
	for it := jsonrpc.Walk(raw); it.Next(); {
		switch it.Name.Text(raw) {
		case "alg":
			h.alg = jose.SignatureAlgorithm(it.Value.Text(raw))
		case "kid":
			h.kid = it.Value.Text(raw)
			if h.kid == "" {
				return h, false
			}
		case "crit", "b64":
			return h, false
		}
	}
	return h, h.alg != ""
}

// strict64 reports whether a text is base64url without padding, written the
// one way it can be.
func strict64(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && base64.RawURLEncoding.EncodeToString(b) == s
}
