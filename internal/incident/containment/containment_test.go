package containment

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// memory is a store and a recorder that can be made to fail.
type memory struct {
	mu     sync.Mutex
	kept   map[string]Containment
	events []portcullis.Event
	fail   error // of the store
	mute   error // of the recorder
}

func newMemory() *memory { return &memory{kept: map[string]Containment{}} }

func (m *memory) SaveContainment(_ context.Context, c Containment) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	c.Cleared = slices.Clone(c.Cleared)
	m.kept[c.ID] = c
	return nil
}

func (m *memory) ActiveContainments(context.Context) (out []Containment, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.kept {
		if c.EndedAt.IsZero() {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Containment) int { return strings.Compare(a.ID, b.ID) })
	return out, m.fail
}

func (m *memory) Containments(context.Context, int) (out []Containment, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.kept {
		out = append(out, c)
	}
	return out, m.fail
}

func (m *memory) AutoContainments(_ context.Context, since time.Time) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.kept {
		if c.Auto && c.At.After(since) {
			n++
		}
	}
	return n, m.fail
}

func (m *memory) Record(_ context.Context, e *portcullis.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mute != nil {
		return m.mute
	}
	m.events = append(m.events, *e)
	return nil
}

func (m *memory) actions() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, e := range m.events {
		out = append(out, e.Action+" "+string(e.Outcome))
	}
	return strings.Join(out, ", ")
}

var (
	root  = portcullis.Actor{ID: "local:root", Method: "socket"}
	alice = portcullis.Principal{ID: "user:alice", Method: "basic", KeyID: "s1"}
	robot = portcullis.Principal{ID: "key:k1", Method: "api_key", KeyID: "k1"}
	far   = netip.MustParseAddr("203.0.113.9")
	near  = netip.MustParseAddr("198.51.100.1")
)

