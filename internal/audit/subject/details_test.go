package subject_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/subject"
)

// TestDetailsAreSealed: whom an event names beside its actor is erased with
// that person, and nobody else is.
func TestDetailsAreSealed(t *testing.T) {
	m := &memory{keys: map[string][]byte{}}
	b := newBook(t, m, 0)
	details := []slog.Attr{
		slog.String("principal", "alice@example.org"), slog.String("by", "bob"), slog.String("client", "203.0.113.9"),
		slog.String("subject", "tool:files/read"), slog.Int("count", 3), slog.String("name", "alice"),
	}
	e := event("operator", portcullis.OutcomeSuccess)
	e.Resource, e.Details = "user:1", details
	sealed := e
	if err := b.Seal(t.Context(), &sealed); err != nil {
		t.Fatal(err)
	}
	line := auditlog.AppendEntry(nil, &sealed)
	for _, personal := range []string{"alice", `"bob"`, "203.0.113.9"} {
		if strings.Contains(string(line), personal) {
			t.Errorf("%s is in %s", personal, line)
		}
	}
	if !strings.Contains(string(line), "tool:files/read") || details[0].Value.String() != "alice@example.org" {
		t.Errorf("changed what is no person, or what the caller holds: %s, %v", line, details)
	}
	open := func(b *subject.Book) map[string]string {
		read, err := auditlog.ParseEntry(line)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Open(t.Context(), &read); err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, d := range read.Details {
			out[d.Key] = d.Value.String()
		}
		return out
	}
	if got := open(newBook(t, m, 0)); got["principal"] != "alice@example.org" || got["by"] != "bob" || got["client"] != "203.0.113.9" || got["name"] != "alice" {
		t.Errorf("opened: %v", got)
	}
	for _, who := range []string{"alice@example.org", subject.Account("alice")} {
		if had, err := b.Erase(t.Context(), who); !had || err != nil {
			t.Fatal(who, had, err)
		}
	}
	if got := open(b); got["principal"] != subject.Gone || got["name"] != subject.Gone || got["by"] != "bob" || got["client"] != "203.0.113.9" {
		t.Errorf("after the erasure: %v", got)
	}
}

// TestAddressesMakeNoKeys: anybody can have a million of them.
func TestAddressesMakeNoKeys(t *testing.T) {
	m := &memory{keys: map[string][]byte{}}
	b := newBook(t, m, 0)
	for _, at := range []string{"203.0.113.9", "203.0.113.8", "ip:2001:db8::/64"} {
		e := event("operator", portcullis.OutcomeSuccess)
		e.Details = []slog.Attr{slog.String("subject", at)}
		if err := b.Seal(t.Context(), &e); err != nil {
			t.Fatal(err)
		}
	}
	if m.made != 2 { // of the operator and of the day
		t.Errorf("%d keys", m.made)
	}
}

// FuzzOpenDetail: whatever stands there, it reads as what was sealed or as erased.
func FuzzOpenDetail(f *testing.F) {
	f.Add("sealed::AQ")
	f.Add("sealed:abc:")
	f.Add("sealed:day.2026-11-22:AQID")
	f.Add("sealed:x:!!")
	m := &memory{keys: map[string][]byte{}}
	b := newBook(f, m, 0)
	f.Fuzz(func(t *testing.T, text string) {
		e := event("operator", portcullis.OutcomeSuccess)
		e.Details = []slog.Attr{slog.String("principal", "sealed:"+text)}
		if err := b.Open(t.Context(), &e); err != nil {
			t.Fatal(err)
		}
		if got := e.Details[0].Value.String(); got != subject.Gone {
			t.Errorf("%q opened as %q", text, got)
		}
	})
}
