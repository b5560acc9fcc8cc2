package wallet

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/disk"
)

// step is one change of a random history, the same for every process that asks.
type step struct {
	verb  string
	name  string
	value string
}

// history makes steps that all succeed one after another.
func history(seed uint64, n int) []step {
	r := rand.New(rand.NewPCG(seed, 1))
	have := []string{}
	pending, previous := map[string]bool{}, map[string]bool{}
	var out []step
	for i := range n {
		s := step{value: fmt.Sprintf("value-%d-%d", seed, i)}
		switch k := r.IntN(9); {
		case k == 0 || len(have) == 0:
			s.verb, s.name = "put", fmt.Sprintf("n%d", i)
			have = append(have, s.name)
		case k == 1:
			s.verb, s.name = "import", fmt.Sprintf("i%d", i)
			have = append(have, s.name, s.name+"b")
		case k == 2:
			s.verb = "rewrap"
		case k == 3 && len(have) > 1:
			at := r.IntN(len(have))
			s.verb, s.name = "remove", have[at]
			delete(pending, s.name)
			delete(previous, s.name)
			have = append(have[:at], have[at+1:]...)
		default:
			s.name = have[r.IntN(len(have))]
			switch own := r.IntN(4); {
			case pending[s.name] && own == 0:
				s.verb = "abort"
				delete(pending, s.name)
			case pending[s.name]:
				s.verb = "promote"
				delete(pending, s.name)
				previous[s.name] = true
			case previous[s.name] && own == 0:
				s.verb = "purge"
				delete(previous, s.name)
			case own == 1:
				s.verb = "default"
			case own == 2:
				s.verb = "rotate"
				previous[s.name] = true
			default:
				s.verb = "stage"
				pending[s.name] = true
			}
		}
		out = append(out, s)
	}
	return out
}

// state is what a wallet should hold: key, values in all slots, and which entry
// stands for the provider.
type state struct {
	key                     rawKey
	values, pending, before map[string]string
	preferred               string
}

func empty(key rawKey) state {
	return state{key, map[string]string{}, map[string]string{}, map[string]string{}, ""}
}

func (s state) after(st step) state {
	next := state{s.key, maps.Clone(s.values), maps.Clone(s.pending), maps.Clone(s.before), s.preferred}
	replace := func(value string) {
		next.before[st.name], next.values[st.name] = next.values[st.name], value
		delete(next.pending, st.name)
	}
	switch st.verb {
	case "put":
		next.values[st.name] = st.value
	case "rotate":
		replace(st.value)
	case "promote":
		replace(s.pending[st.name])
	case "stage":
		next.pending[st.name] = st.value
	case "abort":
		delete(next.pending, st.name)
	case "purge":
		delete(next.before, st.name)
	case "default":
		next.preferred = st.name
	case "import":
		next.values[st.name], next.values[st.name+"b"] = st.value, st.value+"b"
	case "remove":
		delete(next.values, st.name)
		delete(next.pending, st.name)
		delete(next.before, st.name)
		if next.preferred == st.name {
			next.preferred = ""
		}
	case "rewrap":
		next.key++
	}
	return next
}

func (st step) apply(ctx context.Context, w *Wallet, next rawKey) error {
	one := New{Name: st.name, Provider: "custom"}
	switch st.verb {
	case "put":
		return w.Put(ctx, one, []byte(st.value))
	case "rotate":
		return w.Rotate(ctx, st.name, []byte(st.value), Rotation{Overlap: time.Hour})
	case "stage":
		return w.StageAutomatic(ctx, st.name, []byte(st.value))
	case "promote":
		return w.Promote(ctx, st.name, Rotation{Overlap: time.Hour})
	case "abort":
		return w.Abort(ctx, st.name)
	case "purge":
		return w.Purge(ctx, st.name)
	case "default":
		return w.SetDefault(ctx, st.name)
	case "import":
		other := one
		other.Name += "b"
		return w.PutAll(ctx, []Item{{one, []byte(st.value)}, {other, []byte(st.value + "b")}}, "wallet.import")
	case "remove":
		return w.Remove(ctx, st.name)
	}
	return w.Rewrap(ctx, next)
}

