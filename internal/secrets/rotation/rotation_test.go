package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/secrets/probe"
	"github.com/portcullis-dev/portcullis/internal/secrets/rotation"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
	"github.com/portcullis-dev/portcullis/test/provider"
)

// journal remembers events as texts, or refuses those of a type.
type journal struct {
	mu     sync.Mutex
	events []string
	refuse portcullis.EventType
}

func (j *journal) Record(_ context.Context, e *portcullis.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.Type == j.refuse {
		return errors.New("the journal is full")
	}
	text := fmt.Sprintf("%s %s %s %s %s", e.Type, e.Severity, e.Outcome, e.Action, e.Reason)
	for _, a := range e.Details {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
	}
	j.events = append(j.events, text)
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
	t     *testing.T
	path  string
	key   *age.X25519Identity
	j     *journal
	fake  *provider.Fake
	now   time.Time
	w     *wallet.Wallet
	rot   *rotation.Rotator
	check *probe.Probe
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	must(t, err)
	o := &world{t: t, path: filepath.Join(t.TempDir(), wallet.FileName), key: id, j: &journal{}, fake: provider.New(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	must(t, wallet.Create(t.Context(), o.path, wallet.AgeRecipients{Recipients: []age.Recipient{id.Recipient()}}, o.options()))
	o.w, err = wallet.Open(t.Context(), o.path, wallet.AgeIdentities{id}, o.options())
	must(t, err)
	t.Cleanup(o.w.Close)
	s := httptest.NewServer(o.fake)
	t.Cleanup(s.Close)
	o.check, err = probe.New(probe.Config{Kind: "openai", URL: s.URL})
	must(t, err)
	o.rot = &rotation.Rotator{Wallet: o.w, Recorder: o.j, Actor: portcullis.Actor{ID: "ops"}}
	must(t, o.w.Put(t.Context(), wallet.New{Name: "k", Provider: "openai"}, []byte("old")))
	o.fake.Set("old", provider.Valid)
	o.j.take()
	return o
}

func (o *world) options() wallet.Options {
	return wallet.Options{Recorder: o.j, Actor: portcullis.Actor{ID: "ops"}, Clock: func() time.Time { return o.now }}
}

func (o *world) plan() rotation.Plan {
	return rotation.Plan{Name: "k", Check: o.check, Overlap: time.Hour, Discard: true}
}

func (o *world) want(which wallet.Which, value string) {
	o.t.Helper()
	v, _, err := o.w.Reveal(o.t.Context(), "k", which, false)
	if value == "" {
		if !errors.Is(err, wallet.ErrState) {
			o.t.Errorf("there is a %s value: %v", which, err)
		}
		return
	}
	if err != nil || v.Reveal() != value {
		o.t.Errorf("the %s value is another: %v", which, err)
	}
}

func TestTaken(t *testing.T) {
	t.Parallel()
	o := newWorld(t)
	o.fake.Set("new", provider.Valid)
	out, err := o.rot.Rotate(t.Context(), o.plan(), []byte("new"))
	if err != nil || out.Result.Verdict != probe.Accepted || out.Version != 2 {
		t.Fatalf("%+v %v", out, err)
	}
	want := []string{
		"SECRET_WRITTEN INFO pending wallet.stage  provider=openai version=2", "SECRET_WRITTEN INFO success wallet.stage  provider=openai version=2",
		"SECRET_READ INFO success wallet.get  provider=openai version=2",
		"SECRET_VERIFIED INFO success wallet.ask accepted version=2 provider=openai why=reply",
		"SECRET_ROTATED INFO pending wallet.promote  provider=openai version=2 rotated_by=ops", "SECRET_ROTATED INFO success wallet.promote  provider=openai version=2 rotated_by=ops",
	}
	if got := o.j.take(); !slices.Equal(got, want) {
		t.Errorf("recorded\n%s", strings.Join(got, "\n"))
	}
	o.want(wallet.Current, "new")
	o.want(wallet.Previous, "old")
	o.want(wallet.Pending, "")
}

func TestEmergency(t *testing.T) {
	t.Parallel()
	o := newWorld(t)
	o.fake.Set("new", provider.Valid)
	p := o.plan()
	p.Overlap = 0
	_, err := o.rot.Rotate(t.Context(), p, []byte("new"))
	must(t, err)
	o.want(wallet.Current, "new")
	o.want(wallet.Previous, "")
}

// TestNotTaken: whatever the provider says but yes, the old value serves; only
// what it refuses is ever dropped, and only if asked for.
func TestNotTaken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		state   provider.State
		keep    bool
		why     error
		pending string
		event   string
	}{
		{"", false, rotation.ErrRefused, "", "SECRET_ROTATION_FAILED ERROR failure wallet.rotate refused version=2 provider=openai why=refused"},
		{"", true, rotation.ErrRefused, "new", "SECRET_ROTATION_FAILED ERROR failure wallet.rotate refused version=2 provider=openai why=refused"},
		{provider.Limited, false, rotation.ErrUnknown, "new", "SECRET_ROTATION_FAILED WARN failure wallet.rotate unknown version=2 provider=openai why=limited"},
		{provider.Busy, false, rotation.ErrUnknown, "new", "SECRET_ROTATION_FAILED WARN failure wallet.rotate unknown version=2 provider=openai why=overloaded"},
		{provider.Broken, false, rotation.ErrUnknown, "new", "SECRET_ROTATION_FAILED WARN failure wallet.rotate unknown version=2 provider=openai why=overloaded"},
		{provider.Captured, false, rotation.ErrUnknown, "new", "SECRET_ROTATION_FAILED WARN failure wallet.rotate unknown version=2 provider=openai why=reply"},
	} {
		o := newWorld(t)
		o.fake.Set("new", c.state)
		p := o.plan()
		p.Discard = !c.keep
		_, err := o.rot.Rotate(t.Context(), p, []byte("new"))
		if !errors.Is(err, c.why) || strings.Contains(err.Error(), "new:") {
			t.Errorf("%q: %v", c.state, err)
		}
		if got := o.j.take(); !slices.Contains(got, c.event) {
			t.Errorf("%q: recorded\n%s", c.state, strings.Join(got, "\n"))
		}
		o.want(wallet.Current, "old")
		o.want(wallet.Pending, c.pending)
		if c.pending == "" {
			continue
		}
		o.fake.Set("new", provider.Valid) // and later it works
		_, err = o.rot.Finish(t.Context(), p)
		must(t, err)
		o.want(wallet.Current, "new")
	}
}

