package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/notify"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/conn"
	"github.com/portcullis-dev/portcullis/internal/store/storetest"
)

func open(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

func TestAPIKeys(t *testing.T) {
	storetest.APIKeys(t, func(t *testing.T) (apikey.Store, func() apikey.Store) {
		path := filepath.Join(t.TempDir(), "p.db")
		db := open(t, path)
		return db.APIKeys(), func() apikey.Store {
			if err := db.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
			return open(t, path).APIKeys()
		}
	})
}

// Names that mean something in a URI must not change which file is opened.
func TestOpenOddPaths(t *testing.T) {
	for _, name := range []string{"a b.db", "a?mode=memory.db", "100%25.db", "a#b.db", "ключ.db", "a&_pragma=x.db", ":memory:"} {
		path := filepath.Join(t.TempDir(), name)
		db := open(t, path)
		if err := db.SetSetting(t.Context(), "k", name); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Size() == 0 && !exists(path+"-wal") {
			t.Errorf("%q: database is somewhere else: %v, %v", name, info, err)
		}
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

func TestFilesArePrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	db := open(t, path)
	if err := db.SetSetting(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %04o", filepath.Base(p), info.Mode().Perm())
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	raw := func(name string, statements ...string) string {
		path := filepath.Join(dir, name)
		db, err := sql.Open("sqlite", "file:"+path)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range statements {
			if _, err := db.ExecContext(ctx, s); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	newer := filepath.Join(dir, "newer.db")
	if err := open(t, newer).Close(); err != nil {
		t.Fatal(err)
	}
	raw("newer.db", "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)")

	good := filepath.Join(dir, "torn.db")
	if err := open(t, good).Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for i := 100; i < len(b); i++ {
		b[i] = 0xa5
	}
	for _, tc := range []struct {
		path string
		want error
	}{
		{newer, sqlite.ErrNewer},
		{write("text.db", []byte("this is not a database, it is a note of some length about nothing at all...........................")), conn.ErrCorrupt},
		{write("torn.db", b), conn.ErrCorrupt},
		{raw("other.db", "CREATE TABLE urls (id INTEGER)"), sqlite.ErrForeign},
	} {
		db, err := sqlite.Open(ctx, tc.path)
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", filepath.Base(tc.path), err, tc.want)
		}
		if db != nil {
			t.Errorf("%s: a database beside an error", filepath.Base(tc.path))
		}
	}
	if _, err := sqlite.Open(ctx, dir); err == nil {
		t.Error("opening a folder succeeded")
	}
	if _, err := sqlite.Open(ctx, filepath.Join(dir, "missing", "p.db")); err == nil {
		t.Error("opening in a missing folder succeeded")
	}
}

func TestSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	db := open(t, path)
	ctx := t.Context()
	check := func(key, want string, there bool) {
		t.Helper()
		got, ok, err := db.GetSetting(ctx, key)
		if err != nil || got != want || ok != there {
			t.Fatalf("GetSetting(%q) = %q, %v, %v; want %q, %v", key, got, ok, err, want, there)
		}
	}
	check("maintenance", "", false)
	for _, v := range []string{"on", "", `{"since":"…","by":"op 鍵"}`} {
		if err := db.SetSetting(ctx, "maintenance", v); err != nil {
			t.Fatal(err)
		}
		check("maintenance", v, true)
	}
	if err := db.SetSetting(ctx, "", "x"); err == nil {
		t.Error("a setting without a key was stored")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path)
	check("maintenance", `{"since":"…","by":"op 鍵"}`, true)
	for range 2 {
		if err := db.DeleteSetting(ctx, "maintenance"); err != nil {
			t.Fatal(err)
		}
	}
	check("maintenance", "", false)
	if err := db.Ping(ctx); err != nil {
		t.Errorf("Ping: %v", err)
	}
}

func TestClosedStoreIsAnError(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "p.db"))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := db.APIKeys().Get(t.Context(), fmt.Sprintf("%032x", 1))
	if err == nil || errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("Get on a closed store: %v, want an error that is not ErrNotFound", err)
	}
	if db.Ping(t.Context()) == nil {
		t.Error("Ping of a closed store succeeded")
	}
}

func BenchmarkOpenCurrent(b *testing.B) {
	path := filepath.Join(b.TempDir(), "p.db")
	if err := open(b, path).Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		db, err := sqlite.Open(context.Background(), path)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkOpenNew(b *testing.B) {
	dir, n := b.TempDir(), 0
	for b.Loop() {
		n++
		db, err := sqlite.Open(context.Background(), filepath.Join(dir, fmt.Sprint(n)))
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkAPIKeyGet(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "p.db"))
	r := apikey.Record{ID: fmt.Sprintf("%032x", 1), Name: "k", Schedule: apikey.Never, Status: apikey.StatusActive, Scopes: []string{"tools:*"}}
	if err := db.APIKeys().Put(context.Background(), r); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := db.APIKeys().Get(context.Background(), r.ID); err != nil {
			b.Fatal(err)
		}
	}
}

func TestNotices(t *testing.T) {
	storetest.Notices(t, func(t *testing.T) notify.Store {
		return open(t, filepath.Join(t.TempDir(), "portcullis.db")).APIKeys()
	})
}
