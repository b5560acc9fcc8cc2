package sqlite_test

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
)

type events struct{ n atomic.Int64 }

func (e *events) Record(context.Context, *portcullis.Event) error { e.n.Add(1); return nil }

// service opens the key service of a data folder as the gateway does.
func service(t *testing.T, path string) (*apikey.Service, *sqlite.DB) {
	t.Helper()
	dir, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	pepper, err := dir.Derive("apikey/pepper/v1", 32)
	if err != nil {
		t.Fatal(err)
	}
	db := open(t, dir.DB())
	s, err := apikey.New(apikey.Options{
		Config: apikey.Default(), Store: db.APIKeys(), Recorder: &events{}, Pepper: pepper,
		ValidateScope: func(string) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, db
}

// TestKeysOutliveTheProcess: what was created works, and what was revoked
// stays revoked, after the data folder is opened again; in another folder with
// the same database content the key is worth nothing.
func TestKeysOutliveTheProcess(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "data")
	s, db := service(t, path)
	var texts [2]string
	for i := range texts {
		c, err := s.Create(ctx, apikey.CreateRequest{Name: "k", Scopes: []string{"tools:*"}})
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = c.Key.Reveal()
		if i == 1 {
			if _, err := s.Revoke(ctx, c.View.ID, "test", portcullis.Actor{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ = service(t, path)
	for i, want := range []string{"", "revoked"} {
		v, err := s.Verify(ctx, texts[i])
		if err != nil || v.Valid != (want == "") || v.Reason != want {
			t.Errorf("key %d: %+v, %v; want reason %q", i, v, err, want)
		}
	}
	other, _ := service(t, filepath.Join(t.TempDir(), "other"))
	if v, err := other.Verify(ctx, texts[0]); err != nil || v.Valid {
		t.Errorf("a key of another folder: %+v, %v", v, err)
	}
}

// TestRevokeUnderLoad checks one key from many goroutines, with the cache and
// without, while it is revoked in the real store.
func TestRevokeUnderLoad(t *testing.T) {
	ctx := t.Context()
	s, _ := service(t, filepath.Join(t.TempDir(), "data"))
	c, err := s.Create(ctx, apikey.CreateRequest{Name: "k", Scopes: []string{"tools:*"}})
	if err != nil {
		t.Fatal(err)
	}
	var revoked atomic.Bool
	var passed atomic.Int64
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() {
			for {
				after := revoked.Load()
				if n == 0 && !after {
					s.Invalidate(c.View.ID)
				}
				v, err := s.Verify(ctx, c.Key.Reveal())
				switch {
				case after && (err != nil || v.Valid):
					t.Errorf("after Revoke: %+v, %v", v, err)
				case v.Valid:
					passed.Add(1)
				}
				if after {
					return
				}
			}
		})
	}
	wg.Go(func() {
		for passed.Load() < 500 {
			if _, err := s.Show(ctx, c.View.ID); err != nil {
				t.Errorf("Show: %v", err)
			}
		}
		if _, err := s.Revoke(ctx, c.View.ID, "load", portcullis.Actor{}); err != nil {
			t.Errorf("Revoke: %v", err)
		}
		revoked.Store(true)
	})
	wg.Wait()
}
