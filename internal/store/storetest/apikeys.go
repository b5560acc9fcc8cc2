// Package storetest holds one contract suite per consumer of a store. Every
// driver runs the same suite, so the drivers cannot drift apart.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
)

// OpenAPIKeys returns an empty store that is closed when the test ends, and a
// function that closes it and opens it again with what it holds.
type OpenAPIKeys func(t *testing.T) (store apikey.Store, reopen func() apikey.Store)

// racers is how many goroutines race in the concurrent tests.
const racers = 50

// APIKeys checks a driver against the contract of apikey.Store.
func APIKeys(t *testing.T, open OpenAPIKeys) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, OpenAPIKeys){
		"round trip":          testRoundTrip,
		"not found":           testNotFound,
		"insert twice":        testInsertTwice,
		"fixed columns":       testFixedColumns,
		"stale version":       testStaleVersion,
		"status never back":   testStatusNeverBack,
		"all or none":         testAllOrNone,
		"rotation":            testRotation,
		"hash of unclaimed":   testHashOfUnclaimed,
		"compare and set":     testCompareAndSetRace,
		"insert race":         testInsertRace,
		"touch and revoke":    testTouchAndRevoke,
		"touch moves forward": testTouch,
		"list order":          testListOrder,
		"list pages":          testListPages,
		"reopen":              testReopen,
		"cancelled context":   testCancelled,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

// base is the time of the first record of a test.
func base() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 123456000, time.UTC) }

func id(n int) string { return fmt.Sprintf("%032x", n) }

func record(n int) apikey.Record {
	r := apikey.Record{
		ID: id(n), Name: fmt.Sprintf("key %d", n), Scopes: []string{"tools:echo"}, Roles: []string{}, Routes: []string{},
		Owner: "key:" + id(n), Schedule: apikey.Quarterly, Status: apikey.StatusActive,
		CreatedAt: base().Add(time.Duration(n) * time.Second),
	}
	r.Hash[0], r.Hash[31] = byte(n), byte(n>>8)
	return r
}

func put(t *testing.T, s apikey.Store, records ...apikey.Record) {
	t.Helper()
	if err := s.Put(t.Context(), records...); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

func get(t *testing.T, s apikey.Store, id string) apikey.Record {
	t.Helper()
	r, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatalf("Get(%s): %v", id, err)
	}
	return r
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got error %v, want %v", got, want)
	}
}

func same(t *testing.T, got, want apikey.Record) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

// full returns a record with every field set, names in many scripts included.
func full(n int) apikey.Record {
	r := record(n)
	r.Name = "Schlüssel 鍵 مفتاح 🔑 'quoted\" \\ %s"
	r.Scopes = []string{"tools:github/*", "resources:file:///srv/ü", "manage"}
	r.Roles, r.Routes = []string{"editor"}, []string{"front", "back"}
	r.Owner, r.Tenant, r.Schedule = "alice@example.com", "acme", apikey.Daily
	for i := range r.Hash {
		r.Hash[i] = byte(255 - i) // not UTF-8
	}
	r.ExpiresAt, r.RotatedAt = base().Add(24*time.Hour), base().Add(22*time.Hour)
	r.DeprecateAt, r.RevokeAt = base().Add(23*time.Hour), base().Add(24*time.Hour)
	r.RevokedAt, r.RevokeReason = base().Add(25*time.Hour), "leaked; x'y"
	r.Predecessor, r.Successor = id(n+1000), id(n+1001)
	r.Status, r.Told, r.RotatedBy = apikey.StatusRotating, apikey.StatusActive, "local:zoë"
	r.ClaimUntil, r.ClaimedAt = base().Add(time.Hour), base().Add(time.Minute)
	for i := range r.ClaimHash {
		r.ClaimHash[i] = byte(128 + i)
	}
	return r
}

func testRoundTrip(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	for n, r := range []apikey.Record{record(0), full(1)} {
		put(t, s, r)
		r.Version = 1
		same(t, get(t, s, id(n)), r)
	}
	// nil and empty lists are the same to a store.
	r := record(2)
	r.Scopes, r.Roles, r.Routes = nil, nil, nil
	put(t, s, r)
	if got := get(t, s, id(2)); len(got.Scopes)+len(got.Roles)+len(got.Routes) != 0 {
		t.Fatalf("lists out of nothing: %+v", got)
	}
}

func testNotFound(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	_, err := s.Get(t.Context(), id(1))
	wantErr(t, err, apikey.ErrNotFound)
	_, err = s.Get(t.Context(), "' OR 1=1 --")
	wantErr(t, err, apikey.ErrNotFound)
	r := record(1)
	r.Version = 1
	wantErr(t, s.Put(t.Context(), r), apikey.ErrNotFound)
	_, err = s.List(t.Context(), apikey.Page{After: id(1)})
	wantErr(t, err, apikey.ErrNotFound)
}

