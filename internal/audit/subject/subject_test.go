package subject_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/subject"
)

// memory is a store that can fail, and counts.
type memory struct {
	sync.Mutex
	keys  map[string][]byte
	names map[string]string // by hash
	fail  error
	reads int
	made  int
}

func (m *memory) SubjectKey(_ context.Context, name string) ([]byte, error) {
	m.Lock()
	defer m.Unlock()
	m.reads++
	if m.fail != nil {
		return nil, m.fail
	}
	if k, ok := m.keys[name]; ok {
		return k, nil
	}
	return nil, subject.ErrNoKey
}

func (m *memory) FindSubjectKey(_ context.Context, hash string) (string, []byte, error) {
	m.Lock()
	defer m.Unlock()
	m.reads++
	if m.fail != nil {
		return "", nil, m.fail
	}
	if name, ok := m.names[hash]; ok {
		return name, m.keys[name], nil
	}
	return "", nil, subject.ErrNoKey
}

func (m *memory) AddSubjectKey(_ context.Context, hash, name string, sealed []byte, _ time.Time) (string, []byte, error) {
	m.Lock()
	defer m.Unlock()
	if m.fail != nil {
		return "", nil, m.fail
	}
	if m.names == nil {
		m.names = map[string]string{}
	}
	if have, ok := m.names[hash]; ok {
		return have, m.keys[have], nil
	}
	m.names[hash], m.keys[name] = name, sealed
	m.made++
	return name, sealed, nil
}

func (m *memory) EraseSubjectKeys(_ context.Context, from, to string) (n int64, _ error) {
	m.Lock()
	defer m.Unlock()
	for name := range m.keys {
		if name >= from && name < to {
			delete(m.keys, name)
			delete(m.names, name)
			n++
		}
	}
	return n, nil
}

func (m *memory) EraseSubjectKey(_ context.Context, name string) (bool, error) {
	m.Lock()
	defer m.Unlock()
	if m.fail != nil {
		return false, m.fail
	}
	of, had := m.names[name]
	delete(m.keys, of)
	delete(m.names, name)
	return had, nil
}

func newBook(t testing.TB, m *memory, max int) *subject.Book {
	t.Helper()
	return newBookAt(t, m, max, nil)
}

