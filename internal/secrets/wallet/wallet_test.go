package wallet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"context"

	"github.com/portcullis-dev/portcullis"
)

func TestRotationInTwoSlots(t *testing.T) {
	w := newWorld(t)
	o := w.open()
	ctx := t.Context()
	must(t, o.Put(ctx, New{Name: "openai", Provider: "openai", Permissions: []string{"chat"}, Metadata: map[string]string{"owner": "ops"}}, []byte("one")))
	wantErr(t, "the same value", o.Rotate(ctx, "openai", []byte("one"), Rotation{}), ErrInvalid)
	wantErr(t, "promote nothing", o.Promote(ctx, "openai", Rotation{}), ErrState)
	wantErr(t, "abort nothing", o.Abort(ctx, "openai"), ErrState)
	wantErr(t, "purge nothing", o.Purge(ctx, "openai"), ErrState)
	must(t, o.Stage(ctx, "openai", []byte("two")))
	w.wantValue(o, "openai", Current, "one")
	w.wantValue(o, "openai", Pending, "two")
	wantErr(t, "stage twice", o.Stage(ctx, "openai", []byte("three")), ErrState)
	wantErr(t, "rotate over a pending one", o.Rotate(ctx, "openai", []byte("three"), Rotation{}), ErrState)
	wantErr(t, "an overlap for ever", o.Promote(ctx, "openai", Rotation{Overlap: MaxOverlap + 1}), ErrInvalid)
	wantErr(t, "a negative overlap", o.Promote(ctx, "openai", Rotation{Overlap: -1}), ErrInvalid)
	w.wantValue(o, "openai", Current, "one")
	must(t, o.Promote(ctx, "openai", Rotation{Overlap: time.Hour}))
	w.wantValue(o, "openai", Current, "two")
	w.wantValue(o, "openai", Previous, "one")
	wantErr(t, "back to the value before", o.Rotate(ctx, "openai", []byte("one"), Rotation{}), ErrInvalid)
	e, err := o.Entry("openai")
	must(t, err)
	if e.Version != 2 || e.Previous != 1 || e.Pending != 0 || len(e.Fingerprint) != 32 || e.Rotated == nil || !e.Rotated.Equal(w.now) || !e.KeptUntil.Equal(w.now.Add(time.Hour)) {
		t.Errorf("entry %+v", e)
	}
	must(t, o.Stage(ctx, "openai", []byte("three")))
	must(t, o.Abort(ctx, "openai"))
	w.now = w.now.Add(time.Hour) // the overlap has passed: not served, and gone with the next change
	_, _, err = o.Reveal(ctx, "openai", Previous, false)
	wantErr(t, "after the overlap", err, ErrState)
	must(t, o.Put(ctx, New{Name: "other"}, []byte("x")))
	if e, _ = o.Entry("openai"); e.Previous != 0 || e.KeptUntil != nil {
		t.Errorf("not purged: %+v", e)
	}
	must(t, o.Rotate(ctx, "openai", []byte("four"), Rotation{Overlap: time.Hour}))
	if e, _ = o.Entry("openai"); e.Version != 4 {
		t.Errorf("version %d: that of the dropped value was given again", e.Version)
	}
	must(t, o.Purge(ctx, "openai"))
	must(t, o.Rotate(ctx, "openai", []byte("five"), Rotation{}))
	_, _, err = o.Reveal(ctx, "openai", Previous, false)
	wantErr(t, "without an overlap", err, ErrState)
}