func testInsertTwice(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	put(t, s, record(1))
	r := record(1)
	r.Name = "impostor"
	wantErr(t, s.Put(t.Context(), r), apikey.ErrExists)
	if got := get(t, s, id(1)); got.Name != "key 1" {
		t.Fatalf("insert replaced a record: %q", got.Name)
	}
}

func testFixedColumns(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	put(t, s, record(1))
	was := get(t, s, id(1))
	r := full(1)
	r.Version, r.CreatedAt, r.LastUsedAt = 1, base().Add(-time.Hour), base().Add(time.Hour)
	put(t, s, r)
	r.Version, r.Hash, r.CreatedAt, r.LastUsedAt = 2, was.Hash, was.CreatedAt, time.Time{}
	same(t, get(t, s, id(1)), r)
}

func testStaleVersion(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	put(t, s, record(1))
	r := get(t, s, id(1))
	put(t, s, r)
	wantErr(t, s.Put(t.Context(), r), apikey.ErrConflict)
	r.Version = 99
	wantErr(t, s.Put(t.Context(), r), apikey.ErrConflict)
}

func testStatusNeverBack(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	put(t, s, record(1))
	for from := apikey.StatusActive; from <= apikey.StatusRevoked; from++ {
		r := get(t, s, id(1))
		r.Status = from
		put(t, s, r)
		for to := apikey.StatusActive; to < from; to++ {
			r := get(t, s, id(1))
			r.Status = to
			wantErr(t, s.Put(t.Context(), r), apikey.ErrRegress)
		}
		if got := get(t, s, id(1)).Status; got != from {
			t.Fatalf("status is %s, want %s", got, from)
		}
	}
}

func testAllOrNone(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	put(t, s, record(1))
	old := get(t, s, id(1))
	old.Status, old.Successor = apikey.StatusRotating, id(2)
	stale := old
	stale.Version = 7
	wantErr(t, s.Put(t.Context(), record(2), stale), apikey.ErrConflict)
	_, err := s.Get(t.Context(), id(2))
	wantErr(t, err, apikey.ErrNotFound)
	wantErr(t, s.Put(t.Context(), old, record(1)), apikey.ErrExists)
	if got := get(t, s, id(1)); got.Status != apikey.StatusActive || got.Version != 1 {
		t.Fatalf("half a change was kept: %+v", got)
	}
	put(t, s, record(2), old)
	if got := get(t, s, id(1)); got.Successor != id(2) || get(t, s, id(2)).Version != 1 {
		t.Fatalf("a change was lost: %+v", got)
	}
}

// race runs fn in many goroutines at once and returns how many reported true.
func race(fn func(n int) bool) int {
	var wg sync.WaitGroup
	start := make(chan struct{})
	won := make([]bool, racers)
	for n := range racers {
		wg.Go(func() {
			<-start
			won[n] = fn(n)
		})
	}
	close(start)
	wg.Wait()
	count := 0
	for _, w := range won {
		if w {
			count++
		}
	}
	return count
}

func testCompareAndSetRace(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	put(t, s, record(1))
	old := get(t, s, id(1))
	won := race(func(n int) bool {
		r := old
		r.Name = fmt.Sprintf("winner %d", n)
		err := s.Put(t.Context(), r)
		if err != nil && !errors.Is(err, apikey.ErrConflict) {
			t.Errorf("Put: %v", err)
		}
		return err == nil
	})
	if got := get(t, s, id(1)); won != 1 || got.Version != 2 {
		t.Fatalf("%d of %d changes of one version were kept, version is %d", won, racers, got.Version)
	}
	// Everybody who tries again gets through, and no change is lost.
	race(func(n int) bool {
		for {
			r, err := s.Get(t.Context(), id(1))
			if err != nil {
				t.Errorf("Get: %v", err)
				return false
			}
			r.Scopes = append(r.Scopes, fmt.Sprintf("tools:t%d", n))
			if err = s.Put(t.Context(), r); err == nil {
				return true
			}
			if !errors.Is(err, apikey.ErrConflict) {
				t.Errorf("Put: %v", err)
				return false
			}
		}
	})
	if got := get(t, s, id(1)); len(got.Scopes) != 1+racers || got.Version != int64(2+racers) {
		t.Fatalf("%d scopes at version %d, want %d at %d", len(got.Scopes), got.Version, 1+racers, 2+racers)
	}
}

func testInsertRace(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	won := race(func(int) bool {
		err := s.Put(t.Context(), record(1))
		if err != nil && !errors.Is(err, apikey.ErrExists) {
			t.Errorf("Put: %v", err)
		}
		return err == nil
	})
	if won != 1 {
		t.Fatalf("%d of %d inserts of one id were kept", won, racers)
	}
}

