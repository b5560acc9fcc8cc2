package crash

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// line is one key as `key list` shows it.
type line struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Status      string `json:"status"`
	Predecessor string `json:"predecessor"`
	Successor   string `json:"successor"`
}

// TestKillInRotation kills `key rotate --all` with SIGKILL at any moment, again
// and again over the same data folder. Each time every line of keys has one
// head that is active, every key that was replaced knows its successor and the
// other way round, and none is lost.
func TestKillInRotation(t *testing.T) {
	const each, rounds = 3, 25 // new keys for each round: those that wait to be fetched do not rotate again
	bin, dir := build(t), t.TempDir()
	data := filepath.Join(dir, "data")
	run := func(stdin string, args ...string) ([]byte, error) {
		cmd := exec.Command(bin, append(args, "--data", data)...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
		return cmd.Output()
	}
	texts := map[string]string{}
	create := func() {
		t.Helper()
		name := fmt.Sprintf("line-%d", len(texts))
		out, err := run("", "key", "create", "--name", name, "--output", "json")
		var made struct{ Key string }
		if err != nil || json.Unmarshal(out, &made) != nil {
			t.Fatalf("creating a key: %v %s", err, out)
		}
		texts[name] = made.Key
	}
	for range each {
		create()
	}
	began := time.Now()
	if _, err := run("", "key", "rotate", "--all", "--output", "json"); err != nil {
		t.Fatalf("rotating: %v", err)
	}
	whole := time.Since(began) // how long it takes when nobody kills it
	last := check(t, run, len(texts))
	killed, moved := 0, 0
	for range rounds {
		for range each {
			create()
		}
		last += each
		cmd := exec.Command(bin, "key", "rotate", "--all", "--data", data)
		cmd.Dir = dir
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-time.After(rand.N(whole))
		if cmd.Process.Kill() == nil && cmd.Wait() != nil {
			killed++
		}
		now := check(t, run, len(texts))
		if now > last {
			moved++
		}
		last = now
	}
	t.Logf("%d of %d rotations were killed, %d rotated at least one key; a whole one takes %s", killed, rounds, moved, whole)
	if killed < rounds/4 || moved == 0 {
		t.Errorf("%d rotations were killed and %d came to something: the kills proved nothing", killed, moved)
	}
	if _, err := run("", "key", "rotate", "--all"); err != nil {
		t.Errorf("rotating after the kills: %v", err)
	}
	check(t, run, len(texts))
	for name, text := range texts { // in their overlap all of them still open the door
		if out, err := run(text, "key", "verify"); err != nil {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
}

// check returns how many keys there are, all of which fit together.
func check(t *testing.T, run func(string, ...string) ([]byte, error), lines int) int {
	t.Helper()
	out, err := run("", "key", "list", "--output", "json")
	if err != nil {
		t.Fatalf("listing the keys: %v", err)
	}
	var keys []line
	if err := json.Unmarshal(out, &keys); err != nil {
		t.Fatal(err)
	}
	byID, heads := map[string]line{}, map[string]int{}
	for _, k := range keys {
		byID[k.ID] = k
	}
	for _, k := range keys {
		switch {
		case k.Successor == "" && k.Status == "active":
			heads[k.Name]++
		case k.Successor == "" || k.Status == "active":
			t.Errorf("key %s is %s with successor %q", k.ID, k.Status, k.Successor)
		case byID[k.Successor].Predecessor != k.ID || byID[k.Successor].Name != k.Name:
			t.Errorf("the successor of %s is %+v", k.ID, byID[k.Successor])
		}
	}
	if len(heads) != lines {
		t.Errorf("%d lines have a head, want %d", len(heads), lines)
	}
	for name, n := range heads {
		if n != 1 {
			t.Errorf("%s has %d heads", name, n)
		}
	}
	return len(keys)
}
