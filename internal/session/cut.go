package session

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"
)

// cuts are moments before which sessions were opened that an operator has ended:
// those of a principal, or all. A second is the smallest step: who opens a
// session in the second of a cut opens it again.
type cuts struct {
	mu sync.RWMutex
	at map[string]int64 // seconds, by hash of the principal; everybody's under ""
}

// maxCuts bounds how many principals have a cut of their own. Behind it
// everybody's sessions end: too much, rather than too little.
const maxCuts = 4096

func cutName(principal string) string {
	if principal == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("portcullis session cut v1\x00" + principal))
	return hex.EncodeToString(sum[:16])
}

func (c *cuts) ended(principal string, sealedAt int64) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if len(c.at) == 0 {
		return false
	}
	if at, ok := c.at[""]; ok && sealedAt <= at {
		return true
	}
	at, ok := c.at[cutName(principal)]
	return ok && sealedAt <= at
}

// EndAll makes all sessions of a principal that are open now open no more; ""
// is everybody. It returns what [Sealer.Restore] takes, for the next process:
// hashes of principals, and when.
func (s *Sealer) EndAll(principal string) map[string]int64 {
	now := s.now()
	s.cuts.mu.Lock()
	defer s.cuts.mu.Unlock()
	if s.cuts.at == nil {
		s.cuts.at = map[string]int64{}
	}
	for name, at := range s.cuts.at {
		if now.Sub(time.Unix(at, 0)) > s.life { // what it ended does not open anyway
			delete(s.cuts.at, name)
		}
	}
	name := cutName(principal)
	if _, has := s.cuts.at[name]; !has && len(s.cuts.at) >= maxCuts {
		clear(s.cuts.at)
		name = ""
	}
	s.cuts.at[name] = now.Unix()
	out := make(map[string]int64, len(s.cuts.at))
	for name, at := range s.cuts.at {
		out[name] = at
	}
	return out
}

// Cut reports whether an operator has ended all sessions of a principal since a
// moment: what was begun by then counts no more.
func (s *Sealer) Cut(principal string, since time.Time) bool {
	return s.cuts.ended(principal, since.Unix())
}

// Restore takes what an earlier process ended.
func (s *Sealer) Restore(at map[string]int64) {
	s.cuts.mu.Lock()
	defer s.cuts.mu.Unlock()
	s.cuts.at = make(map[string]int64, len(at))
	for name, seconds := range at {
		s.cuts.at[name] = seconds
	}
}
