package keyrotation

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
	"github.com/portcullis-dev/portcullis/test/provider"
)

const day = 24 * time.Hour

// world is a data folder with a wallet, and time that a test moves.
type world struct {
	t    *testing.T
	dir  *datadir.Dir
	j    *journal.Journal
	id   *age.X25519Identity
	fake *provider.Fake
	url  string
	hook string // file with what the hook prints
	now  time.Time
	part *Part
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T, text string) *world {
	t.Helper()
	o := &world{t: t, fake: provider.New(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), hook: filepath.Join(t.TempDir(), "next")}
	s := httptest.NewServer(o.fake)
	t.Cleanup(s.Close)
	o.url = s.URL
	var err error
	o.dir, err = datadir.Open(filepath.Join(t.TempDir(), "data"))
	must(t, err)
	t.Cleanup(func() { must(t, o.dir.Close()) })
	o.j, err = journal.Open(o.dir.AuditDir(), journal.Default(), journal.Options{Service: "test"})
	must(t, err)
	t.Cleanup(func() { must(t, o.j.Close(context.Background())) })
	o.id, err = age.GenerateX25519Identity()
	must(t, err)
	must(t, wallet.Create(t.Context(), o.path(), wallet.AgeRecipients{Recipients: []age.Recipient{o.id.Recipient()}}, o.options()))
	must(t, os.WriteFile(o.hook+".sh", []byte("#!/bin/sh\nexec cat "+o.hook+"\n"), 0o700))
	o.restart(text)
	return o
}

func (o *world) path() string { return filepath.Join(o.dir.Path(), wallet.FileName) }

func (o *world) options() wallet.Options {
	return wallet.Options{Recorder: o.j, Clock: func() time.Time { return o.now }}
}

// restart is a new process with a configuration.
func (o *world) restart(text string) {
	o.t.Helper()
	env := map[string]string{"PATH": os.Getenv("PATH"), "WALLET_IDENTITY": o.id.String(), "PROVIDER": o.url, "HOOK": o.hook + ".sh"}
	getenv := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	cfg, _, err := config.Parse("portcullis.toml", []byte("[secrets.wallet]\nidentity = \"secret://env/WALLET_IDENTITY\"\n[secrets.rotation]\nenabled = true\njitter = \"0s\"\n"+text), getenv)
	must(o.t, err)
	p, err := New(part.Env{Dir: o.dir, Journal: o.j, Log: slog.New(slog.DiscardHandler), Getenv: getenv})
	must(o.t, err)
	o.part = p.(*Part)
	o.part.now = func() time.Time { return o.now }
	use, err := o.part.Next(o.t.Context(), cfg, admins{})
	must(o.t, err)
	use()
}

// admins gives the key that makes keys.
type admins struct{}

func (admins) Secret(string) (inject.Secret, error) { return admins{}, nil }
func (admins) Get() (string, uint64, error)         { return "sk-admin", 1, nil }

func (admins) Refresh(context.Context, uint64) (bool, error) { return false, nil }

// look lets time pass and the process look.
func (o *world) look(after time.Duration) {
	o.now = o.now.Add(after)
	o.part.Look(o.t.Context())
}

func (o *world) wallet() *wallet.Wallet {
	o.t.Helper()
	w, err := wallet.Open(o.t.Context(), o.path(), wallet.AgeIdentities{o.id}, o.options())
	must(o.t, err)
	o.t.Cleanup(w.Close)
	return w
}

func (o *world) put(name, prov, value string) {
	o.t.Helper()
	must(o.t, o.wallet().Put(o.t.Context(), wallet.New{Name: name, Provider: prov}, []byte(value)))
	o.fake.Set(value, provider.Valid)
}

// gives says what the hook prints from now on, and what the provider makes of it.
func (o *world) gives(value string, s provider.State) {
	o.t.Helper()
	o.fake.Set(value, s)
	must(o.t, os.WriteFile(o.hook, []byte(value+"\n"), 0o600))
}

func (o *world) want(what, value string, pending, previous uint32) {
	o.t.Helper()
	v, e, err := o.wallet().Get(o.t.Context(), "k")
	if err != nil || v.Reveal() != value || e.Pending != pending || e.Previous != previous {
		o.t.Errorf("%s: %q, pending %d, previous %d, %v; want %q, %d, %d", what, v.Reveal(), e.Pending, e.Previous, err, value, pending, previous)
	}
}

