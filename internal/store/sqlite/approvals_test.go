package sqlite_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/approval"
	"github.com/portcullis-dev/portcullis/internal/authz/metatool"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
	"github.com/portcullis-dev/portcullis/internal/store/storetest"
)

func TestApprovalStore(t *testing.T) {
	storetest.Approvals(t, func(t *testing.T) approval.Store { return open(t, filepath.Join(t.TempDir(), "a.db")).Approvals() })
}

// desk is an approval service on a real database with a clock of its own.
type desk struct {
	*approval.Service
	db  *sqlite.DB
	now time.Time
	log []portcullis.Event
	mu  sync.Mutex
}

func (d *desk) Record(_ context.Context, e *portcullis.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, *e)
	return nil
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{db: open(t, filepath.Join(t.TempDir(), "a.db")), now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	if d.Service, err = approval.New(d.db.Approvals(), d, make([]byte, approval.KeySize), func() time.Time { return d.now }); err != nil {
		t.Fatal(err)
	}
	return d
}

func guardOf(t interface {
	Helper()
	Fatal(...any)
}, d *desk, cfg approval.Config) *approval.Guard {
	t.Helper()
	g, err := approval.NewGuard(d.Service, "files", []string{"delete_*"}, []metatool.Tool{{Tool: "call_tool", Name: "/tool"}}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func message(tool, args string) *portcullis.Message {
	raw := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":` + args + `,"_meta":{"progressToken":7}}}`
	return &portcullis.Message{
		Shape: portcullis.ShapeRequest, Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: tool}, Raw: []byte(raw), Arguments: []byte(args),
	}
}

func principal(id string) portcullis.Principal {
	return portcullis.Principal{ID: id, Method: "api_key", KeyID: "key-of-" + id}
}

// refusal returns what a held call was told, and the id of its request.
func refusal(t *testing.T, err error) (reason, id string) {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) {
		t.Fatalf("err = %v, want a refusal", err)
	}
	id, _ = e.Data["approvalId"].(string)
	return e.Reason, id
}

// TestDigestsAreKeyed: who reads the database cannot try what a call may have
// held.
func TestDigestsAreKeyed(t *testing.T) {
	digest := func(key byte) [32]byte {
		d := newDesk(t)
		var err error
		if d.Service, err = approval.New(d.db.Approvals(), d, bytes.Repeat([]byte{key}, approval.KeySize), func() time.Time { return d.now }); err != nil {
			t.Fatal(err)
		}
		_, err = guardOf(t, d, approval.Default()).Inspect(t.Context(), principal("alice"), message("delete_file", `{"ssn":"078-05-1120"}`))
		_, id := refusal(t, err)
		r, err := d.db.Approvals().Approval(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return r.Digest
	}
	one := digest(1)
	if again := digest(1); again != one {
		t.Error("the same call under the same key has another digest")
	}
	if digest(2) == one {
		t.Error("the digest does not depend on the key")
	}
}

func TestOnlyTheApprovedCallPassesOnce(t *testing.T) {
	d := newDesk(t)
	g := guardOf(t, d, approval.Default())
	ctx := t.Context()
	if _, err := g.Inspect(ctx, principal("alice"), message("read_file", `{}`)); err != nil {
		t.Fatalf("a tool that needs no approval: %v", err)
	}
	_, err := g.Inspect(ctx, principal("alice"), message("delete_file", `{"path":"/a","n":9007199254740993}`))
	reason, id := refusal(t, err)
	if reason != "approval_required" {
		t.Fatalf("reason %q", reason)
	}
	if _, err := g.Inspect(ctx, principal("alice"), message("delete_file", `{"n":9007199254740993,"path":"/a"}`)); err == nil {
		t.Fatal("an unapproved call passed")
	} else if _, again := refusal(t, err); again != id {
		t.Error("the same call in another order of members made a second request")
	}
	bob := portcullis.Actor{ID: "bob", Method: "socket"}
	for name, by := range map[string]portcullis.Actor{
		"the caller": {ID: "alice"}, "the caller's key": {ID: "someone", KeyID: "key-of-alice"}, "nobody": {},
	} {
		if _, err := d.Decide(ctx, id, approval.Decision{Approve: true, By: by}); !errors.Is(err, approval.ErrSelf) {
			t.Errorf("%s approved: %v", name, err)
		}
	}
	v, err := d.Show(ctx, id)
	if err != nil || !json.Valid(v.Parameters) || !bytes.Contains(v.Parameters, []byte(`9007199254740993`)) || bytes.Contains(v.Parameters, []byte("_meta")) {
		t.Fatalf("Show = %s, %v", v.Parameters, err)
	}
	if _, err := d.Decide(ctx, id, approval.Decision{Approve: true, By: bob}); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]struct {
		who  string
		tool string
		args string
	}{
		"another caller":        {"mallory", "delete_file", `{"path":"/a","n":9007199254740993}`},
		"another argument":      {"alice", "delete_file", `{"path":"/b","n":9007199254740993}`},
		"a number nearly equal": {"alice", "delete_file", `{"path":"/a","n":9007199254740992}`},
		"another tool":          {"alice", "delete_all", `{"path":"/a","n":9007199254740993}`},
		"one argument more":     {"alice", "delete_file", `{"path":"/a","n":9007199254740993,"force":true}`},
	} {
		if _, err := g.Inspect(ctx, principal(try.who), message(try.tool, try.args)); err == nil {
			t.Errorf("%s passed", name)
		}
	}
	m, err := g.Inspect(ctx, principal("alice"), message("delete_file", `{"path":"/a","n":9007199254740993}`))
	if err != nil {
		t.Fatalf("the approved call: %v", err)
	}
	if len(m.Notes) != 1 || m.Notes[0].Type != portcullis.EventApprovalUsed {
		t.Errorf("notes %+v", m.Notes)
	}
	if _, err := g.Inspect(ctx, principal("alice"), message("delete_file", `{"path":"/a","n":9007199254740993}`)); err == nil {
		t.Error("an approval was good for two calls")
	}
	for _, e := range d.log {
		for _, a := range e.Details {
			if strings.Contains(a.Value.String(), "/a") {
				t.Errorf("event %s holds an argument: %v", e.Type, a)
			}
		}
	}
}

