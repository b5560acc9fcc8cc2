package crash

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"
)

// TestKillInRestore kills `backup restore` with SIGKILL at any moment. After
// each, there is no data folder, or a whole one; the next restore needs no help.
func TestKillInRestore(t *testing.T) {
	const rounds = 8
	bin, dir := build(t), t.TempDir()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.txt"), []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(data string, args ...string) ([]byte, error) {
		cmd := exec.Command(bin, append(args, "--data", filepath.Join(dir, data))...)
		cmd.Dir = dir
		return cmd.CombinedOutput()
	}
	if out, err := run("data", "key", "create", "--name", "a", "--scopes", "tools:*"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out, err := run("data", "incident", "evidence"); err != nil { // signs the log
		t.Fatalf("%v %s", err, out)
	}
	if out, err := run("data", "backup", "create", "--out", "b.age", "--age-recipient", id.Recipient().String()); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	began := time.Now()
	if out, err := run("first", "backup", "restore", "b.age", "--identity", "key.txt"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	whole, killed := time.Since(began), 0
	for range rounds {
		cmd := exec.Command(bin, "backup", "restore", "b.age", "--identity", "key.txt", "--data", filepath.Join(dir, "again"))
		cmd.Dir = dir
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-time.After(rand.N(whole))
		if cmd.Process.Kill() == nil && cmd.Wait() != nil {
			killed++
		}
		if _, err := os.Stat(filepath.Join(dir, "again")); err != nil {
			continue // nothing under that name
		}
		if out, err := run("again", "audit", "verify"); err != nil {
			t.Fatalf("half a data folder: %v %s", err, out)
		}
		if err := os.RemoveAll(filepath.Join(dir, "again")); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of %d restores were killed; a whole one takes %s", killed, rounds, whole)
	if killed < rounds/4 {
		t.Errorf("%d restores were killed: the kills proved nothing", killed)
	}
	if out, err := run("again", "backup", "restore", "b.age", "--identity", "key.txt"); err != nil {
		t.Fatalf("restoring after the kills: %v %s", err, out)
	}
	if out, err := run("again", "audit", "verify"); err != nil {
		t.Errorf("%v %s", err, out)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.restoring"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestKillInRotateAll kills `incident rotate-all` with SIGKILL at any moment of a
// run. Who resumes it brings it to its end: each key has one successor.
func TestKillInRotateAll(t *testing.T) {
	const each, rounds = 6, 10
	bin, dir := build(t), t.TempDir()
	data := filepath.Join(dir, "data")
	run := func(_ string, args ...string) ([]byte, error) {
		cmd := exec.Command(bin, append(args, "--data", data)...)
		cmd.Dir = dir
		return cmd.Output()
	}
	type rotation struct {
		ID, Plan, State string
		Items           []struct{ Name, State, Result string }
	}
	ask := func(args ...string) rotation {
		t.Helper()
		var r rotation
		out, err := run("", append(args, "--output", "json")...)
		if err != nil || json.Unmarshal(out, &r) != nil {
			t.Fatalf("%v: %v %s", args, err, out)
		}
		return r
	}
	interrupted := 0
	for range rounds {
		for range each {
			if _, err := run("", "key", "create", "--name", "k", "--scopes", "tools:*"); err != nil {
				t.Fatal(err)
			}
		}
		plan := ask("incident", "rotate-all", "--dry-run")
		if len(plan.Items) != each { // those of earlier rounds wait to be fetched
			t.Fatalf("%d items in the plan, want %d", len(plan.Items), each)
		}
		cmd := exec.Command(bin, "incident", "rotate-all", "--plan", plan.Plan, "--data", data)
		cmd.Dir = dir
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-time.After(rand.N(400 * time.Millisecond))
		_ = cmd.Process.Kill() // it may be over
		_ = cmd.Wait()         // that it was killed is what is wanted
		out, err := run("", "incident", "rotate-all", "--resume", "last", "--output", "json")
		var r rotation
		if err == nil {
			err = json.Unmarshal(out, &r)
		}
		if err != nil || r.Plan != plan.Plan { // killed before the run was stored: nothing happened
			again := ask("incident", "rotate-all", "--dry-run")
			if again.Plan != plan.Plan {
				t.Fatalf("no run, but another plan: %+v", again)
			}
			r = ask("incident", "rotate-all", "--plan", plan.Plan)
		} else {
			interrupted++
		}
		successors := map[string]bool{}
		for _, i := range r.Items {
			if i.State != "done" || i.Result == "" || successors[i.Result] {
				t.Errorf("%s is %s with successor %q", i.Name, i.State, i.Result)
			}
			successors[i.Result] = true
		}
		if len(successors) != each {
			t.Errorf("%d successors, want %d", len(successors), each)
		}
	}
	t.Logf("%d of %d runs were stored when the process was killed", interrupted, rounds)
	checkRotated(t, run, each*rounds)
}

// checkRotated looks at the keys: those that were there are revoked, and each
// has one successor, which knows it.
func checkRotated(t *testing.T, run func(string, ...string) ([]byte, error), lines int) {
	t.Helper()
	out, err := run("", "key", "list", "--output", "json")
	var keys []line
	if err != nil || json.Unmarshal(out, &keys) != nil {
		t.Fatalf("%v %s", err, out)
	}
	byID := map[string]line{}
	for _, k := range keys {
		byID[k.ID] = k
	}
	if len(keys) != 2*lines {
		t.Errorf("%d keys, want %d", len(keys), 2*lines)
	}
	for _, k := range keys {
		if k.Predecessor == "" && (k.Status != "revoked" || byID[k.Successor].Predecessor != k.ID) {
			t.Errorf("key %s is %s, its successor %q is %+v", k.ID, k.Status, k.Successor, byID[k.Successor])
		}
	}
}
