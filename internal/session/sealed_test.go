package session

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

func newTestSealer(t *testing.T) *Sealer {
	t.Helper()
	s, err := NewSealer(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t *testing.T, s *Sealer, id, route, principal string) string {
	t.Helper()
	sealed, err := s.Seal(id, route, principal)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func checkNotFound(t *testing.T, err error, detail string) {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindNotFound || e.Public != "Session not found" || !strings.Contains(e.Detail, detail) {
		t.Errorf("error %v, want session not found: %s", err, detail)
	}
}

func TestSealedSessionsOpenForTheirOwnerOnly(t *testing.T) {
	s := newTestSealer(t)
	sealed := seal(t, s, "abc-1", "mcp", "key:1")
	if id, err := s.Open(sealed, "mcp", "key:1"); err != nil || id != "abc-1" {
		t.Errorf("opened %q: %v", id, err)
	}
	for name, tc := range map[string]struct{ sealed, route, principal, detail string }{
		"another principal":    {sealed, "mcp", "key:2", "foreign or forged"},
		"another route":        {sealed, "other", "key:1", "foreign or forged"},
		"route and id shifted": {sealed, "mcpkey:", "1", "foreign or forged"},
		"a changed byte":       {"A" + sealed[1:], "mcp", "key:1", "foreign or forged"},
		"a bare upstream id":   {"abc-1", "mcp", "key:1", "not one of ours"},
		"no base64":            {"a b", "mcp", "key:1", "not one of ours"},
		"padded base64":        {sealed + "=", "mcp", "key:1", "not one of ours"},
		"too long":             {strings.Repeat("A", 2000), "mcp", "key:1", "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Open(tc.sealed, tc.route, tc.principal)
			checkNotFound(t, err, tc.detail)
		})
	}
	s.now = func() time.Time { return time.Now().Add(Life + time.Minute) }
	_, err := s.Open(sealed, "mcp", "key:1")
	checkNotFound(t, err, "too old")
}

func TestSealRefusesWhatNoUpstreamMayCallASession(t *testing.T) {
	s := newTestSealer(t)
	for _, id := range []string{"", "a b", "a\x00b", "ä", strings.Repeat("x", maxID+1)} {
		var e *portcullis.Error
		if _, err := s.Seal(id, "mcp", "key:1"); !errors.As(err, &e) || e.Kind != portcullis.KindUpstream {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestEndedSessions(t *testing.T) {
	s := newTestSealer(t)
	first, again := seal(t, s, "abc-1", "mcp", "key:1"), seal(t, s, "abc-1", "mcp", "key:1")
	s.End("abc-1", "mcp", "key:1")
	for _, sealed := range []string{first, again} {
		_, err := s.Open(sealed, "mcp", "key:1")
		checkNotFound(t, err, "has ended")
	}
	for name, other := range map[string][3]string{
		"another session":   {"abc-2", "mcp", "key:1"},
		"another route":     {"abc-1", "other", "key:1"},
		"another principal": {"abc-1", "mcp", "key:2"},
	} {
		if _, err := s.Open(seal(t, s, other[0], other[1], other[2]), other[1], other[2]); err != nil {
			t.Errorf("%s ended too: %v", name, err)
		}
	}
	if _, err := s.Open(seal(t, s, "abc-1", "mcp", "key:1"), "mcp", "key:1"); err != nil {
		t.Errorf("an id that the upstream gave out again does not open: %v", err)
	}
}

func TestMemoryOfEndedSessionsIsBounded(t *testing.T) {
	var m endedSessions
	digest := func(i int) sessionDigest { return digestOf(fmt.Sprint(i), "mcp", "key:1") }
	for i := range maxEnded + 10 {
		m.add(digest(i))
		m.add(digest(i)) // a second end changes nothing
	}
	if len(m.at) != maxEnded || len(m.ring) != maxEnded {
		t.Errorf("remembers %d in %d places, want %d", len(m.at), len(m.ring), maxEnded)
	}
	if m.has(digest(9)) || !m.has(digest(10)) || !m.has(digest(maxEnded+9)) {
		t.Error("does not forget the oldest first")
	}
}

// A session that ended, came back and ended again is as new as its last end.
func TestSecondEndIsRemembered(t *testing.T) {
	var m endedSessions
	digest := func(i int) sessionDigest { return digestOf(fmt.Sprint(i), "mcp", "key:1") }
	m.add(digest(-1))
	m.add(digest(-2))
	m.forget(digest(-2))
	m.add(digest(-2))
	for i := range maxEnded - 1 {
		m.add(digest(i))
	}
	if m.has(digest(-1)) || !m.has(digest(-2)) {
		t.Error("forgets with the first end")
	}
	m.add(digest(maxEnded))
	if m.has(digest(-2)) || len(m.at) != maxEnded {
		t.Errorf("remembers %d, want %d", len(m.at), maxEnded)
	}
}
