package trust

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls/clientcert"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls/ocsp"
)

// Reason says in one word why a certificate does not count.
type Reason string

// The reasons.
const (
	TooLarge       Reason = "too_large"
	UnknownCA      Reason = "unknown_ca"
	Expired        Reason = "expired"
	NotYetValid    Reason = "not_yet_valid"
	WrongUsage     Reason = "wrong_usage"
	WeakKey        Reason = "weak_key"
	NameConstraint Reason = "name_constraint"
	BadChain       Reason = "bad_chain"
	Revoked        Reason = "revoked"
	ListStale      Reason = "crl_stale"
	ListMissing    Reason = "crl_missing"
	OCSPUnknown    Reason = "ocsp_unknown"
)

// Error says why a certificate does not count. Its text holds nothing that
// only the caller vouches for.
type Error struct {
	Reason      Reason
	Fingerprint string // SHA-256 of the certificate in hex; "" if it is too large
	Subject     string // of a certificate that an authority has signed, else ""
	Err         error
}

// Error returns the reason and its cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Reason, e.Err)
	}
	return string(e.Reason)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Verified is a certificate that counts. It is shared and read-only.
type Verified struct {
	Leaf        *x509.Certificate
	Chain       []*x509.Certificate // from Leaf to an authority
	Fingerprint string              // SHA-256 of Leaf in hex
	sum         [sha256.Size]byte   // of Leaf
}

// Bounds on what is remembered.
const (
	maxKept      = 8192
	refusedAgain = 10 * time.Second // how long a refusal is remembered
)

// outcome is what was found out about a certificate and its chain.
type outcome struct {
	good         *Verified
	err          *Error
	since, until time.Time
}

// Check decides about what a caller presented, which must not be empty. A nil
// Verifier trusts nobody.
func (v *Verifier) Check(ctx context.Context, c *portcullis.ClientCert) (*Verified, error) {
	if v == nil {
		return nil, &Error{Reason: UnknownCA, Err: errors.New("no client authorities")}
	}
	key, err := digest(c.Chain)
	if err != nil {
		return nil, err
	}
	now, s := v.clock(), v.state.Load()
	out, ok := s.recall(key, now)
	if !ok {
		out = s.verify(c.Chain, now, v.cfg)
		s.keep(key, out)
	}
	if out.err != nil {
		return nil, out.err
	}
	good := out.good
	if v.ocsp == nil {
		return good, nil
	}
	if err := v.ocsp.Check(ctx, good.sum, good.Leaf, good.Chain[1], c.Staple); err != nil {
		reason := OCSPUnknown
		if errors.Is(err, ocsp.ErrRevoked) {
			reason = Revoked
		}
		return nil, &Error{Reason: reason, Fingerprint: good.Fingerprint, Subject: Subject(good.Leaf), Err: err}
	}
	return good, nil
}

// digest names a certificate and what came with it: another chain may lead to
// another authority.
func digest(chain []*x509.Certificate) ([sha256.Size]byte, error) {
	if len(chain) == 0 || len(chain) > clientcert.MaxChain {
		return [sha256.Size]byte{}, &Error{Reason: TooLarge, Err: errors.New("chain of over 8 certificates")}
	}
	for _, c := range chain {
		if len(c.Raw) > clientcert.MaxCertificate {
			return [sha256.Size]byte{}, &Error{Reason: TooLarge, Err: errors.New("certificate of over 16 KiB")}
		}
	}
	sum := sha256.Sum256(chain[0].Raw)
	for _, c := range chain[1:] {
		var both [2 * sha256.Size]byte
		next := sha256.Sum256(c.Raw)
		copy(both[:], sum[:])
		copy(both[sha256.Size:], next[:])
		sum = sha256.Sum256(both[:])
	}
	return sum, nil
}

func (s *state) recall(key [sha256.Size]byte, now time.Time) (outcome, bool) {
	s.mu.RLock()
	out, ok := s.known[key]
	s.mu.RUnlock()
	if !ok || !now.Before(out.until) || now.Before(out.since) { // the clock may jump back
		return outcome{}, false
	}
	return out, true
}

