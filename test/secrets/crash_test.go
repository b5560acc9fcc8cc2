package secrets

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// TestCrashLeaksNothing ends a real gateway in the worst way while it holds
// secrets: by the signal that makes a Go program print every stack, with core
// files allowed by whoever started it. Neither what it prints nor any file it
// leaves holds a secret, and nobody can read its memory or its environment
// through /proc but those who could before.
func TestCrashLeaksNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("core files and /proc are those of Linux")
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "portcullis")
	cmd := exec.Command("go", "build", "-o", bin, "../../cmd/portcullis")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	const file, env, caller = "CANARY-7820-crash-file", "CANARY-8910-crash-env", "CANARY-9a00-crash-caller"
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) { harness.Answer(w, r, `{"content":[]}`) })
	addr := harness.FreeAddr(t)
	work, data := filepath.Join(dir, "work"), filepath.Join(dir, "data")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "portcullis.toml")
	text := fmt.Sprintf("[server]\nlisten = %q\nadmin_listen = \"\"\n", addr)
	for i, ref := range []string{"secret://file" + secretFile(t, file), "secret://env/TEST_CRASH"} {
		text += fmt.Sprintf("[[route]]\nname = \"r%d\"\npath = \"/r%d\"\nupstream = \"%s/mcp\"\ncredential = %q\npins = { policy = \"trust\" }\n", i, i, up.URL, ref)
	}
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_CRASH", env)
	var said bytes.Buffer
	create := exec.Command(bin, "key", "create", "--name", "crash", "--output", "json", "--config", conf, "--data", data)
	create.Stderr = &said
	out, err := create.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	var made struct{ Key string }
	if err := json.Unmarshal(out, &made); err != nil {
		t.Fatal(err)
	}

	run := exec.Command("sh", "-c", `ulimit -c unlimited 2>/dev/null || true; exec "$0" "$@"`, bin, "serve", "--config", conf, "--data", data)
	run.Dir, run.Stdout, run.Stderr = work, &said, &said
	run.Env = append(os.Environ(), "GOTRACEBACK=crash") // every stack, then abort: what makes a core file
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the gateway serves", func() bool {
		resp, err := http.Get("http://" + addr + "/health")
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil
	})
	for i := range 2 {
		harness.Do(t, http.MethodPost, fmt.Sprintf("http://%s/r%d", addr, i), []byte(strings.Replace(fmt.Sprintf(echo, "x"), `"arguments":{}`, `"arguments":{"password":"`+caller+`"}`, 1)), "X-API-Key", made.Key)
	}
	if seen := up.Seen(); len(seen) != 2 || seen[0].Header.Get("Authorization") != "Bearer "+file || seen[1].Header.Get("Authorization") != "Bearer "+env {
		t.Fatalf("the upstream saw %d calls without their secrets: this test proves nothing", len(seen))
	}
	proc := fmt.Sprintf("/proc/%d", run.Process.Pid)
	if info, err := os.Stat(proc + "/mem"); err == nil && os.Getuid() != 0 {
		if own, ok := info.Sys().(*syscall.Stat_t); ok && int(own.Uid) == os.Getuid() {
			t.Errorf("%s/mem belongs to the user: every program of theirs can read it", proc)
		}
	}
	if limits, err := os.ReadFile(proc + "/limits"); err == nil {
		for line := range strings.Lines(string(limits)) {
			if f := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && f[4] != "0" {
				t.Errorf("core files are allowed: %s", line)
			}
		}
	}
	if err := run.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err == nil {
		t.Fatal("it ended as if nothing had happened")
	}
	if !strings.Contains(said.String(), "goroutine ") {
		t.Fatalf("no stacks were printed: this test proves nothing\n%s", said.String())
	}
	places := map[string]string{"what it printed": said.String()}
	for _, root := range []string{work, data} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				places[path] = read(t, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found, err := filepath.Glob(filepath.Join(work, "*")); err != nil || len(found) > 0 {
		t.Errorf("it left %v", found)
	}
	secret := made.Key[strings.IndexByte(made.Key, '.')+1:]
	for place, text := range places {
		for _, canary := range []string{file, env, caller, secret} {
			if strings.Contains(text, canary) {
				t.Errorf("%s holds %s", place, canary)
			}
		}
	}
}
