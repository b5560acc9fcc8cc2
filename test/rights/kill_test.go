package rights

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// house is a data folder on which gateways come and go.
type house struct {
	t               *testing.T
	bin, conf, data string
	addr            string
}

// newHouse builds the program and writes its configuration, text below [server].
func newHouse(t *testing.T, text string) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{t: t, bin: filepath.Join(dir, "portcullis"), conf: filepath.Join(dir, "portcullis.toml"), data: filepath.Join(dir, "data"), addr: harness.FreeAddr(t)}
	build := exec.Command("go", "build", "-o", h.bin, "../../cmd/portcullis")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	text = fmt.Sprintf("[server]\nlisten = %q\nadmin_listen = \"\"\n", h.addr) + text
	if err := os.WriteFile(h.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

// start runs a gateway until kill is called.
func (h *house) start() (kill func()) {
	h.t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(h.bin, "serve", "--config", h.conf, "--data", h.data)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	until(h.t, "the gateway serves", func() bool {
		c, err := net.Dial("tcp", h.addr)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
	return func() {
		if err := cmd.Process.Kill(); err != nil {
			h.t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	}
}

// run runs a verb and decodes what it prints.
func (h *house) run(out any, args ...string) {
	h.t.Helper()
	cmd := exec.Command(h.bin, append(args, "--output", "json", "--config", h.conf, "--data", h.data)...)
	text, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("%v: %v\n%s", args, err, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		h.t.Fatalf("%v: %v\n%s", args, err, text)
	}
}

// TestKilledInTheMiddle kills the gateway with SIGKILL while it erases. The next
// start goes on: in the end everybody is erased, and named in no byte.
func TestKilledInTheMiddle(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harness.Answer(w, r, `{"content":[]}`)
	}))
	defer up.Close()
	h := newHouse(t, fmt.Sprintf("[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = %q\n", up.URL+"/mcp"))
	const deaths = 6
	var names []string
	for i := range deaths {
		who := fmt.Sprintf("person.number%d", i)
		names = append(names, who)
		var key struct{ Key, ID string }
		h.run(&key, "key", "create", "--name", "key of "+who, "--owner", who)
		kill := h.start()
		must(t, harness.Do(t, http.MethodPost, "http://"+h.addr+"/mcp", []byte(`{"jsonrpc":"2.0","id":1,"method":"ping"}`), "X-API-Key", key.Key), http.StatusOK)
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			req, err := http.NewRequest(http.MethodDelete, "http://"+h.addr+"/api/v1/user/account", nil)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("X-API-Key", key.Key)
			if resp, err := http.DefaultClient.Do(req); err == nil { // else it died before it answered
				_ = resp.Body.Close()
			}
		}()
		<-time.After(time.Duration(i*i) * 4 * time.Millisecond) // deeper into the erasure each time
		kill()
		<-gone
	}
	kill := h.start()
	defer func() { kill() }()
	var list []subject.Status
	until(t, "what was begun is done", func() bool {
		h.run(&list, "privacy", "status")
		for _, s := range list {
			if s.State != subject.Finished.String() {
				return false
			}
		}
		return true
	})
	t.Logf("%d of %d deaths came after an erasure had begun", len(list), deaths)
	for _, who := range names { // whom it did not begin to erase
		cmd := exec.Command(h.bin, "privacy", "erase", who, "--yes", "--config", h.conf, "--data", h.data)
		if out, err := cmd.CombinedOutput(); err != nil && !bytes.Contains(out, []byte("nothing is known")) {
			t.Fatalf("%s: %v\n%s", who, err, out)
		}
	}
	kill()
	kill = func() {}
	if out, err := exec.Command(h.bin, "audit", "verify", "--config", h.conf, "--data", h.data).CombinedOutput(); err != nil {
		t.Errorf("the audit log: %v\n%s", err, out)
	}
	for _, f := range leaks(t, h.data, names...) {
		t.Error(f)
	}
}