func (s *state) keep(key [sha256.Size]byte, out outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxKept {
		clear(s.known)
	}
	s.known[key] = out
}

// verify finds a chain that counts.
func (s *state) verify(presented []*x509.Certificate, now time.Time, cfg Config) outcome {
	leaf := presented[0]
	sum := sha256.Sum256(leaf.Raw)
	print := hex.EncodeToString(sum[:])
	refuse := func(r Reason, signed bool, err error) outcome {
		e := &Error{Reason: r, Fingerprint: print, Err: err}
		if signed {
			e.Subject = Subject(leaf)
		}
		return outcome{err: e, since: now, until: now.Add(refusedAgain)}
	}
	between := s.authorities.between.Clone()
	for _, c := range presented[1:] {
		between.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: s.authorities.anchors, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return refuse(reasonOf(err, leaf, now), false, nil)
	}
	if leaf.IsCA || leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return refuse(WrongUsage, true, nil)
	}
	var first outcome
	for _, chain := range chains {
		until, reason, err := s.judge(chain, now, cfg)
		if reason == "" {
			good := &Verified{Leaf: leaf, Chain: chain, Fingerprint: print, sum: sum}
			return outcome{good: good, since: now, until: until}
		}
		if first.err == nil {
			first = refuse(reason, true, err)
		}
	}
	return first
}

// judge looks at each certificate of a chain whose signatures are good, and
// says how long its verdict holds.
func (s *state) judge(chain []*x509.Certificate, now time.Time, cfg Config) (until time.Time, r Reason, err error) {
	if len(chain) < 2 { // a certificate of the bundle is no client
		return until, WrongUsage, nil
	}
	until = chain[0].NotAfter
	for i, c := range chain {
		until = earlier(until, c.NotAfter)
		if why := weak(c); why != "" {
			return until, WeakKey, errors.New(why)
		}
		if i == len(chain)-1 {
			break // nobody above an anchor speaks about it
		}
		lists := s.lists[issuerOf(chain[i+1])]
		if len(lists) == 0 {
			if cfg.ListNeeded {
				return until, ListMissing, fmt.Errorf("no list of %q", chain[i+1].Subject.CommonName)
			}
			continue
		}
		serial := c.SerialNumber.Bytes()
		for _, l := range lists {
			if _, revoked := l.serials[string(serial)]; revoked {
				return until, Revoked, nil
			}
		}
		last := newest(lists)
		switch {
		case now.Before(last.ends):
			until = earlier(until, last.ends)
		case cfg.StaleLists == StaleRefuse:
			return until, ListStale, fmt.Errorf("%q ended at %s", last.file, last.ends.UTC().Format(time.RFC3339))
		}
	}
	return until, "", nil
}

// newest returns the list that was made last.
func newest(lists []*list) *list {
	out := lists[0]
	for _, l := range lists {
		if l.begins.After(out.begins) {
			out = l
		}
	}
	return out
}

// reasonOf puts an error of the standard library into a word.
func reasonOf(err error, leaf *x509.Certificate, now time.Time) Reason {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var unhandled x509.UnhandledCriticalExtension
	switch {
	case errors.As(err, &invalid):
		switch invalid.Reason {
		case x509.Expired:
			if now.Before(leaf.NotBefore) {
				return NotYetValid
			}
			return Expired
		case x509.CANotAuthorizedForThisName, x509.UnconstrainedName, x509.TooManyConstraints, x509.NameConstraintsWithoutSANs, x509.CANotAuthorizedForExtKeyUsage:
			return NameConstraint
		case x509.IncompatibleUsage:
			return WrongUsage
		}
	case errors.As(err, &unhandled):
		return BadChain
	case errors.As(err, &unknown):
		return UnknownCA
	}
	return BadChain
}

// Subject is the distinguished name of a certificate, short enough for a log.
func Subject(c *x509.Certificate) string {
	const longest = 256
	s := []rune(c.Subject.String())
	s = s[:min(len(s), longest)]
	s = slices.DeleteFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
	return string(s)
}
