package rotate_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/rotate"
)

// TestScrub: only what is meant is changed, in all files; what is no event
// stays, and a file keeps its age.
func TestScrub(t *testing.T) {
	dir := t.TempDir()
	line := func(ip string) string {
		e := portcullis.Event{ID: "1", Time: time.Unix(0, 0), Type: portcullis.EventAuthFailure, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeFailure, Actor: portcullis.Actor{IP: netip.MustParseAddr(ip)}}
		return string(auditlog.AppendEntry(nil, &e)) + "\n"
	}
	alice, bob := "203.0.113.7", "198.51.100.1"
	old := filepath.Join(dir, "security-20260101T000000.000Z.log")
	for name, text := range map[string]string{"security.log": line(alice) + "no event\n" + line(bob), filepath.Base(old): line(bob) + line(alice) + `{"half`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(old, at, at); err != nil {
		t.Fatal(err)
	}
	change := func(e *portcullis.Event) bool {
		if e.Actor.IP.String() != alice {
			return false
		}
		e.Actor = portcullis.Actor{ID: "[erased]"}
		return true
	}
	for _, want := range []int{2, 0} {
		if n, err := rotate.Scrub(dir, change); n != want || err != nil {
			t.Fatalf("%d lines, %v; want %d", n, err, want)
		}
	}
	files, err := rotate.Files(dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	all := ""
	for _, f := range files {
		text, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		all += string(text)
	}
	if strings.Contains(all, alice) || strings.Count(all, bob) != 2 || strings.Count(all, "[erased]") != 2 || !strings.Contains(all, "no event\n") || !strings.HasSuffix(all, `{"half`) && !strings.Contains(all, `{"half`) {
		t.Errorf("left:\n%s", all)
	}
	if info, err := os.Stat(old); err != nil || !info.ModTime().Equal(at) || info.Mode().Perm() != 0o600 {
		t.Errorf("the age of a file: %v, %v", info, err)
	}
}