func TestEverythingIsRecorded(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	want := func(what string, lines ...string) {
		t.Helper()
		if got := w.j.take(); !slices.Equal(got, lines) {
			t.Errorf("%s: recorded\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(lines, "\n"))
		}
	}
	want("init", "SECRET_WRITTEN pending wallet.init ", "SECRET_WRITTEN success wallet.init ")
	o := w.open()
	must(t, o.Put(ctx, New{Name: "a"}, []byte("1")))
	want("put", "SECRET_WRITTEN pending wallet.put secret:wallet/a", "SECRET_WRITTEN success wallet.put secret:wallet/a")
	w.wantValue(o, "a", Current, "1")
	want("get", "SECRET_READ success wallet.get secret:wallet/a")
	_, _, err := o.Reveal(ctx, "a", Pending, false)
	wantErr(t, "no pending", err, ErrState)
	want("a refused get", "SECRET_READ failure wallet.get secret:wallet/a")
	must(t, o.Rotate(ctx, "a", []byte("2"), Rotation{}))
	want("rotate", "SECRET_ROTATED pending wallet.rotate secret:wallet/a", "SECRET_ROTATED success wallet.rotate secret:wallet/a")
	must(t, o.Rewrap(ctx, rawKey(8)))
	want("rewrap", "SECRET_WRITTEN pending wallet.rewrap ", "SECRET_WRITTEN success wallet.rewrap ")
	must(t, o.Remove(ctx, "a"))
	want("remove", "SECRET_WRITTEN pending wallet.remove secret:wallet/a", "SECRET_WRITTEN success wallet.remove secret:wallet/a")
	if _, err := o.List(); err != nil {
		t.Error(err)
	}
	want("list")
}

func TestNotRecordedNotDone(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.open()
	must(t, o.Put(ctx, New{Name: "a"}, []byte("1")))
	before, err := os.ReadFile(w.path)
	must(t, err)
	w.j.err = errors.New("the journal is full")
	if v, _, err := o.Get(ctx, "a"); !errors.Is(err, w.j.err) || v != nil {
		t.Errorf("a value without a record: %v, %v", v, err)
	}
	for name, f := range map[string]func() error{
		"put": func() error { return o.Put(ctx, New{Name: "b"}, []byte("1")) }, "rotate": func() error { return o.Rotate(ctx, "a", []byte("2"), Rotation{}) },
		"remove": func() error { return o.Remove(ctx, "a") }, "rewrap": func() error { return o.Rewrap(ctx, rawKey(9)) },
	} {
		wantErr(t, name, f(), w.j.err)
	}
	after, err := os.ReadFile(w.path)
	must(t, err)
	if string(before) != string(after) {
		t.Error("the file was changed")
	}
	w.j.fails = portcullis.OutcomeSuccess // only the outcome is not recorded: that is said
	if err := o.Put(ctx, New{Name: "b"}, []byte("1")); err == nil || !strings.Contains(err.Error(), "was changed, but") {
		t.Errorf("outcome not recorded: %v", err)
	}
	w.j.err = nil
	w.wantValue(o, "a", Current, "1")
	w.wantValue(o, "b", Current, "1")
	if err := Create(ctx, w.path+"2", w.key, Options{}); err == nil {
		t.Error("a wallet without a recorder")
	}
}

func TestExpiredIsNotServed(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.open()
	end := w.now.Add(time.Minute)
	must(t, o.Put(ctx, New{Name: "a", Expires: &end}, []byte("1")))
	w.wantValue(o, "a", Current, "1")
	w.now = end
	v, e, err := o.Get(ctx, "a")
	wantErr(t, "expired", err, ErrExpired)
	if v != nil || !e.Expired(w.now) {
		t.Errorf("value %v, entry %+v", v, e)
	}
	v, _, err = o.Reveal(ctx, "a", Current, true)
	if err != nil || v.Reveal() != "1" {
		t.Errorf("asked for although expired: %v", err)
	}
	next := end.Add(time.Hour)
	must(t, o.Rotate(ctx, "a", []byte("2"), Rotation{Expires: &next}))
	w.wantValue(o, "a", Current, "2")
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.open()
	must(t, o.Put(ctx, New{Name: "a"}, []byte("1")))
	long := strings.Repeat("x", maxItem+1)
	for what, n := range map[string]New{
		"no name": {}, "a path": {Name: "../a"}, "a blank": {Name: "a b"}, "a dot first": {Name: ".a"}, "a long name": {Name: long},
		"a bad provider": {Name: "b", Provider: "x y"}, "a long permission": {Name: "b", Permissions: []string{long}},
		"a control": {Name: "b", Metadata: map[string]string{"k": "\x1b[2J"}}, "no UTF-8": {Name: "b", Metadata: map[string]string{"k": "\xff"}},
		"many permissions": {Name: "b", Permissions: make([]string, maxItems+1)},
	} {
		wantErr(t, what, o.Put(ctx, n, []byte("v")), ErrInvalid)
	}
	wantErr(t, "no value", o.Put(ctx, New{Name: "b"}, nil), ErrInvalid)
	wantErr(t, "a big value", o.Put(ctx, New{Name: "b"}, make([]byte, MaxValue+1)), ErrInvalid)
	wantErr(t, "a name that is there", o.Put(ctx, New{Name: "a"}, []byte("2")), ErrExists)
	wantErr(t, "a name twice", o.PutAll(ctx, []Item{{New{Name: "c"}, []byte("1")}, {New{Name: "c"}, []byte("2")}}, "wallet.import"), ErrExists)
	for what, err := range map[string]error{"rotate": o.Rotate(ctx, "zz", []byte("1"), Rotation{}), "remove": o.Remove(ctx, "zz"), "promote": o.Promote(ctx, "zz", Rotation{})} {
		wantErr(t, what, err, ErrNotFound)
	}
	_, _, err := o.Get(ctx, "zz")
	wantErr(t, "get", err, ErrNotFound)
	if list, err := o.List(); err != nil || len(list) != 1 {
		t.Errorf("list %v, %v", list, err)
	}
	wantErr(t, "init over it", Create(ctx, w.path, w.key, w.options()), fs.ErrExist)
	_, err = Open(ctx, w.path, rawKey(99), w.options())
	wantErr(t, "wrong key", err, ErrPassword)
	o.Close()
	_, _, err = o.Get(ctx, "a")
	wantErr(t, "closed", err, ErrLocked)
	wantErr(t, "closed", o.Put(ctx, New{Name: "b"}, []byte("1")), ErrLocked)
	must(t, os.Chmod(w.path, 0o640))
	if _, err := Open(ctx, w.path, w.key, w.options()); err == nil || !strings.Contains(err.Error(), "open to others") {
		t.Errorf("a file others may read: %v", err)
	}
	must(t, os.Remove(w.path))
	must(t, os.Symlink("/etc/passwd", w.path))
	if _, err := Open(ctx, w.path, w.key, w.options()); err == nil {
		t.Error("followed a link")
	}
}

func TestProcessesShareTheFile(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	var all sync.WaitGroup
	for i := range 8 {
		o := w.open()
		all.Go(func() {
			for k := range 5 {
				if err := o.Put(ctx, New{Name: fmt.Sprintf("n%d-%d", i, k)}, []byte("v")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	o, other := w.open(), w.open()
	if list, err := o.List(); err != nil || len(list) != 40 {
		t.Fatalf("%d entries, %v: updates were lost", len(list), err)
	}
	must(t, other.Rotate(ctx, "n1-1", []byte("new"), Rotation{}))
	w.wantValue(o, "n1-1", Current, "new") // seen without opening again
	must(t, other.Rewrap(ctx, rawKey(9)))
	_, _, err := o.Get(ctx, "n1-1")
	wantErr(t, "wrapped again by another", err, ErrLocked)
	wantErr(t, "wrapped again by another", o.Put(ctx, New{Name: "x"}, []byte("v")), ErrLocked)
	w.wantValue(other, "n1-1", Current, "new")
}

func TestOldCopyOfTheFile(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.open()
	must(t, o.Put(ctx, New{Name: "a"}, []byte("old")))
	old, err := os.ReadFile(w.path)
	must(t, err)
	must(t, o.Rotate(ctx, "a", []byte("new"), Rotation{}))
	must(t, os.WriteFile(w.path, old, 0o600))
	_, _, err = o.Get(ctx, "a")
	wantErr(t, "a file older than what was seen", err, ErrDamaged)
}

func TestRewrapLocksOldCopiesOut(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.open()
	must(t, o.Put(ctx, New{Name: "a"}, []byte("1")))
	must(t, o.Put(ctx, New{Name: "b"}, []byte("1")))
	oldKey := slices.Clone(o.key)
	body := slices.Clone(o.c.records[0].current.text)
	must(t, o.Rewrap(ctx, rawKey(8)))
	if string(oldKey) == string(o.key) {
		t.Error("the wallet key is the same")
	}
	if string(body) != string(o.c.records[0].current.text) {
		t.Error("values were encrypted again")
	}
	_, err := Open(ctx, w.path, w.key, w.options())
	wantErr(t, "the old password", err, ErrPassword)
	raw, _, err := read(w.path)
	must(t, err)
	p, err := parse(raw)
	must(t, err)
	_, err = p.open(oldKey)
	wantErr(t, "the old wallet key", err, ErrDamaged)
	w.key = 8
	again := w.open()
	w.wantValue(again, "a", Current, "1")
	wantErr(t, "fingerprints live on", again.Rotate(ctx, "a", []byte("1"), Rotation{}), ErrInvalid)
	if n, err := again.Verify(); n != 2 || err != nil {
		t.Errorf("verify: %d, %v", n, err)
	}
}

func TestKeeper(t *testing.T) {
	w := newWorld(t)
	o := w.open()
	must(t, o.Put(t.Context(), New{Name: "a"}, []byte("1")))
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		var inside *Wallet
		key := w.key
		k := NewKeeper(func(ctx context.Context) (*Wallet, error) {
			opened++
			var err error
			inside, err = Open(ctx, w.path, key, w.options())
			return inside, err
		}, DefaultIdle)
		get := func(want string) {
			t.Helper()
			v, _, err := k.Get(t.Context(), "a")
			if err != nil || v.Reveal() != want {
				t.Fatalf("%v", err)
			}
		}
		get("1")
		secret := inside.key
		time.Sleep(DefaultIdle - time.Second)
		get("1") // puts the lock off
		time.Sleep(DefaultIdle - time.Second)
		synctest.Wait()
		if k.Locked() || opened != 1 {
			t.Fatalf("locked %t, opened %d times", k.Locked(), opened)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !k.Locked() {
			t.Fatal("not locked after lying idle")
		}
		if !slices.Equal(secret, make([]byte, len(secret))) {
			t.Error("the key is still in memory")
		}
		get("1")
		if opened != 2 {
			t.Errorf("opened %d times", opened)
		}
		key = 9 // wrapped again by somebody else: the keeper unlocks anew
		must(t, o.Rewrap(t.Context(), key))
		must(t, o.Rotate(t.Context(), "a", []byte("2"), Rotation{}))
		get("2")
		k.Lock()
		key = 50
		if _, _, err := k.Get(t.Context(), "a"); !errors.Is(err, ErrPassword) {
			t.Errorf("wrong key: %v", err)
		}
	})
}

func TestValueShowsItselfToNobody(t *testing.T) {
	v := NewValue([]byte("canary-3141"))
	b, err := json.Marshal(map[string]any{"v": v})
	must(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
	for _, s := range []string{fmt.Sprint(v), fmt.Sprintf("%+v %#v %s %x %q", v, v, v, v, v), string(b), log.String()} {
		if strings.Contains(s, "canary") || strings.Contains(s, fmt.Sprintf("%x", "canary")) || !strings.Contains(s, "[redacted]") {
			t.Errorf("shown: %s", s)
		}
	}
	v.Wipe()
	if v.Reveal() == "canary-3141" {
		t.Error("not wiped")
	}
}