// events returns the events of some types so far: type, outcome and reason.
func (o *world) events(types ...portcullis.EventType) []string {
	o.t.Helper()
	var out []string
	for line, err := range journal.All(o.dir.AuditDir(), journal.Cursor{}) {
		must(o.t, err)
		e, err := auditlog.ParseEntry(line.Entry)
		must(o.t, err)
		if slices.Contains(types, e.Type) {
			out = append(out, fmt.Sprintf("%s %s %s %s %s", e.Type, e.Severity, e.Outcome, e.Actor.ID, e.Reason))
		}
	}
	return out
}

const hooked = "[[secrets.rotation.entry]]\nname = \"k\"\nhook = [\"${HOOK}\"]\nprobe = { url = \"${PROVIDER}\" }\n"

// TestByItself: a key is replaced when it is due, the old one kept for the
// overlap and then dropped, and so on.
func TestByItself(t *testing.T) {
	t.Parallel()
	o := newWorld(t, hooked)
	o.look(0) // an empty wallet
	o.put("k", "openai", "key-1")
	o.put("other", "", "not a key of a provider")
	o.gives("key-2", provider.Valid)
	o.look(0)
	o.look(90*day - time.Second)
	o.want("before it is due", "key-1", 0, 0)
	o.look(time.Second)
	o.want("when it is due", "key-2", 0, 1)
	o.look(day - time.Second)
	o.want("in the overlap", "key-2", 0, 1)
	o.look(time.Second)
	o.want("after the overlap", "key-2", 0, 0)
	o.gives("key-3", provider.Valid)
	o.look(88 * day)
	o.want("before it is due again", "key-2", 0, 0)
	o.look(day)
	o.want("when it is due again", "key-3", 0, 2)
	if got := o.events(portcullis.EventSecretRotated); len(got) != 4 || got[3] != "SECRET_ROTATED INFO success portcullis " {
		t.Errorf("recorded %q", got)
	}
	if got := o.events(portcullis.EventSecretRotationFailed, portcullis.EventSecretRotationDue); len(got) != 0 {
		t.Errorf("recorded %q", got)
	}
}

// TestRefusedByProvider: the old key serves, the event says so, and the next
// try comes later, with what the hook gives then.
func TestRefusedByProvider(t *testing.T) {
	t.Parallel()
	o := newWorld(t, hooked)
	o.put("k", "openai", "key-1")
	o.gives("key-2", "")
	o.look(90 * day)
	o.want("refused", "key-1", 0, 0)
	want := []string{"SECRET_ROTATION_FAILED ERROR failure portcullis refused"}
	if got := o.events(portcullis.EventSecretRotationFailed); !slices.Equal(got, want) {
		t.Errorf("recorded %q", got)
	}
	asked := len(o.fake.Asked())
	o.look(firstTry - time.Second)
	if len(o.fake.Asked()) != asked {
		t.Error("asked again at once")
	}
	o.look(time.Second)
	o.want("refused again", "key-1", 0, 0)
	o.gives("key-3", provider.Valid)
	o.look(firstTry)
	if o.want("too soon", "key-1", 0, 0); len(o.fake.Asked()) != asked+1 {
		t.Error("the time between tries does not grow")
	}
	o.look(firstTry)
	o.want("taken", "key-3", 0, 1)
}

// TestRefusedAndKept waits for somebody to look.
func TestRefusedAndKept(t *testing.T) {
	t.Parallel()
	o := newWorld(t, strings.Replace(hooked, "hook =", "on_refused = \"keep\"\nhook =", 1))
	o.put("k", "openai", "key-1")
	o.gives("key-2", "")
	o.look(90 * day)
	o.want("kept", "key-1", 2, 0)
}

// TestCannotTell: a provider that does not answer neither promotes nor drops; a
// new process goes on with the same value.
func TestCannotTell(t *testing.T) {
	t.Parallel()
	for _, s := range []provider.State{provider.Broken, provider.Busy, provider.Limited, provider.Captured} {
		o := newWorld(t, hooked)
		o.put("k", "openai", "key-1")
		o.gives("key-2", s)
		o.look(90 * day)
		o.want(string(s), "key-1", 2, 0)
		if got := o.events(portcullis.EventSecretRotationFailed); len(got) != 1 || got[0] != "SECRET_ROTATION_FAILED WARN failure portcullis unknown" {
			t.Errorf("recorded %q", got)
		}
		o.gives("key-unused", provider.Valid) // the hook is not asked again
		o.fake.Set("key-2", provider.Valid)
		o.restart(hooked)
		o.look(0)
		o.want("after a restart", "key-2", 0, 1)
	}
}

