package jwt

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"math"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	target "github.com/portcullis-dev/portcullis/internal/authn/jwt/htu"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
)

// proof is what a DPoP proof has to be for (RFC 9449 section 4.3).
type proof struct {
	text, token string
	method, url string
	jkt         string // key the token is bound to
	request     string // id of the request: its proof is checked again while it streams
	received    time.Time
}

// proofNames are the claims of a proof.
var proofNames = [...]string{"jti", "htm", "htu", "iat", "ath", "nonce"}

// checkProof verifies a proof of possession. Its age is measured at the arrival
// of the request, so that it holds as long as the request's stream.
func (s *Service) checkProof(p proof) error {
	c, err := jws.Parse(p.text, true)
	if err != nil {
		return err
	}
	if c.Header.Type != "dpop+jwt" || c.Header.JWK == nil {
		return jws.Reason("DPoP proof without its type or key")
	}
	k, err := jws.ParseKey(c.Header.JWK, false)
	if err != nil {
		return err
	}
	if !k.Verifies(c.Header.Alg) {
		return jws.Reason("DPoP proof of another algorithm than its key")
	}
	jkt, err := k.Thumbprint()
	if err != nil {
		return err
	}
	if !sameText(jkt, p.jkt) {
		return jws.Reason("DPoP proof of another key")
	}
	if err := jws.Verify(c, k); err != nil {
		return err
	}
	var jti, htm, htu, ath string
	iat := math.NaN()
	err = jws.EachMember(c.Payload, proofNames[:], func(name string, v jsontext.Value) (err error) {
		switch name {
		case "jti":
			jti, err = jws.Text(v, 256)
		case "htm":
			htm, err = jws.Text(v, 16)
		case "htu":
			htu, err = jws.Text(v, 2048)
		case "ath":
			ath, err = jws.Text(v, 64)
		case "iat":
			iat, err = numericDate(v)
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.checkProofClaims(p, jti, htm, htu, ath, iat)
}

func (s *Service) checkProofClaims(p proof, jti, htm, htu, ath string, iat float64) error {
	at, tolerance := float64(p.received.UnixNano())/1e9, s.cfg.Leeway.Seconds()
	hash := sha256.Sum256([]byte(p.token))
	switch {
	case jti == "":
		return jws.Reason("DPoP proof without jti")
	case htm != p.method:
		return jws.Reason("DPoP proof for another method")
	case !target.Same(htu, p.url):
		return jws.Reason("DPoP proof for another URL")
	case !sameText(ath, base64.RawURLEncoding.EncodeToString(hash[:])):
		return jws.Reason("DPoP proof for another token")
	case math.IsNaN(iat), at-iat > s.cfg.DPoPMaxAge.Seconds(), iat-at > tolerance:
		return jws.Reason("DPoP proof too old or from the future")
	}
	return s.useProof(p.jkt, jti, p.request, p.received)
}

// maxProofs bounds the proofs that are remembered against replay. When there is
// no room, proofs are refused: to forget one would let it in twice.
const maxProofs = 1 << 17

// useProof takes a proof out of circulation for everyone but the request that
// brought it.
func (s *Service) useProof(jkt, jti, request string, received time.Time) error {
	sum := sha256.Sum256([]byte(jkt + " " + jti))
	switch s.proofs.claim(string(sum[:]), request, received.Add(s.cfg.DPoPMaxAge+2*s.cfg.Leeway), received) {
	case nil:
		return nil
	case errTaken:
		return jws.Reason("DPoP proof used twice")
	}
	return jws.Reason("too many DPoP proofs")
}

func sameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
