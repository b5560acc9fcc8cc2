package trust

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/mtls/ocsp"
)

// Verifier decides about client certificates. It is safe for concurrent use.
type Verifier struct {
	cfg   Config
	log   *slog.Logger
	clock func() time.Time
	ocsp  *ocsp.Checker // nil = off
	mu    sync.Mutex    // one Reload at a time
	state atomic.Pointer[state]
}

// state is one state of the files and what was decided by it.
type state struct {
	sum         [sha256.Size]byte
	authorities *authorities
	lists       map[issuerKey][]*list

	mu    sync.RWMutex
	known map[[sha256.Size]byte]outcome
}

// Options are what a Verifier needs beside its Config.
type Options struct {
	Log       *slog.Logger
	Clock     func() time.Time // nil = time.Now
	Responder ocsp.Doer        // reaches the OCSP responder of the configuration
	AIA       ocsp.Doer        // reaches those that certificates name
}

// New reads the files.
func New(c Config, o Options) (*Verifier, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	v := &Verifier{cfg: c, log: o.Log, clock: o.Clock}
	if c.OCSP.Mode != ocsp.Off {
		v.ocsp = ocsp.New(c.OCSP, o.Responder, o.AIA, o.Log, o.Clock)
	}
	if _, err := v.Reload(); err != nil {
		return nil, err
	}
	return v, nil
}

// Config returns what the Verifier was made with.
func (v *Verifier) Config() Config { return v.cfg }

// Reload reads the files and reports whether they hold something new. On an
// error those in use stay.
func (v *Verifier) Reload() (changed bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	bundle, err := readFile(v.cfg.Bundle, maxBundle)
	if err != nil {
		return false, fmt.Errorf("reading client authorities: %w", err)
	}
	h := sha256.New()
	sum := sha256.Sum256(bundle)
	h.Write(sum[:])
	lists := make([][]byte, len(v.cfg.Lists))
	for i, name := range v.cfg.Lists {
		if lists[i], err = readFile(name, maxList); err != nil {
			return false, fmt.Errorf("reading revocation list: %w", err)
		}
		sum = sha256.Sum256(lists[i])
		h.Write(sum[:])
	}
	next := &state{lists: map[issuerKey][]*list{}, known: map[[sha256.Size]byte]outcome{}}
	h.Sum(next.sum[:0])
	if old := v.state.Load(); old != nil && old.sum == next.sum {
		return false, nil
	}
	if next.authorities, err = readBundle(bundle, v.cfg.Bundle); err != nil {
		return false, err
	}
	for i, name := range v.cfg.Lists {
		if err := next.authorities.readList(lists[i], name, v.clock(), next.lists); err != nil {
			return false, err
		}
	}
	v.state.Store(next)
	v.warn(next)
	return true, nil
}

// warn tells of authorities and lists that have ended.
func (v *Verifier) warn(s *state) {
	now := v.clock()
	for _, c := range s.authorities.all {
		if now.After(c.NotAfter) {
			v.log.Warn("client authority has expired: its certificates are refused", "subject", c.Subject.CommonName, "not_after", c.NotAfter)
		}
	}
	for _, lists := range s.lists {
		for _, l := range lists {
			if now.After(l.ends) {
				v.log.Warn("revocation list has ended", "file", l.file, "next_update", l.ends, "certificates", v.cfg.StaleLists)
			}
		}
	}
}

// Ends returns when the first of the authorities ends, and the first of the
// revocation lists that are the newest of their issuer; zero without a list.
func (v *Verifier) Ends() (authorities, lists time.Time) {
	s := v.state.Load()
	for _, c := range s.authorities.all {
		authorities = earlier(authorities, c.NotAfter)
	}
	for _, of := range s.lists {
		lists = earlier(lists, newest(of).ends)
	}
	return authorities, lists
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