func TestAToolInsideAToolNeedsApprovalToo(t *testing.T) {
	g := guardOf(t, newDesk(t), approval.Default())
	_, err := g.Inspect(t.Context(), principal("alice"), message("call_tool", `{"tool":"delete_all"}`))
	if reason, _ := refusal(t, err); reason != "approval_required" {
		t.Errorf("reason %q", reason)
	}
	if _, err := g.Inspect(t.Context(), principal("alice"), message("call_tool", `{"tool":"read_file"}`)); err != nil {
		t.Errorf("a tool inside that needs none: %v", err)
	}
}

func TestParametersAreStoredEncrypted(t *testing.T) {
	d := newDesk(t)
	_, err := guardOf(t, d, approval.Default()).Inspect(t.Context(), principal("alice"), message("delete_file", `{"path":"canary-5519"}`))
	_, id := refusal(t, err)
	r, err := d.db.Approvals().Approval(t.Context(), id)
	if err != nil || bytes.Contains(r.Sealed, []byte("canary")) {
		t.Errorf("stored %q, %v", r.Sealed, err)
	}
}

func TestTooMuchToReadIsRefused(t *testing.T) {
	d := newDesk(t)
	_, err := guardOf(t, d, approval.Default()).Inspect(t.Context(), principal("alice"), message("delete_file", `{"p":"`+strings.Repeat("x", 65<<10)+`"}`))
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindTooLarge {
		t.Errorf("err = %v", err)
	}
}

func TestAHeldCallGoesOnWhenApproved(t *testing.T) {
	d := newDesk(t)
	cfg := approval.Default()
	cfg.Wait = time.Minute
	g := guardOf(t, d, cfg)
	done := make(chan error, 1)
	go func() {
		_, err := g.Inspect(t.Context(), principal("alice"), message("delete_file", `{}`))
		done <- err
	}()
	var list []approval.View
	for len(list) == 0 {
		select {
		case err := <-done:
			t.Fatalf("the call did not wait: %v", err)
		default:
		}
		var err error
		if list, err = d.List(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Decide(t.Context(), list[0].ID, approval.Decision{Approve: true, By: portcullis.Actor{ID: "bob"}}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("the approved call: %v", err)
	}
}

func TestAHeldCallEndsWithItsCaller(t *testing.T) {
	d := newDesk(t)
	cfg := approval.Default()
	cfg.Wait = 10 * time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := guardOf(t, d, cfg).Inspect(ctx, principal("alice"), message("delete_file", `{}`)); err == nil {
		t.Error("a call whose caller left passed")
	}
}

// TestApprovalsAreUsedAtMostOnce drives the desk with random callers, words and
// times against a model that counts.
func TestApprovalsAreUsedAtMostOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newDesk(t)
		g := guardOf(rt, d, approval.Config{Expiry: time.Hour, Use: 10 * time.Minute})
		credit := map[string]time.Time{} // call → until when its one approval counts
		waiting := map[string]string{}   // request → call
		callers, args := rapid.SampledFrom([]string{"alice", "carol"}), rapid.SampledFrom([]string{`{"a":1}`, `{"a":2}`})
		rt.Repeat(map[string]func(*rapid.T){
			"call": func(rt *rapid.T) {
				who, arg := callers.Draw(rt, "who"), args.Draw(rt, "args")
				_, err := g.Inspect(t.Context(), principal(who), message("delete_file", arg))
				until, approved := credit[who+arg]
				if want := approved && d.now.Before(until); (err == nil) != want {
					rt.Fatalf("%s %s passed = %t, want %t (%v)", who, arg, err == nil, want, err)
				}
				if err == nil {
					delete(credit, who+arg)
					return
				}
				if reason, id := refusal(t, err); reason == "approval_required" {
					waiting[id] = who + arg
				}
			},
			"decide": func(rt *rapid.T) {
				list, err := d.List(t.Context(), false)
				if err != nil {
					rt.Fatal(err)
				}
				if len(list) == 0 {
					rt.Skip("nothing waits")
				}
				v, yes := rapid.SampledFrom(list).Draw(rt, "request"), rapid.Bool().Draw(rt, "yes")
				if _, err := d.Decide(t.Context(), v.ID, approval.Decision{Approve: yes, By: portcullis.Actor{ID: "bob"}}); err != nil {
					rt.Fatal(err)
				}
				if yes {
					credit[waiting[v.ID]] = d.now.Add(10 * time.Minute)
				}
			},
			"time passes": func(rt *rapid.T) {
				d.now = d.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(rt, "minutes")) * time.Minute)
			},
		})
	})
}
