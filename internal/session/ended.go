package session

import (
	"crypto/sha256"
	"sync"
)

// endedSessions remembers which sessions their owners ended: "the server MAY
// terminate the session at any time, after which it MUST respond to requests
// containing that session ID with HTTP 404 Not Found" (2025-11-25, Session
// Management), which some servers answer with other statuses, and some not at
// all. It holds the newest maxEnded sessions in at most 2 MiB; of an older one
// the upstream has the last word, as of one that another replica ended. The
// zero value remembers none. Safe for concurrent use.
type endedSessions struct {
	mu   sync.RWMutex
	at   map[sessionDigest]int // place in ring of its newest end
	ring []sessionDigest       // in the order of their ends, next is the oldest once it is full
	next int
}

const maxEnded = 16 << 10

type sessionDigest [16]byte

// digestOf names a principal's session on a route, hashed so that the memory
// holds no ids. An upstream's id holds no NUL, so no two sessions look alike.
func digestOf(id, route, principal string) sessionDigest {
	sum := sha256.Sum256(append(append(binding(route, principal), 0), id...))
	return sessionDigest(sum[:16])
}

func (s *endedSessions) add(d sessionDigest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, had := s.at[d]; had {
		return
	}
	if s.at == nil {
		s.at = map[sessionDigest]int{}
	}
	if len(s.ring) < maxEnded {
		s.at[d] = len(s.ring)
		s.ring = append(s.ring, d)
		return
	}
	if old := s.ring[s.next]; s.at[old] == s.next { // else it was forgotten and has ended again since
		delete(s.at, old)
	}
	s.at[d], s.ring[s.next] = s.next, d
	s.next = (s.next + 1) % maxEnded
}

// forget is for an upstream that gives an id out again.
func (s *endedSessions) forget(d sessionDigest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.at, d)
}

func (s *endedSessions) has(d sessionDigest) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ended := s.at[d]
	return ended
}