func newBook(t testing.TB, m *memory) *Book {
	t.Helper()
	b, err := NewBook(t.Context(), m, m, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func subject(t testing.TB, text string) Subject {
	t.Helper()
	s, err := ParseSubject(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func contain(t testing.TB, b *Book, text string, m Measure, more ...func(*Containment)) Containment {
	t.Helper()
	c := Containment{Subject: subject(t, text), Measure: m, Reason: "test", Until: b.now().Add(time.Hour)}
	if m == Throttle {
		c.PerHour = 60
	}
	for _, f := range more {
		f(&c)
	}
	c, err := b.Contain(t.Context(), c, root)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// reason is what a call of who from addr is refused for, "" if it passes.
func reason(t testing.TB, g portcullis.Container, who portcullis.Principal, addr netip.Addr) string {
	t.Helper()
	err := g.CheckContained(t.Context(), &portcullis.Conn{Client: addr}, who)
	if err == nil {
		return ""
	}
	var e *portcullis.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no refusal", err)
	}
	if e.Event != portcullis.EventCallContained || len(e.Facts) < 3 || strings.Contains(e.Public, "test") {
		t.Errorf("refusal %+v", e)
	}
	return fmt.Sprintf("%d %s", e.Kind.Status(), e.Reason)
}

func TestSubjects(t *testing.T) {
	for text, want := range map[string]Subject{
		"user:alice":         {Kind: KindPrincipal, ID: "user:alice"},
		"issuer|a b":         {Kind: KindPrincipal, ID: "issuer|a b"},
		"principal:key:k1":   {Kind: KindPrincipal, ID: "key:k1"},
		"principal:ip:x":     {Kind: KindPrincipal, ID: "ip:x"},
		"key:k1":             {Kind: KindCredential, ID: "k1"},
		"session:s1":         {Kind: KindCredential, ID: "s1"},
		"tool:files/a/b c":   {Kind: KindTool, Route: "files", ID: "a/b c"},
		"ip:203.0.113.9":     {Kind: KindAddress, Net: netip.MustParsePrefix("203.0.113.9/32")},
		"ip:::ffff:10.0.0.1": {Kind: KindAddress, Net: netip.MustParsePrefix("10.0.0.1/32")},
		"ip:10.0.0.0/8":      {Kind: KindAddress, Net: netip.MustParsePrefix("10.0.0.0/8")},
		"route:files":        {Kind: KindRoute, Route: "files"},
		"upstream:a.b:8443":  {Kind: KindUpstream, ID: "a.b:8443"},
		"everything":         {Kind: KindEverything},
		"principal:route:x":  {Kind: KindPrincipal, ID: "route:x"},
		"ip:2001:db8::/64":   {Kind: KindAddress, Net: netip.MustParsePrefix("2001:db8::/64")},
	} {
		got, err := ParseSubject(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
		if back, err := ParseSubject(got.String()); err != nil || back != got {
			t.Errorf("%q reads back as %+v, %v", got, back, err)
		}
	}
	for _, bad := range []string{
		"", "key:", "session:", "tool:files", "tool:/x", "tool:files/", "principal:", "route:", "upstream:", "ip:", "ip:10.0.0.1/8", "ip:0.0.0.0/0", "ip:10.0.0.0/7",
		"ip:2000::/3", "ip:fe80::1%eth0", "ip:::ffff:10.0.0.0/104", "ip:alice", strings.Repeat("x", MaxSubject+1),
	} {
		if got, err := ParseSubject(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %+v, %v", bad, got, err)
		}
	}
}

func FuzzParseSubject(f *testing.F) {
	for _, s := range []string{"user:alice", "key:k", "ip:10.0.0.0/8", "ip:2001:db8::1", "tool:a/b", "principal:principal:x", "session:", "everything", "principal:everything", "route:a", "upstream:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSubject(text)
		if err != nil {
			return
		}
		if len(s.String()) > MaxSubject { // the word before it makes it longer than what is taken
			return
		}
		if back, err := ParseSubject(s.String()); err != nil || back != s {
			t.Fatalf("%q means %+v, which is written %q and means %+v, %v", text, s, s, back, err)
		}
	})
}

func TestWhoIsRefused(t *testing.T) {
	const blocked = "403 contained"
	for _, c := range []struct {
		text    string
		measure Measure
		alice   string // from near
		robot   string // from near
		far     string // robot from far
	}{
		{"user:alice", Block, blocked, "", ""},
		{"session:s1", Block, blocked, "", ""},
		{"key:k1", Block, "", blocked, blocked},
		{"principal:key:k1", Block, "", blocked, blocked},
		{"ip:203.0.113.9", Block, "", "", blocked},
		{"ip:203.0.113.0/24", Block, "", "", blocked},
		{"ip:198.51.100.0/24", Block, blocked, blocked, ""},
		{"user:alice", StepUp, "401 step_up_required", "", ""},
		{"key:k1", StepUp, "", "403 step_up_required", "403 step_up_required"},
		{"user:alice", Throttle, "", "", ""},
		{"tool:files/x", Block, "", "", ""},
	} {
		m := newMemory()
		b := newBook(t, m)
		b.tools = freeTools{}
		g := b.Guard()
		if reason(t, g, alice, near) != "" || reason(t, g, robot, far) != "" {
			t.Fatal("somebody is refused before anybody is contained")
		}
		made := contain(t, b, c.text, c.measure)
		for who, want := range map[*portcullis.Principal]string{&alice: c.alice, &robot: c.robot} {
			if got := reason(t, g, *who, near); got != want {
				t.Errorf("%s of %s: %s gets %q, want %q", c.measure, c.text, who.ID, got, want)
			}
		}
		if got := reason(t, g, robot, far); got != c.far {
			t.Errorf("%s of %s: from far %q, want %q", c.measure, c.text, got, c.far)
		}
		if got := reason(t, g.Admin(), robot, far); got != "" {
			t.Errorf("%s of %s: the admin listener refuses: %q", c.measure, c.text, got)
		}
		if again := newBook(t, m); reason(t, again.Guard(), robot, near) != c.robot {
			t.Errorf("%s of %s: forgotten by a restart", c.measure, c.text)
		}
		if _, err := b.Release(t.Context(), made.ID, "", root); err != nil {
			t.Fatal(err)
		}
		if reason(t, g, alice, near)+reason(t, g, robot, far) != "" {
			t.Errorf("%s of %s: still refused after the release", c.measure, c.text)
		}
		if got := m.actions(); got != "contain success, release success" {
			t.Errorf("recorded: %s", got)
		}
	}
}

type freeTools struct{}

func (freeTools) Hold(context.Context, string, string, string, portcullis.Actor) (string, error) {
	return "v1", nil
}

func (freeTools) Release(_ context.Context, _, _, was, _ string, _ portcullis.Actor) (bool, error) {
	return was == "v1", nil
}

func TestEdgeRefusesAddressesOnly(t *testing.T) {
	b := newBook(t, newMemory())
	contain(t, b, "ip:203.0.113.9", Block)
	contain(t, b, "user:alice", Block)
	if err := b.Guard().CheckConn(t.Context(), &portcullis.Conn{Client: far}); err == nil {
		t.Error("a contained address may try credentials")
	}
	if err := b.Guard().CheckConn(t.Context(), &portcullis.Conn{Client: near}); err != nil {
		t.Error(err)
	}
	if err := new(Guard).CheckConn(t.Context(), &portcullis.Conn{Client: far}); err != nil {
		t.Errorf("a guard of no book: %v", err)
	}
}

func TestAdminListener(t *testing.T) {
	b := newBook(t, newMemory())
	contain(t, b, "key:k1", Block, func(c *Containment) { c.Admin = true })
	if reason(t, b.Guard().Admin(), robot, near) == "" {
		t.Error("what holds on the admin listener too, does not")
	}
}

func TestItEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		b := newBook(t, m)
		contain(t, b, "user:alice", Block)
		time.Sleep(time.Hour - time.Millisecond)
		if reason(t, b.Guard(), alice, near) == "" {
			t.Error("over too early")
		}
		time.Sleep(time.Millisecond)
		if reason(t, b.Guard(), alice, near) != "" || len(b.Active()) != 0 {
			t.Error("not over in time") // before anybody swept
		}
		if err := b.Sweep(t.Context()); err != nil || m.actions() != "contain success, expire success" {
			t.Errorf("%v: %s", err, m.actions())
		}
		if _, err := b.Release(t.Context(), "user:alice", "", root); !errors.Is(err, ErrNotFound) {
			t.Errorf("releasing what is over: %v", err)
		}
	})
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, newMemory())
		made := contain(t, b, "user:alice", Throttle) // 60 an hour, 6 at once
		call := func(who portcullis.Principal) error {
			return b.Guard().CheckCaller(t.Context(), &portcullis.Conn{Client: near}, who, portcullis.Action{})
		}
		pass := 0
		var last error
		for range 30 {
			if last = call(alice); last == nil {
				pass++
			}
		}
		var e *portcullis.Error
		if pass != 6 || !errors.As(last, &e) || e.Kind != portcullis.KindRateLimited || e.RetryAfter != time.Minute {
			t.Errorf("%d of 30 pass at once, then %+v", pass, e)
		}
		if err := call(robot); err != nil {
			t.Error(err)
		}
		contain(t, b, "user:alice", Throttle, func(c *Containment) { c.Until = b.now().Add(2 * time.Hour) }) // counts go on
		for range 59 {
			time.Sleep(time.Minute)
			if err := call(alice); err != nil {
				t.Fatal(err)
			}
			if call(alice) == nil {
				t.Fatal("two in a minute")
			}
		}
		if got := b.Active(); len(got) != 1 || got[0].ID != made.ID || !got[0].Until.After(made.Until) {
			t.Errorf("a second throttle of the same: %+v", got)
		}
	})
}

func TestStepUpEndsWithALogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		b := newBook(t, m)
		before := b.now()
		time.Sleep(time.Second)
		contain(t, b, "user:alice", StepUp)
		if reason(t, b.Guard().Login(), alice, near) != "" {
			t.Error("who has to log in anew is kept from it")
		}
		if err := b.LoggedIn(t.Context(), "user:alice", "s1", before); err != nil || reason(t, b.Guard(), alice, near) == "" {
			t.Errorf("a login from before counts: %v", err)
		}
		time.Sleep(time.Second)
		fresh := alice
		fresh.KeyID = "s2"
		if err := errors.Join(b.LoggedIn(t.Context(), "user:alice", "s2", b.now()), b.LoggedIn(t.Context(), "user:bob", "s1", b.now())); err != nil {
			t.Fatal(err)
		}
		if reason(t, b.Guard(), fresh, near) != "" || reason(t, b.Guard(), alice, near) == "" {
			t.Error("the new session passes and the old one does not: not so")
		}
		if again := newBook(t, m); reason(t, again.Guard(), fresh, near) != "" {
			t.Error("the login was forgotten by a restart")
		}
		contain(t, b, "user:alice", Block)
		if got := reason(t, b.Guard(), alice, near); got != "403 contained" {
			t.Errorf("a block beside a step-up: %q", got)
		}
	})
}

func TestStreamsEnd(t *testing.T) {
	b := newBook(t, newMemory())
	ended := make(chan string, 4)
	watch := func(name string, who portcullis.Principal, from netip.Addr) func() {
		return b.Guard().Watch(&portcullis.Conn{Client: from}, who, func() { ended <- name })
	}
	defer watch("robot", robot, near)()
	stop := watch("gone", alice, near)
	defer watch("alice", alice, near)()
	stop()
	contain(t, b, "user:alice", Block)
	if got := <-ended; got != "alice" {
		t.Errorf("%s ends", got)
	}
	defer watch("late", alice, near)() // let in just before, watched just behind
	if got := <-ended; got != "late" {
		t.Errorf("%s ends", got)
	}
	contain(t, b, "ip:198.51.100.1", Block)
	if got := <-ended; got != "robot" && got != "late" {
		t.Errorf("%s ends", got)
	}
}

