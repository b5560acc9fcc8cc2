package incident

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// TestRevokeSessionsEndsStreams: the command ends a stream that is open and
// silent, on both its sides, and leaves its caller's key alone.
func TestRevokeSessionsEndsStreams(t *testing.T) {
	left := make(chan struct{})
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		left <- struct{}{}
	})
	g := harness.Start(t, config(up, ""))
	key, id := g.NewKey("tools:*")
	stream := func() *http.Response {
		resp := harness.Open(t, http.MethodPost, g.URL, []byte(call), "X-API-Key", key)
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		return resp
	}
	resp := stream()
	if out := verb(t, g, 0, "incident", "revoke-sessions", "--principal", "user:somebody-else"); !strings.Contains(out, " 0 open streams") {
		t.Errorf("another's: %s", out)
	}
	select {
	case <-left:
		t.Fatal("the stream of one ended with the sessions of another")
	default:
	}
	if out := verb(t, g, 0, "incident", "revoke-sessions", "--reason", "ticket 4711"); !strings.Contains(out, " 1 open streams") {
		t.Errorf("everybody's: %s", out)
	}
	_, _ = io.ReadAll(resp.Body) // ends, or the test does
	<-left
	resp = stream() // a key is another matter
	if out := verb(t, g, 0, "incident", "revoke-sessions", "--principal", "key:"+id); !strings.Contains(out, " 1 open streams") {
		t.Fatalf("the caller's: %s", out)
	}
	_, _ = io.ReadAll(resp.Body)
	<-left
}

// unpack reads an archive, which an identity opens if it is not nil.
func unpack(t *testing.T, file string, id age.Identity) map[string]string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r io.Reader = bytes.NewReader(b)
	if id != nil {
		if r, err = age.Decrypt(r, id); err != nil {
			t.Fatal(err)
		}
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	z.Multistream(false)
	out := map[string]string{}
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = string(text)
	}
}

// TestEvidenceForSomebody: an archive that is encrypted opens for its recipient
// alone; persons are in it only if they are asked for, and that is on record.
func TestEvidenceForSomebody(t *testing.T) {
	g := harness.Start(t, config(answers(t), ""))
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if r := ask(t, g, thief, "mcp_stolen.and-wrong"); r.Status != http.StatusUnauthorized {
		t.Fatal(r.Status)
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(file("id"), []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	verb(t, g, 2, "incident", "evidence", "--age-recipient", "age1nobody", "--out", file("none"))
	verb(t, g, 0, "incident", "evidence", "--out", file("sealed"), "--age-recipient", id.Recipient().String())
	verb(t, g, 0, "incident", "evidence", "--out", file("open"), "--open-personal", "--age-recipient", id.Recipient().String())
	vkey := strings.TrimSpace(verb(t, g, 0, "audit", "checkpoint", "--show-key"))
	if _, err := os.Stat(file("none")); err == nil {
		t.Error("an archive for a recipient that is none")
	}
	for name, wants := range map[string]bool{"sealed": false, "open": true} {
		b, err := os.ReadFile(file(name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(thief)) || !bytes.HasPrefix(b, []byte("age-encryption.org/")) {
			t.Errorf("%s is not encrypted", name)
		}
		verb(t, g, 0, "audit", "verify", "--evidence", file(name), "--identity", file("id"), "--key", vkey)
		found := false
		for _, text := range unpack(t, file(name), id) {
			found = found || strings.Contains(text, thief)
		}
		if found != wants {
			t.Errorf("%s: the address of a caller is in it: %t", name, found)
		}
	}
	var opened []any
	for _, e := range find(g, "INCIDENT_ACTION") {
		if e.Action == "evidence" && e.Outcome == "success" {
			opened = append(opened, e.Details["opened"])
		}
	}
	if !slices.Equal(opened, []any{false, true}) {
		t.Errorf("the events say %v", opened)
	}
}
