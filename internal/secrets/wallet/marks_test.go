package wallet

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
)

// TestProvider: the default of a provider, else its oldest key that has not
// expired.
func TestProvider(t *testing.T) {
	w := newWorld(t)
	o := w.open()
	ctx := t.Context()
	soon := w.now.Add(time.Hour)
	want := func(what, name string) {
		t.Helper()
		if got, err := o.Provider("openai"); err != nil || got != name {
			t.Errorf("%s: %q, %v, want %q", what, got, err, name)
		}
	}
	_, err := o.Provider("openai")
	wantErr(t, "nobody", err, ErrNotFound)
	must(t, o.Put(ctx, New{Name: "none"}, []byte("n")))
	_, err = o.Provider("")
	wantErr(t, "no provider", err, ErrNotFound)
	wantErr(t, "default without a provider", o.SetDefault(ctx, "none"), ErrInvalid)
	wantErr(t, "default that is not there", o.SetDefault(ctx, "nobody"), ErrNotFound)
	must(t, o.Put(ctx, New{Name: "z-first", Provider: "openai", Expires: &soon}, []byte("1")))
	w.now = w.now.Add(time.Second)
	must(t, o.Put(ctx, New{Name: "b", Provider: "openai"}, []byte("2")))
	must(t, o.Put(ctx, New{Name: "a", Provider: "openai"}, []byte("3")))
	must(t, o.Put(ctx, New{Name: "other", Provider: "anthropic"}, []byte("4")))
	want("the oldest", "z-first")
	must(t, o.PutAll(ctx, []Item{{New{Name: "i1", Provider: "cohere", Default: true}, []byte("5")}, {New{Name: "i2", Provider: "cohere", Default: true}, []byte("6")}, {New{Name: "i3", Default: true}, []byte("7")}}, "wallet.import"))
	for name, want := range map[string]bool{"i1": true, "i2": false, "i3": false} {
		if e, err := o.Entry(name); err != nil || e.Default != want {
			t.Errorf("imported %s: default %v, %v", name, e.Default, err)
		}
	}
	must(t, o.SetDefault(ctx, "other"))
	must(t, o.SetDefault(ctx, "b"))
	want("the default", "b")
	must(t, o.SetDefault(ctx, "z-first"))
	if e, err := o.Entry("b"); err != nil || e.Default {
		t.Errorf("two defaults: %+v %v", e, err)
	}
	if e, err := o.Entry("other"); err != nil || !e.Default {
		t.Errorf("the default of another provider is gone: %+v %v", e, err)
	}
	w.now = soon
	want("after the default expired, by name", "a")
	v, e, err := o.ForProvider(ctx, "openai")
	if err != nil || v.Reveal() != "3" || e.Name != "a" {
		t.Errorf("%v %v", e, err)
	}
	must(t, o.Remove(ctx, "a"))
	must(t, o.Remove(ctx, "b"))
	_, _, err = o.ForProvider(ctx, "openai")
	wantErr(t, "all expired", err, ErrExpired)
	if _, _, err := NewKeeper(func(context.Context) (*Wallet, error) { return o, nil }, 0).ForProvider(ctx, "anthropic"); err != nil {
		t.Error(err)
	}
}

// TestMarksOfAPendingValue come and go with it.
func TestMarksOfAPendingValue(t *testing.T) {
	w := newWorld(t)
	o := w.open()
	ctx := t.Context()
	must(t, o.Put(ctx, New{Name: "a", Provider: "p"}, []byte("1")))
	must(t, o.SetDefault(ctx, "a"))
	for _, end := range []func() error{
		func() error { return o.Promote(ctx, "a", Rotation{Version: 2}) },
		func() error { return o.AbortVersion(ctx, "a", 3) },
	} {
		must(t, o.StageAutomatic(ctx, "a", []byte("value "+w.now.String())))
		e, err := o.Entry("a")
		must(t, err)
		if !e.Automatic || e.PendingSince == nil || !e.PendingSince.Equal(w.now) || !e.Default {
			t.Errorf("staged: %+v", e)
		}
		wantErr(t, "a version that was not verified", o.Promote(ctx, "a", Rotation{Version: 9}), ErrState)
		wantErr(t, "dropping one that was not refused", o.AbortVersion(ctx, "a", 9), ErrState)
		must(t, end())
		if e, err = o.Entry("a"); err != nil || e.Automatic || e.PendingSince != nil || e.Pending != 0 || !e.Default {
			t.Errorf("after it: %+v %v", e, err)
		}
		w.now = w.now.Add(time.Minute)
	}
	must(t, o.Stage(ctx, "a", []byte("by a person")))
	if e, err := o.Entry("a"); err != nil || e.Automatic || e.PendingSince == nil {
		t.Errorf("%+v %v", e, err)
	}
}

// TestFilesWithoutMarks are read and written as they always were.
func TestFilesWithoutMarks(t *testing.T) {
	c := &contents{fingerprints: make([]byte, envelope.KeySize), records: []record{{name: "a", last: 1, current: sealed{1, []byte("k"), []byte("t")}}}}
	old := c.encode()
	c.records[0].marks.preferred = true
	marked := c.encode()
	if !bytes.HasPrefix(marked, old) || bytes.Equal(marked, old) {
		t.Error("marks do not stand behind the entries")
	}
	for name, tail := range map[string]string{
		"another version": "\x02\x01\x00\x01\x00", "of nothing": "\x01\x00", "of an entry that is not there": "\x01\x01\x01\x01\x00",
		"twice": "\x01\x02\x00\x01\x00\x00\x01\x00", "empty ones": "\x01\x01\x00\x00\x00", "unknown flags": "\x01\x01\x00\x04\x00", "cut": "\x01\x01\x00",
		"more behind": "\x01\x01\x00\x01\x00\x00",
	} {
		_, err := decode(append(bytes.Clone(old), tail...))
		wantErr(t, name, err, ErrDamaged)
	}
	raw, err := os.ReadFile("testdata/version1.wallet") // written before there were marks
	must(t, err)
	p, err := parse(raw)
	must(t, err)
	key, err := rawKey(7).unlock(t.Context(), p.header.ID, &p.header.Slot)
	must(t, err)
	got, err := p.open(key)
	must(t, err)
	if len(got.records) != 2 || got.records[0].pending.version != 3 || got.records[0].marks != (marks{}) {
		t.Errorf("%+v", got.records)
	}
}