// TestValueOfAPerson is left to them.
func TestValueOfAPerson(t *testing.T) {
	t.Parallel()
	o := newWorld(t, hooked)
	o.put("k", "openai", "key-1")
	o.fake.Set("by-hand", provider.Valid)
	must(t, o.wallet().Stage(t.Context(), "k", []byte("by-hand")))
	o.gives("key-2", provider.Valid)
	o.look(200 * day)
	o.want("", "key-1", 2, 0)
}

// TestNotices: people are told ahead, once a day, and more loudly when it is
// late.
func TestNotices(t *testing.T) {
	t.Parallel()
	o := newWorld(t, "")
	o.put("k", "openai", "key-1")
	o.put("other", "", "no key of a provider")
	due := func() []string { return o.events(portcullis.EventSecretRotationDue) }
	o.look(76*day - time.Second)
	if got := due(); len(got) != 0 {
		t.Errorf("early: %q", got)
	}
	o.look(time.Second)
	o.look(time.Hour)
	if got := due(); !slices.Equal(got, []string{"SECRET_ROTATION_DUE INFO pending portcullis soon"}) {
		t.Errorf("two weeks ahead: %q", got)
	}
	o.look(day)
	if got := due(); len(got) != 2 {
		t.Errorf("a day later: %q", got)
	}
	o.look(13 * day)
	if got := due(); len(got) != 3 || got[2] != "SECRET_ROTATION_DUE WARN pending portcullis overdue" {
		t.Errorf("late: %q", got)
	}
	w := o.wallet() // a person does it
	must(t, w.Rotate(t.Context(), "k", []byte("key-2"), wallet.Rotation{Overlap: time.Hour}))
	o.look(2 * day)
	o.want("the overlap of a person's rotation has passed", "key-2", 0, 0)
	if got := due(); len(got) != 3 {
		t.Errorf("afterwards: %q", got)
	}
}

// TestNoNewValue: a hook that fails, or gives what the entry has, and a provider
// that nobody can ask.
func TestNoNewValue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ prov, config, gives string }{
		"hook fails":     {"openai", strings.Replace(hooked, "${HOOK}", "/bin/false", 1), "x"},
		"the same value": {"openai", hooked, "key-1"},
		"no probe":       {"ollama", strings.Replace(hooked, "probe = { url = \"${PROVIDER}\" }", "", 1), "key-2"},
	} {
		o := newWorld(t, c.config)
		o.put("k", c.prov, "key-1")
		o.gives(c.gives, provider.Valid)
		o.look(90 * day)
		o.want(name, "key-1", 0, 0)
		if got := o.events(portcullis.EventSecretRotationFailed); len(got) != 1 || got[0] != "SECRET_ROTATION_FAILED ERROR failure portcullis novalue" {
			t.Errorf("%s: recorded %q", name, got)
		}
	}
}

// TestInsecureNoVerify is what it says.
func TestInsecureNoVerify(t *testing.T) {
	t.Parallel()
	o := newWorld(t, strings.Replace(hooked, "hook =", "insecure_no_verify = true\nhook =", 1))
	o.put("k", "ollama", "key-1")
	o.gives("key-2", "")
	o.look(90 * day)
	o.want("", "key-2", 0, 1)
	if asked := o.fake.Asked(); len(asked) != 0 {
		t.Errorf("asked %v", asked)
	}
}

// TestMint: the provider makes the key.
func TestMint(t *testing.T) {
	t.Parallel()
	o := newWorld(t, `[[secrets.rotation.entry]]
name = "k"
probe = { url = "${PROVIDER}" }
mint = { kind = "openai", url = "${PROVIDER}", project = "proj_1", service_account = "user-1", admin_key = "secret://env/ADMIN" }
`)
	o.fake.Set("sk-admin", provider.Valid)
	o.put("k", "openai", "key-1")
	o.look(90 * day)
	o.want("", "sk-svcacct-1", 0, 1)
}

// TestNothingToDo: without a wallet, with one that does not open, and when it is
// not enabled.
func TestNothingToDo(t *testing.T) {
	t.Parallel()
	o := newWorld(t, hooked)
	o.put("k", "openai", "key-1")
	o.gives("key-2", provider.Valid)
	id := o.id
	other, err := age.GenerateX25519Identity()
	must(t, err)
	o.id = other
	o.restart(hooked)
	o.look(90 * day)
	o.id = id
	o.want("it did not open", "key-1", 0, 0)
	o.restart("")
	o.part.cfg.Rotation.Enabled = false
	o.look(0)
	o.want("not enabled", "key-1", 0, 0)
	must(t, os.Remove(o.path()))
	o.restart(hooked)
	o.look(0)
	if asked := o.fake.Asked(); len(asked) != 0 {
		t.Errorf("asked %v", asked)
	}
}