func newBookAt(t testing.TB, m *memory, max int, now func() time.Time) *subject.Book {
	t.Helper()
	n := byte(0)
	var mu sync.Mutex
	b, err := subject.New(subject.Options{
		Store: m, Wrapper: ring(t), NewBox: newBox, Index: []byte(strings.Repeat("i", 32)), Max: max, Now: now,
		NewKey: func() []byte {
			mu.Lock()
			defer mu.Unlock()
			n++
			return []byte(strings.Repeat(string(rune('a'+n%26)), 31) + fmt.Sprint(n%10))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func event(who string, out portcullis.Outcome) portcullis.Event {
	return portcullis.Event{
		ID: fmt.Sprintf("0199-%x", len(who)), Time: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Type: portcullis.EventCallStarted,
		Severity: portcullis.SeverityInfo, Outcome: out, Resource: "tool:echo",
		Actor: portcullis.Actor{ID: who, Method: "basic", KeyID: "k1", IP: netip.MustParseAddr("203.0.113.7"), UserAgent: "curl/8 (" + who + ")"},
	}
}

func seal(t *testing.T, b *subject.Book, e portcullis.Event) portcullis.Event {
	t.Helper()
	if err := b.Seal(t.Context(), &e); err != nil {
		t.Fatal(err)
	}
	line := string(auditlog.AppendEntry(nil, &e))
	for _, personal := range []string{"alice", "bob", "203.0.113", "curl"} { // none is base64 by chance: they are too long, but for bob
		if personal == "bob" {
			personal = `"bob`
		}
		if strings.Contains(line, personal) {
			t.Errorf("%q is in the entry: %s", personal, line)
		}
	}
	read, err := auditlog.ParseEntry([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func opened(t *testing.T, b *subject.Book, e portcullis.Event) portcullis.Actor {
	t.Helper()
	if err := b.Open(t.Context(), &e); err != nil {
		t.Fatal(err)
	}
	return e.Actor
}

func TestSealedOpensUntilErased(t *testing.T) {
	m := &memory{keys: map[string][]byte{}}
	b := newBook(t, m, 0)
	alice, bob := event("alice", portcullis.OutcomeSuccess), event("bob", portcullis.OutcomePending)
	sealedAlice, sealedBob := seal(t, b, alice), seal(t, b, bob)
	if a := sealedAlice.Actor; a.Subject != b.Name("alice") || a.Method != "basic" || a.KeyID != "k1" || a.Subject == sealedBob.Actor.Subject {
		t.Errorf("sealed: %+v", a)
	}
	again := newBook(t, m, 0) // another process
	for _, book := range []*subject.Book{b, again} {
		if got := opened(t, book, sealedAlice); got != alice.Actor {
			t.Errorf("opened: %+v", got)
		}
	}
	old := b.Name("alice")
	if had, err := b.Erase(t.Context(), "alice"); !had || err != nil {
		t.Fatal(had, err)
	}
	if got := opened(t, b, sealedAlice); got != sealedAlice.Actor || subject.Erased(&got) != "sealed:"+old {
		t.Errorf("after the erasure: %+v", got)
	}
	if got := opened(t, b, sealedBob); got != bob.Actor {
		t.Errorf("another person after the erasure: %+v", got)
	}
	ending := seal(t, b, alice) // the end of a call that was under way
	if got := opened(t, b, ending); got != ending.Actor || m.made != 2 {
		t.Errorf("what ended after the erasure: %+v, %d keys made", got, m.made)
	}
	b = newBookAt(t, m, 0, func() time.Time { return time.Now().Add(subject.Ending) })
	later := seal(t, b, alice) // she comes again, with a new key
	if got := opened(t, b, later); got != alice.Actor {
		t.Errorf("who came again: %+v", got)
	}
	if name := b.Name("alice"); name == old || later.Actor.Subject != name || ending.Actor.Subject == old || ending.Actor.Subject == name {
		t.Errorf("the names link: %s before, %s while she was erased, %s now", old, ending.Actor.Subject, name)
	}
	if got := opened(t, b, sealedAlice); got.Sealed == "" {
		t.Error("the new key opens what the old one sealed")
	}
	if had, err := b.Erase(t.Context(), "nobody"); had || err != nil {
		t.Errorf("nobody: %t, %v", had, err)
	}
}

// TestClaimsMakeNoKeys: whoever fails to prove a name makes no key of it,
// however many names they try.
func TestClaimsMakeNoKeys(t *testing.T) {
	m := &memory{keys: map[string][]byte{}}
	b := newBook(t, m, 0)
	claim := event("alice", portcullis.OutcomeFailure)
	first := seal(t, b, claim)
	for i := range 1000 {
		e := event(fmt.Sprint("bob", i), portcullis.OutcomeFailure)
		seal(t, b, e)
	}
	if m.made != 1 {
		t.Errorf("%d keys, want that of the day", m.made)
	}
	if got := opened(t, b, first); got != claim.Actor || first.Actor.Subject != b.Name("alice") {
		t.Errorf("opened: %+v", got)
	}
	if n, err := b.EraseDays(t.Context(), claim.Time); n != 0 || err != nil {
		t.Fatalf("erased %d days that are not over, %v", n, err)
	}
	if n, err := b.EraseDays(t.Context(), claim.Time.AddDate(0, 0, 1)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if got := opened(t, b, first); got.Sealed == "" {
		t.Errorf("after the day was erased: %+v", got)
	}
	// Once she has proved it, what is claimed in her name is hers to erase.
	seal(t, b, event("alice", portcullis.OutcomeSuccess))
	second := seal(t, b, claim)
	if _, err := b.Erase(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	if got := opened(t, b, second); got.Sealed == "" {
		t.Errorf("a claim after the erasure: %+v", got)
	}
}

func TestNothingPersonalStays(t *testing.T) {
	m := &memory{keys: map[string][]byte{}}
	b := newBook(t, m, 0)
	own := portcullis.Event{ID: "1", Actor: portcullis.Actor{ID: subject.Own, Method: "schedule"}}
	if err := b.Seal(t.Context(), &own); err != nil || own.Actor.ID != subject.Own || own.Actor.Sealed != "" || m.made != 0 {
		t.Errorf("%+v, %v", own.Actor, err)
	}
	address := event("", portcullis.OutcomeFailure)
	got := seal(t, b, address)
	if got.Actor.Subject != "" || opened(t, b, got) != address.Actor {
		t.Errorf("an address alone: %+v", got.Actor)
	}
	twice := got
	if err := b.Seal(t.Context(), &twice); err != nil || twice.Actor != got.Actor {
		t.Errorf("sealed twice: %+v, %v", twice.Actor, err)
	}
}

// TestBoundToItsEvent: sealed data moved to another event does not open, and
// changed data neither opens nor fails in another way.
func TestBoundToItsEvent(t *testing.T) {
	b := newBook(t, &memory{keys: map[string][]byte{}}, 0)
	one := seal(t, b, event("alice", portcullis.OutcomeSuccess))
	moved := one
	moved.ID = "another"
	if got := opened(t, b, moved); got.Sealed == "" {
		t.Error("moved to another event, it opened")
	}
	for i := range one.Actor.Sealed {
		bad := one
		flip := []byte(bad.Actor.Sealed)
		if flip[i] ^= 1; flip[i] == '=' || flip[i] == one.Actor.Sealed[i] {
			continue
		}
		bad.Actor.Sealed = string(flip)
		if err := b.Open(t.Context(), &bad); err == nil && bad.Actor.ID != "" {
			t.Fatalf("character %d changed: opened as %+v", i, bad.Actor)
		}
	}
	for _, text := range []string{"!", "", "AA", "Aw", "Ag"} {
		bad := one
		bad.Actor.Sealed = text
		if err := b.Open(t.Context(), &bad); err == nil && text != "" && bad.Actor.Sealed == "" {
			t.Errorf("%q opened", text)
		}
	}
}

func TestStoreDown(t *testing.T) {
	down := errors.New("down")
	m := &memory{keys: map[string][]byte{}}
	b := newBook(t, m, 0)
	known := event("alice", portcullis.OutcomeSuccess)
	before := seal(t, b, known)
	m.fail = down
	if got := opened(t, b, seal(t, b, known)); got != known.Actor {
		t.Errorf("a key in memory: %+v", got)
	}
	other := event("bob", portcullis.OutcomeSuccess)
	if err := b.Seal(t.Context(), &other); !errors.Is(err, down) || other.Actor.Sealed != "" {
		t.Errorf("a key that is not: %v", err)
	}
	if _, err := b.Erase(t.Context(), "alice"); !errors.Is(err, down) {
		t.Errorf("erasing: %v", err)
	}
	if err := newBook(t, m, 0).Open(t.Context(), &before); !errors.Is(err, down) {
		t.Errorf("opening elsewhere: %v", err)
	}
}

func TestBoundedMemoryAndConcurrentErasure(t *testing.T) {
	m := &memory{keys: map[string][]byte{}}
	b := newBook(t, m, 64)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 300 {
				e := event(fmt.Sprint("alice", i), portcullis.OutcomeSuccess)
				want := e.Actor
				if err := b.Seal(t.Context(), &e); err != nil {
					t.Error(err)
					return
				}
				if worker == 0 && i%3 == 0 {
					if _, err := b.Erase(t.Context(), want.ID); err != nil {
						t.Error(err)
					}
				}
				if err := b.Open(t.Context(), &e); err != nil || e.Actor.Sealed == "" && e.Actor != want {
					t.Errorf("%+v, %v", e.Actor, err)
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkSeal(b *testing.B) {
	book := newBook(b, &memory{keys: map[string][]byte{}}, 0)
	b.ReportAllocs()
	for b.Loop() {
		e := event("alice", portcullis.OutcomePending)
		if err := book.Seal(b.Context(), &e); err != nil {
			b.Fatal(err)
		}
	}
}
