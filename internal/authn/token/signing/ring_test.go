package signing_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
)

const (
	period = 30 * 24 * time.Hour
	keep   = 25 * time.Hour
)

type fixture struct {
	t    *testing.T
	path string
	now  time.Time
	db   *sqlite.DB
	*signing.Ring
}

func sealKey(b byte) []byte { return bytes.Repeat([]byte{b}, signing.SealKeySize) }

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, path: filepath.Join(t.TempDir(), "p.db"), now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	f.open()
	t.Cleanup(func() { _ = f.db.Close() })
	return f
}

func (f *fixture) open() {
	f.t.Helper()
	var err error
	if f.db, err = sqlite.Open(f.t.Context(), f.path); err != nil {
		f.t.Fatal(err)
	}
	if f.Ring, err = signing.New(f.t.Context(), f.db.Sessions(), sealKey(1), func() time.Time { return f.now }); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) restart() {
	f.t.Helper()
	if err := f.db.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.open()
}

func (f *fixture) maintain() []string {
	f.t.Helper()
	made, err := f.Maintain(f.t.Context(), period, keep)
	if err != nil {
		f.t.Fatal(err)
	}
	return made
}

// kid signs a token and returns the key that did; it has to be published.
func (f *fixture) kid() string {
	f.t.Helper()
	text, err := f.Sign([]byte(`{}`))
	if err != nil {
		f.t.Fatal(err)
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[0])
	if err != nil {
		f.t.Fatal(err)
	}
	var head struct{ Kid string }
	if err := json.Unmarshal(b, &head); err != nil {
		f.t.Fatal(err)
	}
	if !slices.Contains(f.published(), head.Kid) || f.Key(head.Kid) == nil {
		f.t.Errorf("%s signs and is not published", head.Kid)
	}
	return head.Kid
}

func (f *fixture) get(method string, fields ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, signing.JWKSPath, nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	f.ServeHTTP(w, r)
	return w
}

func (f *fixture) published() []string {
	f.t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(f.get(http.MethodGet).Body.Bytes(), &set); err != nil {
		f.t.Fatal(err)
	}
	out := []string{}
	for _, k := range set.Keys {
		if _, ok := k.Key.(ed25519.PublicKey); !ok || !k.IsPublic() || k.Use != "sig" || k.Algorithm != "EdDSA" {
			f.t.Errorf("published %T %+v", k.Key, k)
		}
		out = append(out, k.KeyID)
	}
	return out
}

// TestRotation walks through four months an hour at a time, with a restart each
// day: a key is published for an hour before it signs, and for keep after.
func TestRotation(t *testing.T) {
	f := newFixture(t)
	if _, err := f.Sign([]byte(`{}`)); !errors.Is(err, signing.ErrNoKey) {
		t.Fatalf("without a key: %v", err)
	}
	if len(f.published()) != 0 || len(f.maintain()) != 2 || len(f.maintain()) != 0 {
		t.Fatal("the first keys")
	}
	begin := f.now
	known := map[string]time.Time{} // since when a key is published
	last := map[string]time.Time{}  // when it signed last
	for range 120 * 24 {
		for _, kid := range f.published() {
			if _, ok := known[kid]; !ok {
				known[kid] = f.now
			}
		}
		kid := f.kid()
		if since := known[kid]; f.now.Sub(since) < signing.Ahead && f.now.Sub(begin) > signing.Ahead {
			t.Fatalf("signs with a key that is known since %v", f.now.Sub(since))
		}
		last[kid] = f.now
		for old, at := range last {
			if f.now.Sub(at) < keep && f.Key(old) == nil {
				t.Fatalf("a key is gone %v after it signed", f.now.Sub(at))
			}
			if f.now.Sub(at) > keep+2*time.Hour && f.Key(old) != nil {
				t.Fatalf("a key is there %v after it signed", f.now.Sub(at))
			}
		}
		f.now = f.now.Add(time.Hour)
		f.maintain()
		if f.now.Hour() == 0 {
			f.restart()
		}
	}
	if len(last) != 4 {
		t.Errorf("%d keys in 120 days", len(last))
	}
}

// TestAbsence: a gateway that was stopped for a year goes on at once, and the
// next key is published before it signs.
func TestAbsence(t *testing.T) {
	f := newFixture(t)
	f.maintain()
	second := f.published()[1]
	f.now = f.now.Add(365 * 24 * time.Hour)
	f.restart()
	if kid := f.kid(); kid != second {
		t.Errorf("signs with %s, want %s", kid, second)
	}
	third := f.maintain()
	if len(third) != 1 || f.kid() != second {
		t.Fatalf("made %v", third)
	}
	f.now = f.now.Add(signing.Ahead)
	if kid := f.kid(); kid != third[0] {
		t.Errorf("signs with %s, want %s", kid, third[0])
	}
	f.now = f.now.Add(-400 * 24 * time.Hour) // a clock that was set back before everything
	f.kid()
}

func TestShorterPeriod(t *testing.T) {
	f := newFixture(t)
	f.maintain()
	first, next := f.kid(), f.published()[1]
	f.now = f.now.Add(2 * 24 * time.Hour)
	if _, err := f.Maintain(t.Context(), 24*time.Hour, keep); err != nil {
		t.Fatal(err)
	}
	if kid := f.kid(); kid != first {
		t.Error("changed without notice")
	}
	f.now = f.now.Add(signing.Ahead)
	if kid := f.kid(); kid != next {
		t.Errorf("signs with %s, want %s", kid, next)
	}
}

