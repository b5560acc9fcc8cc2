package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/basic"
)

// OpenUsers returns an empty store that is closed when the test ends, and a
// function that closes it and opens it again with what it holds.
type OpenUsers func(t *testing.T) (store basic.Store, reopen func() basic.Store)

// Users checks a driver against the contract of basic.Store.
func Users(t *testing.T, open OpenUsers) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, OpenUsers){
		"round trip":        testUserRoundTrip,
		"not found":         testUserNotFound,
		"taken":             testUserTaken,
		"stale version":     testUserStale,
		"remove":            testUserRemove,
		"compare and set":   testUserRace,
		"cancelled context": testUserCancelled,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

func user(n int) basic.Record {
	return basic.Record{
		ID: fmt.Sprintf("%016x", n), Name: fmt.Sprintf("user%03d", n), Hash: "$argon2id$…", Roles: []string{"viewer"}, Scopes: []string{},
		CreatedAt: base(), ChangedAt: base().Add(time.Second), Epoch: 1,
	}
}

func putUser(t *testing.T, s basic.Store, r basic.Record) {
	t.Helper()
	if err := s.Put(t.Context(), r); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

func sameUser(t *testing.T, s basic.Store, want basic.Record) {
	t.Helper()
	got, err := s.Get(t.Context(), want.Name)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

func testUserRoundTrip(t *testing.T, open OpenUsers) {
	s, reopen := open(t)
	r := user(1)
	r.Name, r.Disabled = "zoë@例え.jp", true
	r.Roles, r.Scopes = []string{"admin", "ædit'or"}, []string{"tools:*", "resources:file:///srv/ü"}
	putUser(t, s, r)
	r.Version = 1
	sameUser(t, s, r)
	r.Hash, r.Disabled, r.Epoch = "$other", false, 5
	r.Roles, r.ChangedAt = []string{}, base().Add(time.Hour)
	putUser(t, s, r)
	r.Version = 2
	sameUser(t, reopen(), r)
}

func testUserNotFound(t *testing.T, open OpenUsers) {
	s, _ := open(t)
	_, err := s.Get(t.Context(), "nobody")
	wantErr(t, err, basic.ErrNotFound)
	wantErr(t, s.Remove(t.Context(), "0000000000000009", 1), basic.ErrNotFound)
	gone := user(9)
	gone.Version = 1
	wantErr(t, s.Put(t.Context(), gone), basic.ErrNotFound)
	if list, err := s.List(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("List: %v, %v", list, err)
	}
}

// testUserTaken: neither a name nor an id is given twice.
func testUserTaken(t *testing.T, open OpenUsers) {
	s, _ := open(t)
	putUser(t, s, user(1))
	wantErr(t, s.Put(t.Context(), user(1)), basic.ErrExists)
	name, id := user(2), user(3)
	name.Name, id.ID = user(1).Name, user(1).ID
	wantErr(t, s.Put(t.Context(), name), basic.ErrExists)
	wantErr(t, s.Put(t.Context(), id), basic.ErrExists)
	if list, err := s.List(t.Context()); err != nil || len(list) != 1 {
		t.Fatalf("List: %v, %v", list, err)
	}
}

func testUserStale(t *testing.T, open OpenUsers) {
	s, _ := open(t)
	r := user(1)
	r.Epoch = 3
	putUser(t, s, r)
	r.Version = 1
	back := r
	back.Epoch = 2
	wantErr(t, s.Put(t.Context(), back), basic.ErrConflict)
	r.Hash = "$second"
	putUser(t, s, r)
	r.Hash = "$third"
	wantErr(t, s.Put(t.Context(), r), basic.ErrConflict)
	// Name and time of creation stay, whatever is written.
	r.Version, r.Name, r.CreatedAt = 2, "other", base().Add(time.Hour)
	putUser(t, s, r)
	r.Version, r.Name, r.CreatedAt = 3, user(1).Name, base()
	sameUser(t, s, r)
}

func testUserRemove(t *testing.T, open OpenUsers) {
	s, reopen := open(t)
	for _, n := range []int{2, 3, 1} {
		putUser(t, s, user(n))
	}
	wantErr(t, s.Remove(t.Context(), user(2).ID, 7), basic.ErrConflict)
	if err := s.Remove(t.Context(), user(2).ID, 1); err != nil {
		t.Fatal(err)
	}
	s = reopen()
	_, err := s.Get(t.Context(), user(2).Name)
	wantErr(t, err, basic.ErrNotFound)
	list, err := s.List(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != user(1).Name || list[1].Name != user(3).Name {
		t.Fatalf("List: %+v, %v", list, err)
	}
	again := user(4) // the name is free, another user has it now
	again.Name = user(2).Name
	putUser(t, s, again)
}

// testUserRace: of many who change the same version one wins.
func testUserRace(t *testing.T, open OpenUsers) {
	s, _ := open(t)
	putUser(t, s, user(1))
	var mu sync.Mutex
	won := 0
	var wg sync.WaitGroup
	for n := range racers {
		wg.Go(func() {
			r := user(1)
			r.Version, r.Epoch, r.Hash = 1, 2, fmt.Sprintf("$%d", n)
			err := s.Put(context.Background(), r)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case !errors.Is(err, basic.ErrConflict):
				t.Errorf("Put: %v", err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Fatalf("%d of %d won", won, racers)
	}
}

func testUserCancelled(t *testing.T, open OpenUsers) {
	s, _ := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, user(1)); !errors.Is(err, context.Canceled) {
		t.Fatalf("Put: %v", err)
	}
	if _, err := s.Get(ctx, user(1).Name); !errors.Is(err, context.Canceled) {
		t.Fatalf("Get: %v", err)
	}
}
