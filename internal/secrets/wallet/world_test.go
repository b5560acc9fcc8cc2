package wallet

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/kdf"
)

// rawKey keeps a wallet key under another key, as Password does but for the
// derivation, which would make thousands of openings slow.
type rawKey byte

func (k rawKey) box() envelope.Box {
	key := make([]byte, envelope.KeySize)
	key[0] = byte(k)
	b, err := envelope.NewBox(key)
	if err != nil {
		panic(err)
	}
	return b
}

func (k rawKey) protect(_ context.Context, id string, walletKey []byte) (slot, error) {
	p, err := kdf.New(kdf.PBKDF2SHA384, 0)
	if err != nil {
		return slot{}, err
	}
	s := slot{Kind: KindPassword, KDF: &p}
	aad, err := s.bound(id)
	if err != nil {
		return slot{}, err
	}
	s.Wrapped = k.box().Seal(nil, walletKey, aad)
	return s, nil
}

func (k rawKey) unlock(_ context.Context, id string, s *slot) ([]byte, error) {
	aad, err := s.bound(id)
	if err != nil {
		return nil, err
	}
	if s.KDF == nil {
		return nil, ErrPassword
	}
	if err := s.KDF.Validate(); err != nil {
		return nil, err
	}
	key, err := k.box().Open(s.Wrapped, aad)
	return key, wrongKey(err)
}

// journal remembers events, or refuses them.
type journal struct {
	mu     sync.Mutex
	events []string
	err    error
	fails  portcullis.Outcome // events of this outcome are refused
}

func (j *journal) Record(_ context.Context, e *portcullis.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil && (j.fails == "" || j.fails == e.Outcome) {
		return j.err
	}
	j.events = append(j.events, fmt.Sprintf("%s %s %s %s", e.Type, e.Outcome, e.Action, e.Resource))
	return nil
}

func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := j.events
	j.events = nil
	return out
}

type world struct {
	t    *testing.T
	path string
	j    *journal
	now  time.Time
	key  rawKey
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), FileName), j: &journal{}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), key: 7}
	if err := Create(t.Context(), w.path, w.key, w.options()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) options() Options {
	return Options{Recorder: w.j, Clock: func() time.Time { return w.now }}
}

func (w *world) open() *Wallet {
	w.t.Helper()
	o, err := Open(w.t.Context(), w.path, w.key, w.options())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(o.Close)
	return o
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (w *world) wantValue(o *Wallet, name string, which Which, want string) {
	w.t.Helper()
	v, _, err := o.Reveal(w.t.Context(), name, which, false)
	if err != nil {
		w.t.Errorf("%s value of %s: %v", which, name, err)
		return
	}
	if v.Reveal() != want {
		w.t.Errorf("%s value of %s is another", which, name)
	}
}