func TestJWKS(t *testing.T) {
	f := newFixture(t)
	f.maintain()
	w := f.get(http.MethodGet)
	tag := w.Header().Get("Etag")
	if w.Code != http.StatusOK || tag == "" || w.Header().Get("Cache-Control") != "public, max-age=300" || strings.Contains(w.Body.String(), `"d"`) ||
		w.Header().Get("Content-Type") != "application/jwk-set+json" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	for field, want := range map[string]int{
		tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, "": 200, strings.Trim(tag, `"`): 200,
	} {
		if w := f.get(http.MethodGet, "If-None-Match", field); w.Code != want || want == 304 && w.Body.Len() != 0 {
			t.Errorf("If-None-Match %s: %d", field, w.Code)
		}
	}
	if w := f.get(http.MethodHead); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d", w.Code)
	}
	if w := f.get(http.MethodPost); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", w.Code)
	}
}

// TestSealed: the database alone gives no key away, and a row that was changed
// or moved is no key.
func TestSealed(t *testing.T) {
	f := newFixture(t)
	f.maintain()
	rows, err := f.db.Sessions().SigningKeys(t.Context())
	if err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	for name, r := range map[string][]signing.Record{
		"swapped":   {{KID: rows[0].KID, Sealed: rows[1].Sealed, ActiveAt: f.now}},
		"renamed":   {{KID: "x", Sealed: rows[0].Sealed, ActiveAt: f.now}},
		"changed":   {{KID: rows[0].KID, Sealed: flipped(rows[0].Sealed), ActiveAt: f.now}},
		"cut":       {{KID: rows[0].KID, Sealed: rows[0].Sealed[:5], ActiveAt: f.now}},
		"cut short": {{KID: rows[0].KID, Sealed: rows[0].Sealed[:20], ActiveAt: f.now}},
	} {
		if _, err := signing.New(t.Context(), &fixed{records: r}, sealKey(1), nil); !errors.Is(err, signing.ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := signing.New(t.Context(), f.db.Sessions(), sealKey(2), nil); !errors.Is(err, signing.ErrSealed) || !strings.Contains(err.Error(), "root.key") {
		t.Errorf("under another root key: %v", err)
	}
	for _, size := range []int{0, 16, 31, 33} {
		if _, err := signing.New(t.Context(), f.db.Sessions(), make([]byte, size), nil); err == nil {
			t.Errorf("a seal key of %d bytes is taken", size)
		}
	}
}

func flipped(b []byte) []byte {
	out := bytes.Clone(b)
	out[len(out)-1] ^= 1
	return out
}

// TestStoreFails: keys that could not be stored are not used.
func TestStoreFails(t *testing.T) {
	s := &fixed{fail: errors.New("disk full")}
	r, err := signing.New(t.Context(), s, sealKey(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Maintain(t.Context(), period, keep); !errors.Is(err, s.fail) {
		t.Errorf("got %v", err)
	}
	if _, err := r.Sign([]byte(`{}`)); !errors.Is(err, signing.ErrNoKey) {
		t.Errorf("signed with a key that is not stored: %v", err)
	}
}

// fixed is a store with fixed records that takes nothing.
type fixed struct {
	records []signing.Record
	fail    error
}

func (s *fixed) SigningKeys(context.Context) ([]signing.Record, error)   { return s.records, nil }
func (s *fixed) AddSigningKey(context.Context, signing.Record) error     { return s.fail }
func (s *fixed) MoveSigningKey(context.Context, string, time.Time) error { return s.fail }
func (s *fixed) DeleteSigningKey(context.Context, string) error          { return s.fail }

// TestSignDocument: the signature of a document is by the key that is published,
// and is no token's.
func TestSignDocument(t *testing.T) {
	f := newFixture(t)
	if _, _, err := f.SignDocument([]byte(`{}`), ""); !errors.Is(err, signing.ErrNoKey) {
		t.Errorf("signed without a key: %v", err)
	}
	f.maintain()
	payload := []byte(`{"name":"x"}`)
	for _, jku := range []string{"", "https://gw.example.net/.well-known/jwks.json"} {
		protected, signature, err := f.SignDocument(payload, jku)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.RawURLEncoding.DecodeString(protected)
		if err != nil {
			t.Fatal(err)
		}
		var head struct{ Alg, Typ, Kid, Jku string }
		if err := json.Unmarshal(raw, &head); err != nil || head.Alg != "EdDSA" || head.Typ != signing.DocumentType || head.Jku != jku || head.Kid != f.kid() {
			t.Errorf("%s: %v", raw, err)
		}
		compact := protected + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + signature
		sig, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.EdDSA})
		if err != nil {
			t.Fatal(err)
		}
		var set jose.JSONWebKeySet
		if err := json.Unmarshal(f.get(http.MethodGet).Body.Bytes(), &set); err != nil {
			t.Fatal(err)
		}
		if got, err := sig.Verify(set.Key(head.Kid)[0].Key); err != nil || !bytes.Equal(got, payload) {
			t.Errorf("%s, %v", got, err)
		}
	}
}
