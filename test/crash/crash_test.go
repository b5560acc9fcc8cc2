package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/harness"
)

const (
	kills   = 50
	callers = 16
)

// TestKill kills the gateway with SIGKILL again and again while callers wait
// for answers, always over the same data folder.
func TestKill(t *testing.T) {
	bin := build(t)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harness.Answer(w, r, `{"content":[{"type":"text","text":"hello"}]}`)
	}))
	defer up.Close()
	dir := t.TempDir()
	conf, data := filepath.Join(dir, "portcullis.toml"), filepath.Join(dir, "data")
	addr := harness.FreeAddr(t)
	text := fmt.Sprintf("[server]\nlisten = %q\nadmin_listen = \"\"\n[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = %q\nrate = [\"1000000/1s per address\", \"1000000/1s per key\"]\n", addr, up.URL+"/mcp")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	key := createKey(t, bin, conf, data)
	answered := map[string]bool{}
	for i := range kills {
		life := 20*time.Millisecond + rand.N(150*time.Millisecond)
		ids := oneLife(t, bin, conf, data, addr, key, life)
		for _, id := range ids {
			answered[id] = true
		}
		if i%10 == 9 {
			t.Logf("%d kills, %d answered calls", i+1, len(answered))
		}
	}
	if len(answered) < kills {
		t.Fatalf("only %d calls were answered: the load was none", len(answered))
	}
	checkJournal(t, data, answered)
}

func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "portcullis")
	cmd := exec.Command("go", "build", "-o", bin, "../../cmd/portcullis")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return bin
}

func createKey(t *testing.T, bin, conf, data string, more ...string) string {
	t.Helper()
	out, err := exec.Command(bin, append([]string{"key", "create", "--name", "crash", "--output", "json", "--config", conf, "--data", data}, more...)...).Output()
	if err != nil {
		t.Fatalf("creating a key: %v", err)
	}
	var made struct{ Key string }
	if err := json.Unmarshal(out, &made); err != nil {
		t.Fatal(err)
	}
	return made.Key
}

// oneLife starts the gateway, calls it from many sides, kills it after a
// while and returns the request ids of the calls that were answered.
func oneLife(t *testing.T, bin, conf, data, addr, key string, life time.Duration) []string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(bin, "serve", "--config", conf, "--data", data)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, addr, &stderr)
	var mu sync.Mutex
	var ids []string
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range callers {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				id, ok := call(client, "http://"+addr+"/mcp", key)
				if !ok {
					return
				}
				mu.Lock()
				ids = append(ids, id)
				mu.Unlock()
			}
		})
	}
	<-time.After(life)
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatalf("killing: %v\n%s", err, stderr.String())
	}
	close(stop)
	wg.Wait()
	if err := cmd.Wait(); err == nil {
		t.Fatal("the gateway ended by itself")
	}
	return ids
}

func await(t *testing.T, addr string, stderr *bytes.Buffer) {
	t.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("the gateway does not come up again:\n%s", stderr.String())
		}
	}
}

// call makes one call and returns its request id if the answer came whole.
func call(client *http.Client, url, key string) (string, bool) {
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"}}}`
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return "", false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("X-API-Key", key)
	resp, err := client.Do(req)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return "", false
	}
	return resp.Header.Get("X-Request-Id"), true
}

func checkJournal(t *testing.T, data string, answered map[string]bool) {
	t.Helper()
	events, err := harness.ReadEvents(data)
	if err != nil {
		t.Fatalf("a half record breaks reading: %v", err)
	}
	started, finished := map[string]bool{}, map[string]bool{}
	for _, e := range events {
		switch e.Type {
		case "CALL_STARTED":
			started[e.RequestID] = true
		case "CALL_FINISHED":
			finished[e.RequestID] = true
			if !started[e.RequestID] {
				t.Errorf("call %s has an outcome before its intent", e.RequestID)
			}
		}
	}
	for id := range answered {
		if !started[id] || !finished[id] {
			t.Errorf("answered call %s: intent %t, outcome %t", id, started[id], finished[id])
		}
	}
	t.Logf("%d answered calls, %d events", len(answered), len(events))
}