// holds opens the wallet as somebody who comes later and compares all of it.
func (s state) holds(path string) error {
	w, err := Open(context.Background(), path, s.key, Options{Recorder: &journal{}})
	if err != nil {
		return err
	}
	defer w.Close()
	list, err := w.List()
	if err != nil {
		return err
	}
	got := empty(s.key)
	for _, e := range list {
		for which, into := range map[Which]map[string]string{Current: got.values, Pending: got.pending, Previous: got.before} {
			if which == Pending && e.Pending == 0 || which == Previous && e.Previous == 0 {
				continue
			}
			v, _, err := w.Reveal(context.Background(), e.Name, which, false)
			if err != nil {
				return err
			}
			into[e.Name] = v.Reveal()
		}
		if e.Default {
			got.preferred += e.Name
		}
		if e.Automatic != (e.Pending != 0) || (e.PendingSince != nil) != (e.Pending != 0) {
			return fmt.Errorf("the marks of %q are not those of its pending value", e.Name)
		}
	}
	if _, err := w.Verify(); err != nil {
		return err
	}
	if fmt.Sprint(got) != fmt.Sprint(s) {
		return fmt.Errorf("it holds %v, want %v", got, s)
	}
	return nil
}

var errInjected = errors.New("injected")

// breaking is the file system of the machine up to a step, where it does what
// at says.
type breaking struct {
	disk.OS
	left *int // steps until then
	at   func(written func()) error
}

func (b breaking) step(do func()) error {
	*b.left--
	if *b.left == 0 {
		return b.at(do)
	}
	return nil
}

func (b breaking) Create(name string) (disk.File, error) {
	if err := b.step(func() {}); err != nil {
		return nil, err
	}
	f, err := b.OS.Create(name)
	return breakingFile{f, b}, err
}

func (b breaking) Rename(from, to string) error {
	if err := b.step(func() {}); err != nil {
		return err
	}
	return b.OS.Rename(from, to)
}

func (b breaking) Remove(name string) error {
	if err := b.step(func() {}); err != nil {
		return err
	}
	return b.OS.Remove(name)
}

func (b breaking) SyncDir(dir string) error {
	if err := b.step(func() {}); err != nil {
		return err
	}
	return b.OS.SyncDir(dir)
}

type breakingFile struct {
	disk.File
	b breaking
}

func (f breakingFile) Write(p []byte) (int, error) {
	half := func() { _, _ = f.File.Write(p[:len(p)/2]) } // a write may end anywhere
	if err := f.b.step(half); err != nil {
		return len(p) / 2, err
	}
	return f.File.Write(p)
}

func (f breakingFile) Sync() error {
	if err := f.b.step(func() {}); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f breakingFile) Close() error {
	if err := f.b.step(func() {}); err != nil {
		return errors.Join(err, f.File.Close())
	}
	return f.File.Close()
}

const (
	stepsOfAChange = 7 // remove, create, write, sync, close, rename, sync of the folder
	changes        = 9
)

// TestKilled kills a process with SIGKILL at one of the system calls of one of
// its changes, 500 times. Whatever it was doing: the wallet opens, holds all
// that was reported done, and of the change in flight all or nothing.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("WALLET_CRASH_DIR"); dir != "" {
		crash(t, dir)
		return
	}
	rounds := 500
	if testing.Short() {
		rounds = 50
	}
	seen := map[string]int{}
	for round := range rounds {
		dir := t.TempDir()
		path := filepath.Join(dir, FileName)
		now := empty(1)
		must(t, Create(t.Context(), path, now.key, Options{Recorder: &journal{}}))
		kill := 1 + round%(changes*stepsOfAChange)
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "WALLET_CRASH_DIR="+dir, "WALLET_CRASH_SEED="+strconv.Itoa(round), "WALLET_CRASH_AT="+strconv.Itoa(kill))
		out, err := cmd.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("round %d: the process was not killed: %v\n%s", round, err, out)
		}
		steps := history(uint64(round), changes)
		done := 0
		for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); done++ {
			now = now.after(steps[done])
		}
		next := now.after(steps[done])
		before, after := now.holds(path), next.holds(path)
		switch {
		case before == nil:
			seen[steps[done].verb+" not done"]++
		case after == nil:
			seen[steps[done].verb+" done"]++
			now = next
		default:
			t.Fatalf("round %d, killed at step %d in %q: neither before (%v) nor after (%v)", round, kill, steps[done].verb, before, after)
		}
		w, err := Open(t.Context(), path, now.key, Options{Recorder: &journal{}}) // and it goes on
		must(t, err)
		must(t, w.Put(t.Context(), New{Name: "later"}, []byte("x")))
		if left, err := filepath.Glob(path + ".tmp"); err != nil || len(left) > 0 {
			t.Fatalf("round %d: left behind: %v, %v", round, left, err)
		}
	}
	t.Log(seen)
	for _, want := range []string{"put not done", "put done", "rotate not done", "rotate done", "rewrap not done", "rewrap done", "import not done", "import done", "remove done",
		"stage not done", "stage done", "promote not done", "promote done", "abort not done", "default done", "purge not done"} {
		if seen[want] == 0 && !testing.Short() {
			t.Errorf("no round ended with %q: %v", want, seen)
		}
	}
}