// TestStreamsOfARouteEnd: what closes a route, an upstream or everything ends
// the streams that are open there, and no other.
func TestStreamsOfARouteEnd(t *testing.T) {
	b := newBook(t, newMemory())
	b.UseUpstreams(map[string]string{"a": "one", "b": "two", "c": "three"})
	ended := make(chan string, 4)
	for _, route := range []string{"a", "b", "c"} {
		defer b.Guard().Watch(&portcullis.Conn{Client: near, Route: route}, alice, func() { ended <- route })()
	}
	for _, step := range [][2]string{{"route:a", "a"}, {"upstream:two", "b"}, {"everything", "c"}} {
		contain(t, b, step[0], Block)
		if got := <-ended; got != step[1] {
			t.Errorf("%s ends the stream of %s", step[0], got)
		}
	}
	if len(ended) != 0 {
		t.Errorf("%s ends twice", <-ended)
	}
	if err := b.Guard().CheckConn(t.Context(), &portcullis.Conn{Client: near, Route: "other"}); err == nil {
		t.Error("everything leaves a route open")
	}
	contain(t, b, "route:d", Throttle, func(c *Containment) { c.PerHour = 1 })
}

func TestNotRecordedNotDone(t *testing.T) {
	m := newMemory()
	b := newBook(t, m)
	ask := Containment{Subject: subject(t, "user:alice"), Measure: Block, Reason: "x", Until: time.Now().Add(time.Hour)}
	m.mute = errors.New("disk full")
	if _, err := b.Contain(t.Context(), ask, root); err == nil || reason(t, b.Guard(), alice, near) != "" {
		t.Errorf("contained without a record: %v", err)
	}
	m.mute, m.fail = nil, errors.New("database gone")
	if _, err := b.Contain(t.Context(), ask, root); err == nil || reason(t, b.Guard(), alice, near) != "" {
		t.Errorf("contained without being stored: %v", err)
	}
	if got := m.actions(); got != "contain success, contain failure" {
		t.Errorf("recorded: %s", got)
	}
	m.fail = nil
	contain(t, b, "user:alice", Block)
	m.mute = errors.New("disk full")
	if _, err := b.Release(t.Context(), "user:alice", "", root); err == nil || reason(t, b.Guard(), alice, near) == "" {
		t.Errorf("released without a record: %v", err)
	}
	m.fail = errors.New("gone")
	if _, err := NewBook(t.Context(), m, m, nil, nil); err == nil {
		t.Error("a store that cannot be read passes for an empty one")
	}
}

func TestValidate(t *testing.T) {
	now := time.Now()
	good := Containment{Subject: subject(t, "user:alice"), Measure: Block, Reason: "x", At: now, Until: now.Add(time.Hour)}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Containment){
		"no subject":       func(c *Containment) { c.Subject = Subject{} },
		"subject too wide": func(c *Containment) { c.Subject = Subject{Kind: KindAddress, Net: netip.MustParsePrefix("0.0.0.0/0")} },
		"measure":          func(c *Containment) { c.Measure = "shout" },
		"tool throttled":   func(c *Containment) { c.Subject, c.Measure, c.PerHour = subject(t, "tool:a/b"), Throttle, 1 },
		"address step-up":  func(c *Containment) { c.Subject, c.Measure = subject(t, "ip:10.0.0.1"), StepUp },
		"route step-up":    func(c *Containment) { c.Subject, c.Measure = subject(t, "route:files"), StepUp },
		"all on admin":     func(c *Containment) { c.Subject, c.Admin = subject(t, "everything"), true },
		"throttle of 0":    func(c *Containment) { c.Measure = Throttle },
		"block of 5":       func(c *Containment) { c.PerHour = 5 },
		"no reason":        func(c *Containment) { c.Reason = "" },
		"long reason":      func(c *Containment) { c.Reason = strings.Repeat("x", MaxReason+1) },
		"over":             func(c *Containment) { c.Until = now },
		"for ever":         func(c *Containment) { c.Until = now.Add(MaxFor + time.Second) },
	} {
		c := good
		change(&c)
		if err := c.Validate(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkCheckContained(b *testing.B) {
	run := func(name string, n int, who portcullis.Principal) {
		b.Run(name, func(b *testing.B) {
			book := newBook(b, newMemory())
			for i := range n {
				book.active = append(book.active, Containment{ID: fmt.Sprint(i), Subject: Subject{Kind: KindPrincipal, ID: fmt.Sprint("user:", i)}, Measure: Block, Until: time.Now().Add(time.Hour)},
					Containment{ID: fmt.Sprint("a", i), Subject: Subject{Kind: KindAddress, Net: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32)}, Measure: Block, Until: time.Now().Add(time.Hour)})
			}
			book.publish()
			conn := &portcullis.Conn{Client: near}
			b.ReportAllocs()
			for b.Loop() {
				_ = book.Guard().CheckContained(b.Context(), conn, who)
			}
		})
	}
	run("nobody", 0, robot)
	run("others", 1000, robot)
}