// TestAnotherValueMeanwhile: what is promoted is what the provider was asked
// about.
func TestAnotherValueMeanwhile(t *testing.T) {
	t.Parallel()
	o := newWorld(t)
	o.fake.Set("new", provider.Valid)
	must(t, o.w.Stage(t.Context(), "k", []byte("new")))
	p := o.plan()
	p.Check = meanwhile(func() {
		must(t, o.w.Abort(t.Context(), "k"))
		must(t, o.w.Stage(t.Context(), "k", []byte("unverified")))
	})
	if _, err := o.rot.Finish(t.Context(), p); !errors.Is(err, wallet.ErrState) {
		t.Errorf("%v", err)
	}
	o.want(wallet.Current, "old")
	o.want(wallet.Pending, "unverified")
	o2 := newWorld(t)
	must(t, o2.w.Stage(t.Context(), "k", []byte("new")))
	p.Check = meanwhile(func() { must(t, o2.w.Abort(t.Context(), "k")) })
	if _, err := o2.rot.Finish(t.Context(), p); !errors.Is(err, wallet.ErrState) {
		t.Errorf("dropped meanwhile: %v", err)
	}
	if _, err := o2.rot.Finish(t.Context(), p); !errors.Is(err, wallet.ErrState) {
		t.Errorf("nothing waits: %v", err)
	}
}

type meanwhile func()

func (f meanwhile) Ask(context.Context, []byte) probe.Result {
	f()
	return probe.Result{Verdict: probe.Accepted, Why: "reply"}
}

// TestNotRecordedNotDone: without the journal no value serves.
func TestNotRecordedNotDone(t *testing.T) {
	t.Parallel()
	for _, refuse := range []portcullis.EventType{portcullis.EventSecretWritten, portcullis.EventSecretRead, portcullis.EventSecretVerified, portcullis.EventSecretRotated} {
		o := newWorld(t)
		o.fake.Set("new", provider.Valid)
		o.j.refuse = refuse
		if _, err := o.rot.Rotate(t.Context(), o.plan(), []byte("new")); err == nil {
			t.Errorf("%s: done", refuse)
		}
		o.j.refuse = ""
		o.want(wallet.Current, "old")
	}
}

func TestVerifyAndTry(t *testing.T) {
	t.Parallel()
	o := newWorld(t)
	out, err := o.rot.Verify(t.Context(), "k", wallet.Current, o.check)
	if err != nil || out.Result.Verdict != probe.Accepted || out.Version != 1 {
		t.Errorf("%+v %v", out, err)
	}
	if _, err := o.rot.Verify(t.Context(), "k", wallet.Previous, o.check); !errors.Is(err, wallet.ErrState) {
		t.Errorf("a value that is not there: %v", err)
	}
	o.j.take()
	if out := rotation.Try(t.Context(), o.check, []byte("bad")); out.Result.Verdict != probe.Refused {
		t.Errorf("%+v", out)
	}
	if got := o.j.take(); len(got) != 0 {
		t.Errorf("a try was recorded: %v", got)
	}
	must(t, o.rot.Failed(t.Context(), wallet.Entry{Name: "k", Provider: "openai", Version: 1}))
	if got := o.j.take(); len(got) != 1 || got[0] != "SECRET_ROTATION_FAILED ERROR failure wallet.rotate novalue version=1 provider=openai" {
		t.Errorf("%v", got)
	}
}