// crash is the process that gets killed. It says a line for each change done.
func crash(t *testing.T, dir string) {
	seed, err := strconv.ParseUint(os.Getenv("WALLET_CRASH_SEED"), 10, 64)
	must(t, err)
	left, err := strconv.Atoi(os.Getenv("WALLET_CRASH_AT"))
	must(t, err)
	fsys := breaking{left: &left, at: func(do func()) error {
		do()
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}}
	key := rawKey(1)
	w, err := Open(t.Context(), filepath.Join(dir, FileName), key, Options{Recorder: &journal{}, FS: fsys})
	must(t, err)
	for _, st := range history(seed, changes) {
		must(t, st.apply(t.Context(), w, key+1))
		if st.verb == "rewrap" {
			key++
		}
		if _, err := os.Stdout.WriteString("done\n"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFailingDisk lets each system call of each change fail. The wallet stays
// usable and holds the state before the change; when only the sync of the folder
// failed, the state after it, and the error says so.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		steps := history(seed, changes)
		for fail := 1; fail <= stepsOfAChange; fail++ {
			path := filepath.Join(t.TempDir(), FileName)
			now := empty(1)
			must(t, Create(t.Context(), path, now.key, Options{Recorder: &journal{}}))
			left := 0
			fsys := breaking{left: &left, at: func(do func()) error { do(); return errInjected }}
			w, err := Open(t.Context(), path, now.key, Options{Recorder: &journal{}, FS: fsys})
			must(t, err)
			for i, st := range steps {
				left = fail
				err := st.apply(t.Context(), w, now.key+1)
				if !errors.Is(err, errInjected) {
					t.Fatalf("seed %d, %s failing at %d: %v", seed, st.verb, fail, err)
				}
				if errors.Is(err, disk.ErrUncertain) != (fail == stepsOfAChange) {
					t.Fatalf("seed %d, %s failing at %d: %v", seed, st.verb, fail, err)
				}
				if fail == stepsOfAChange {
					now = now.after(st)
					if st.verb == "rewrap" { // the wallet is locked: its key is another now
						w, err = Open(t.Context(), path, now.key, Options{Recorder: &journal{}, FS: fsys})
						must(t, err)
					}
					if err := now.holds(path); err != nil {
						t.Fatalf("seed %d, change %d: %v", seed, i, err)
					}
					continue
				}
				if err := now.holds(path); err != nil {
					t.Fatalf("seed %d, %s failing at %d: %v", seed, st.verb, fail, err)
				}
				left = 0
				must(t, st.apply(t.Context(), w, now.key+1)) // the same again, on a disk that works
				now = now.after(st)
				if err := now.holds(path); err != nil {
					t.Fatalf("seed %d, change %d: %v", seed, i, err)
				}
			}
		}
	}
}

// TestLostPower plays a machine that dies: what was not synced is lost, a
// rename without a sync of its folder may or may not have happened.
func TestLostPower(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 2))
	type died struct{}
	for round := range 300 {
		path := filepath.Join(t.TempDir(), FileName)
		now := empty(1)
		must(t, Create(t.Context(), path, now.key, Options{Recorder: &journal{}}))
		left := 1 + round%(changes*stepsOfAChange)
		where := (left - 1) % stepsOfAChange // 0 remove … 6 sync of the folder
		fsys := breaking{left: &left, at: func(do func()) error { do(); panic(died{}) }}
		w, err := Open(t.Context(), path, now.key, Options{Recorder: &journal{}, FS: fsys})
		must(t, err)
		steps := history(uint64(round), changes)
		old, i := []byte(nil), 0
		func() {
			defer func() {
				if p := recover(); p != nil && p != any(died{}) {
					panic(p)
				}
			}()
			for ; i < len(steps); i++ {
				old, err = os.ReadFile(path)
				must(t, err)
				must(t, steps[i].apply(t.Context(), w, now.key+1))
				now = now.after(steps[i])
			}
		}()
		if where <= 3 { // not synced: any part of it, or nothing
			if b, err := os.ReadFile(path + ".tmp"); err == nil {
				must(t, os.WriteFile(path+".tmp", b[:r.IntN(len(b)+1)], 0o600))
			}
		}
		if where == 6 && r.IntN(2) == 0 { // the name points to the old file again
			must(t, os.WriteFile(path, old, 0o600))
		}
		before, after := now.holds(path), now.after(steps[i]).holds(path)
		if before != nil && after != nil {
			t.Fatalf("round %d, died at %d of %s: neither before (%v) nor after (%v)", round, where, steps[i].verb, before, after)
		}
	}
}
