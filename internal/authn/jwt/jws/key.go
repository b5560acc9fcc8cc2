package jws

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json/jsontext"
)

// Key is one verification key, checked when it was read.
type Key struct {
	kid  string
	algs []string // what it verifies: by its kind and its own label
	pub  any      // ed25519.PublicKey, *ecdsa.PublicKey, *rsa.PublicKey or []byte
	jwk  jose.JSONWebKey
}

// Secret returns the key of a shared HMAC secret of at least MinSecret bytes.
func Secret(secret []byte) (*Key, error) {
	algs, err := SecretAlgorithms(secret)
	if err != nil {
		return nil, err
	}
	return &Key{algs: algs, pub: secret}, nil
}

// Thumbprint returns the SHA-256 thumbprint of a public key (RFC 7638) in
// base64url.
func (k *Key) Thumbprint() (string, error) {
	sum, err := k.jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", Reason("key has no thumbprint")
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// Verifies reports whether the key may check signatures of alg.
func (k *Key) Verifies(alg string) bool { return slices.Contains(k.algs, alg) }

// errOtherUse says that a key is sound and for something else.
const errOtherUse Reason = "key is not for verifying signatures"

// What makes a whole set untrustworthy.
const (
	ErrPrivateKey Reason = "key is private"
	errWrongKind  Reason = "secret among public keys, or the other way round"
)

// Bounds on RSA moduli, in bits: below the first they are weak (NIST SP
// 800-131A), above the second each check would cost too much.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// minRSAExponent is the least public exponent of FIPS 186-5.
const minRSAExponent = 1<<16 + 1

// ParseKey reads a JWK (RFC 7517) and refuses every key that no token may be
// verified with. symmetric says whether it has to be a secret or a public key. With an error
// comes a key of which only the kid is known.
func ParseKey(raw jsontext.Value, symmetric bool) (*Key, error) {
	kty, label, kid, err := keyLabels(raw)
	k := &Key{kid: kid}
	if err != nil {
		return k, err
	}
	if (kty == "oct") != symmetric {
		return k, errWrongKind
	}
	if err := k.jwk.UnmarshalJSON(raw); err != nil {
		return k, Reason("key is not valid")
	}
	if k.algs, err = kindAlgorithms(k.jwk.Key); err != nil {
		return k, err
	}
	if label != "" {
		if !slices.Contains(k.algs, label) {
			return k, Reason("key is labelled for another algorithm")
		}
		k.algs = []string{label}
	}
	k.pub = k.jwk.Key
	return k, nil
}

// privateNames are the JWK members that only the owner of a key may know.
var privateNames = [...]string{"d", "p", "q", "dp", "dq", "qi", "oth", "priv"}

// keyNames are the JWK members that mean something here.
var keyNames = [...]string{"kty", "use", "key_ops", "alg", "kid", "crv", "x", "y", "n", "e", "k", "d", "p", "q", "dp", "dq", "qi", "oth", "x5u", "x5c", "pub", "priv"}

// keyLabels reads what a key says of itself, and refuses keys for anything
// but verifying, and private ones.
func keyLabels(raw jsontext.Value) (kty, alg, kid string, err error) {
	var bad error // the first fault; the rest is read all the same, to know the kid
	err = EachMember(raw, keyNames[:], func(name string, v jsontext.Value) error {
		var err error
		switch name {
		case "kty":
			kty, err = Text(v, 16)
		case "alg":
			alg, err = Text(v, 32)
		case "kid":
			kid, err = Text(v, 256)
		case "use":
			var use string
			if use, err = Text(v, 32); err == nil && use != "sig" {
				err = errOtherUse
			}
		case "key_ops":
			var ops []string
			if ops, err = Texts(v, 32); err == nil && !slices.Contains(ops, "verify") {
				err = errOtherUse
			}
		case "x", "y", "n", "e", "k", "pub":
			var s string
			if s, err = Text(v, 4096); err == nil {
				_, err = Decode(s)
			}
		}
		if slices.Contains(privateNames[:], name) {
			err = ErrPrivateKey
		}
		if bad == nil {
			bad = err
		}
		return nil
	})
	if err == nil {
		err = bad
	}
	if err == nil && kty == "" {
		err = Reason("key has no kty")
	}
	return kty, alg, kid, err
}

// kindAlgorithms returns the algorithms that fit a key, or why it is weak.
func kindAlgorithms(pub any) ([]string, error) {
	switch k := pub.(type) {
	case ed25519.PublicKey:
		return []string{"EdDSA"}, nil
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return []string{"ES256"}, nil
		case 384:
			return []string{"ES384"}, nil
		case 521:
			return []string{"ES512"}, nil
		}
		return nil, Reason("key on an unsupported curve")
	case *rsa.PublicKey:
		if err := checkRSA(k); err != nil {
			return nil, err
		}
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case []byte:
		return SecretAlgorithms(k)
	}
	return nil, Reason("key of an unsupported kind")
}

