package session

import (
	"fmt"
	"testing"
	"time"
)

func TestEndAll(t *testing.T) {
	s := newTestSealer(t)
	at := time.Now()
	s.now = func() time.Time { return at }
	alice, bob := seal(t, s, "a", "mcp", "user:alice"), seal(t, s, "b", "mcp", "user:bob")
	kept := s.EndAll("user:alice")
	_, err := s.Open(alice, "mcp", "user:alice")
	checkNotFound(t, err, "ended by an operator")
	if _, err := s.Open(bob, "mcp", "user:bob"); err != nil {
		t.Errorf("another principal's session ended too: %v", err)
	}
	at = at.Add(time.Second)
	if _, err := s.Open(seal(t, s, "a2", "mcp", "user:alice"), "mcp", "user:alice"); err != nil {
		t.Errorf("a new session does not open: %v", err)
	}
	next := newTestSealer(t) // another process
	next.Restore(kept)
	_, err = next.Open(alice, "mcp", "user:alice")
	checkNotFound(t, err, "ended by an operator")
	next.EndAll("")
	_, err = next.Open(bob, "mcp", "user:bob")
	checkNotFound(t, err, "ended by an operator")
}

func TestCutsAreBounded(t *testing.T) {
	s := newTestSealer(t)
	at := time.Now()
	s.now = func() time.Time { return at }
	bystander := seal(t, s, "b", "mcp", "user:bystander")
	var kept map[string]int64
	for i := range maxCuts + 1 {
		kept = s.EndAll(fmt.Sprint("user:", i))
	}
	if len(kept) > maxCuts {
		t.Errorf("%d are kept", len(kept))
	}
	_, err := s.Open(bystander, "mcp", "user:bystander")
	checkNotFound(t, err, "ended by an operator")
	at = at.Add(Life + 2*time.Second)
	if kept = s.EndAll("user:x"); len(kept) != 1 {
		t.Errorf("%d are kept when they do not matter any more", len(kept))
	}
}
