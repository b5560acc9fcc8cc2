package wishbook_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	rights "github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/wishbook"
)

func open(t *testing.T) (*wishbook.Privacy, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	ring, err := envelope.NewRing("privacy", envelope.Key{ID: 1, Secret: envelope.NewKey()})
	if err != nil {
		t.Fatal(err)
	}
	return wishbook.New(db, ring), path
}

// named reports in which files of the database a text stands.
func named(t *testing.T, path, text string) (out []string) {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(text)) {
			out = append(out, filepath.Base(f))
		}
	}
	return out
}

// TestErasures: a run is found again as it was, with a person that no file
// shows; a finished one names nobody.
func TestErasures(t *testing.T) {
	s, path := open(t)
	ctx := t.Context()
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	run := rights.Run{
		ID: "1", Hash: "h", Person: rights.Person{ID: "alice.unmistakable", Addresses: []string{"203.0.113.7"}}, State: rights.Running, By: "subject", At: at,
		Steps: []rights.Step{{Place: "keys", Count: 2, At: at}},
	}
	if err := s.SaveErasure(ctx, run); err != nil {
		t.Fatal(err)
	}
	other := run
	if other.ID = "2"; s.SaveErasure(ctx, other) == nil {
		t.Error("two erasures of one person are open")
	}
	list, err := s.OpenErasures(ctx)
	if err != nil || len(list) != 1 || list[0].Person.ID != run.Person.ID || list[0].Person.Addresses[0] != "203.0.113.7" || list[0].Steps[0].Count != 2 || !list[0].At.Equal(at) {
		t.Fatalf("%+v, %v", list, err)
	}
	if found := named(t, path, "alice.unmistakable"); found != nil {
		t.Errorf("the person is in clear in %v", found)
	}
	run.State, run.Person, run.Ended, run.Receipt = rights.Finished, rights.Person{}, at, "signed"
	if err := s.SaveErasure(ctx, run); err != nil {
		t.Fatal(err)
	}
	got, err := s.Erasure(ctx, "1")
	if err != nil || got.Person.ID != "" || got.State != rights.Finished || got.Receipt != "signed" {
		t.Errorf("%+v, %v", got, err)
	}
	if list, err := s.OpenErasures(ctx); err != nil || len(list) != 0 {
		t.Errorf("open: %v, %v", list, err)
	}
	if err := s.SaveErasure(ctx, other); err != nil { // she came back, and asks again
		t.Error(err)
	}
	if all, err := s.Erasures(ctx, 10); err != nil || len(all) != 2 {
		t.Errorf("all: %v, %v", all, err)
	}
	if _, err := s.Erasure(ctx, "3"); !errors.Is(err, rights.ErrNotFound) {
		t.Error(err)
	}
}

func TestWishes(t *testing.T) {
	s, path := open(t)
	ctx := t.Context()
	w := wishbook.Wish{Hash: "h", ID: "alice.unmistakable", Restricted: true, Attributes: map[string]string{"email": "a@example.org"}, Changed: time.Now()}
	for range 2 {
		if err := s.SaveWish(ctx, w); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.Wishes(ctx, "h")
	if err != nil || len(list) != 1 || !list[0].Restricted || list[0].Attributes["email"] != "a@example.org" {
		t.Fatalf("%+v, %v", list, err)
	}
	if found := append(named(t, path, "alice.unmistakable"), named(t, path, "a@example.org")...); found != nil {
		t.Errorf("in clear in %v", found)
	}
	if n, err := s.EraseWish(ctx, "h"); n != 1 || err != nil {
		t.Error(n, err)
	}
	if list, err := s.Wishes(ctx, ""); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// TestForgottenRowsAreInNoFile: neither in the database nor in its log.
func TestForgottenRowsAreInNoFile(t *testing.T) {
	s, path := open(t)
	ctx := t.Context()
	insert := "INSERT INTO taints (principal, label, route, at, until) VALUES (?1, 1, 'mail', 1, 2000000000000000)"
	for _, who := range []string{"alice.unmistakable", "bob.unmistakable"} {
		if _, err := s.Forget(ctx, []string{insert}, who); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := s.Rows(ctx, "SELECT route, at, until FROM taints WHERE principal = ?1", "alice.unmistakable")
	if err != nil || len(rows) != 1 || rows[0].(map[string]any)["route"] != "mail" || rows[0].(map[string]any)["until"].(time.Time).Year() != 2033 {
		t.Fatalf("%v, %v", rows, err)
	}
	if named(t, path, "alice.unmistakable") == nil {
		t.Fatal("the test looks for the wrong thing")
	}
	if n, err := s.Forget(ctx, []string{"DELETE FROM taints WHERE principal = ?1"}, "alice.unmistakable"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if err := s.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	if found := named(t, path, "alice.unmistakable"); found != nil {
		t.Errorf("still in %v", found)
	}
	if named(t, path, "bob.unmistakable") == nil {
		t.Error("somebody else was erased")
	}
}