// SecretAlgorithms returns the HMAC algorithms whose output is no longer than
// the secret (RFC 7518 section 3.2).
func SecretAlgorithms(secret []byte) ([]string, error) {
	switch {
	case len(secret) >= 64:
		return []string{"HS256", "HS384", "HS512"}, nil
	case len(secret) >= 48:
		return []string{"HS256", "HS384"}, nil
	case len(secret) >= MinSecret:
		return []string{"HS256"}, nil
	}
	return nil, Reason("secret under 32 bytes")
}

// MinSecret is the least length of an HMAC secret, in bytes (S3-5).
const MinSecret = 32

func checkRSA(k *rsa.PublicKey) error {
	switch bits := k.N.BitLen(); {
	case bits < minRSABits:
		return Reason("RSA key under 2048 bits")
	case bits > maxRSABits:
		return Reason("RSA key over 8192 bits")
	case k.E < minRSAExponent || k.E&1 == 0:
		return Reason("RSA key with a weak exponent")
	case k.N.Bit(0) == 0:
		return Reason("RSA key with an even modulus")
	case isROCA(k.N):
		return Reason("RSA key of the ROCA family")
	}
	return nil
}

// rocaPrimes are the small primes of the ROCA fingerprint (CVE-2017-15361).
var rocaPrimes = [...]int64{
	3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
	113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
}

// isROCA reports whether a modulus has the structure that Infineon's library
// left in its keys: modulo every small prime it is a power of 65537. A sound
// modulus passes for one with a chance of about 2^-28.
func isROCA(n *big.Int) bool {
	for _, p := range rocaPrimes {
		r := new(big.Int).Mod(n, big.NewInt(p)).Int64()
		power, found := int64(1), false
		for range p {
			if power == r {
				found = true
				break
			}
			power = power * 65537 % p
		}
		if !found {
			return false
		}
	}
	return true
}

// KeySet is the keys of an issuer. It is immutable.
type KeySet struct {
	byKid map[string]*Key
	only  *Key // the one key of a set that has no other
}

// maxKeys bounds a key set.
const maxKeys = 100

// ParseKeySet reads a JWK Set. Keys for other purposes, of unknown kinds or too
// weak are left out, as RFC 7517 section 5 wants; a set that publishes a
// secret or a private key is refused whole, and a kid that two keys share
// names neither of them, also when only one of the two is sound.
func ParseKeySet(raw []byte, symmetric bool) (*KeySet, error) {
	var list jsontext.Value
	err := EachMember(raw, []string{"keys"}, func(name string, v jsontext.Value) error {
		if name == "keys" {
			list = v
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	values, err := elements(list)
	if err != nil {
		return nil, err
	}
	var keys []*Key
	var broken []string
	for _, v := range values {
		k, err := ParseKey(v, symmetric)
		switch {
		case err == nil:
			keys = append(keys, k)
		case errors.Is(err, errOtherUse):
		case errors.Is(err, ErrPrivateKey), errors.Is(err, errWrongKind):
			return nil, err
		default:
			broken = append(broken, k.kid)
		}
	}
	keys = slices.DeleteFunc(keys, func(k *Key) bool { return k.kid != "" && slices.Contains(broken, k.kid) })
	return NewKeySet(keys)
}

// NewKeySet returns a set of sound keys. It needs at least one that can be named.
func NewKeySet(keys []*Key) (*KeySet, error) {
	s := &KeySet{byKid: map[string]*Key{}}
	twice := map[string]bool{}
	for _, k := range keys {
		if s.byKid[k.kid] != nil {
			twice[k.kid] = true
		}
		s.byKid[k.kid] = k
	}
	for kid := range twice {
		delete(s.byKid, kid)
	}
	if len(keys) == 1 {
		s.only = keys[0]
	}
	delete(s.byKid, "")
	if len(s.byKid) == 0 && s.only == nil {
		return nil, Reason("no usable key in the set")
	}
	return s, nil
}

// Find returns the key of a kid. A kid may be left out, by the token or by the
// key, only where there is one key.
func (s *KeySet) Find(kid string) *Key {
	if s.only != nil && (kid == "" || s.only.kid == "") {
		return s.only
	}
	if kid == "" {
		return nil
	}
	return s.byKid[kid]
}

// elements returns the members of a JSON array.
func elements(list jsontext.Value) ([]jsontext.Value, error) {
	if list.Kind() != '[' {
		return nil, Reason("no list of keys")
	}
	d := jsontext.NewDecoder(bytes.NewReader(list))
	if _, err := d.ReadToken(); err != nil {
		return nil, Reason("no list of keys")
	}
	var out []jsontext.Value
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return nil, Reason("no list of keys")
		}
		if out = append(out, v.Clone()); len(out) > maxKeys {
			return nil, Reason("over 100 keys")
		}
	}
	return out, nil
}