func testTouchAndRevoke(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	put(t, s, record(1))
	r := get(t, s, id(1))
	race(func(n int) bool {
		if n == racers/2 {
			revoked := r
			revoked.Status, revoked.RevokedAt = apikey.StatusRevoked, base()
			if err := s.Put(t.Context(), revoked); err != nil {
				t.Errorf("Put: a touch got in the way of a revocation: %v", err)
			}
			return true
		}
		if err := s.TouchLastUsed(t.Context(), []apikey.Use{{ID: id(1), At: base().Add(time.Duration(n) * time.Second)}}); err != nil {
			t.Errorf("TouchLastUsed: %v", err)
		}
		return true
	})
	got := get(t, s, id(1))
	if got.Status != apikey.StatusRevoked || !got.LastUsedAt.Equal(base().Add((racers-1)*time.Second)) {
		t.Fatalf("after touches and a revocation: %s, last used %s", got.Status, got.LastUsedAt)
	}
}

func testTouch(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	put(t, s, record(1), record(2))
	touch := func(uses ...apikey.Use) {
		t.Helper()
		if err := s.TouchLastUsed(t.Context(), uses); err != nil {
			t.Fatalf("TouchLastUsed: %v", err)
		}
	}
	touch()
	touch(apikey.Use{ID: id(1), At: base()}, apikey.Use{ID: id(99), At: base()},
		apikey.Use{ID: id(2), At: base().Add(time.Second)}, apikey.Use{ID: id(1), At: base().Add(time.Minute)})
	touch(apikey.Use{ID: id(1), At: base().Add(-time.Hour)})
	one, two := get(t, s, id(1)), get(t, s, id(2))
	if !one.LastUsedAt.Equal(base().Add(time.Minute)) || !two.LastUsedAt.Equal(base().Add(time.Second)) {
		t.Fatalf("last used %s and %s", one.LastUsedAt, two.LastUsedAt)
	}
	if one.Version != 1 {
		t.Fatalf("a touch moved the version to %d", one.Version)
	}
	var many []apikey.Use
	for n := range 1000 {
		many = append(many, apikey.Use{ID: id(n), At: base().Add(time.Hour)})
	}
	touch(many...)
	if got := get(t, s, id(2)).LastUsedAt; !got.Equal(base().Add(time.Hour)) {
		t.Fatalf("last used %s after a large batch", got)
	}
}

func testListOrder(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	if got, err := s.List(t.Context(), apikey.Page{}); err != nil || len(got) != 0 {
		t.Fatalf("List of an empty store: %v, %v", got, err)
	}
	// Pairs share a time, so that the id decides between them.
	var want []string
	var records []apikey.Record
	for n := range 40 {
		r := record(n)
		r.CreatedAt = base().Add(time.Duration(n/2) * time.Microsecond)
		records = append(records, r)
		want = append(want, r.ID)
	}
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // an order for a test
	rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	put(t, s, records...)
	if got := list(t, s, apikey.Page{}); !slices.Equal(got, want) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
}

func list(t *testing.T, s apikey.Store, page apikey.Page) []string {
	t.Helper()
	records, err := s.List(t.Context(), page)
	if err != nil {
		t.Fatalf("List(%+v): %v", page, err)
	}
	var ids []string
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

func testListPages(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	for n := range 7 {
		r := record(n)
		r.CreatedAt = base()
		put(t, s, r)
	}
	var got []string
	page := apikey.Page{Limit: 3}
	for {
		ids := list(t, s, page)
		if len(ids) == 0 {
			break
		}
		got = append(got, ids...)
		page.After = ids[len(ids)-1]
	}
	if want := list(t, s, apikey.Page{}); !slices.Equal(got, want) || len(got) != 7 {
		t.Fatalf("pages give %v\nall gives  %v", got, want)
	}
}

func testReopen(t *testing.T, open OpenAPIKeys) {
	s, reopen := open(t)
	put(t, s, full(1), record(2))
	if err := s.TouchLastUsed(t.Context(), []apikey.Use{{ID: id(2), At: base()}}); err != nil {
		t.Fatalf("TouchLastUsed: %v", err)
	}
	one, two := get(t, s, id(1)), get(t, s, id(2))
	s = reopen()
	same(t, get(t, s, id(1)), one)
	same(t, get(t, s, id(2)), two)
	put(t, s, one)
}

func testCancelled(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Get(ctx, id(1)); err == nil || errors.Is(err, apikey.ErrNotFound) {
		t.Fatalf("Get on a cancelled context: %v, want an error that is not ErrNotFound", err)
	}
	if err := s.Put(ctx, record(1)); err == nil {
		t.Fatal("Put on a cancelled context succeeded")
	}
	if _, err := s.Get(t.Context(), id(1)); !errors.Is(err, apikey.ErrNotFound) {
		t.Fatalf("a cancelled Put was kept: %v", err)
	}
}
