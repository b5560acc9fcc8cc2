package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/harness"
)

const (
	pushKills = 3
	perLife   = 10
)

// TestKillWithNotifications kills the gateway with SIGKILL while an agent
// posts notifications and their target refuses them. What was answered with 202
// reaches the target in the end.
func TestKillWithNotifications(t *testing.T) {
	bin := build(t)
	var open atomic.Bool
	told := make(chan string, 10_000)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, r.URL.Query().Get("validationToken"))
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || !open.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		told <- string(body)
	}))
	t.Cleanup(target.Close)
	tickets := make(chan ticket, 1)
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { giveTask(w, r, tickets) }))
	t.Cleanup(agent.Close)
	dir := t.TempDir()
	conf, data := filepath.Join(dir, "portcullis.toml"), filepath.Join(dir, "data")
	addr := harness.FreeAddr(t)
	text := fmt.Sprintf("[server]\nlisten = %q\nadmin_listen = \"\"\n[[route]]\nname = \"agent\"\npath = \"/agent\"\nprotocol = \"a2a\"\nupstream = %q\na2a.push = { hosts = [%q], insecure_private = true, attempts = 1000 }\n",
		addr, agent.URL, strings.TrimPrefix(target.URL, "http://"))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	key := createKey(t, bin, conf, data, "--scopes", "skills:*")
	var to ticket
	missing := map[string]bool{}
	for life := range pushKills {
		kill := serve(t, bin, conf, data, addr)
		if life == 0 {
			ask := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"x"}]},"configuration":{"taskPushNotificationConfig":{"url":%q}}}}`, target.URL)
			if r := harness.Do(t, http.MethodPost, "http://"+addr+"/agent", []byte(ask), "X-API-Key", key, "A2A-Version", "1.0"); r.Status != http.StatusOK {
				t.Fatalf("asked: %d %s", r.Status, r.Body)
			}
			to = <-tickets
		}
		for n := range perLife {
			id := fmt.Sprintf("life-%d-%d", life, n)
			body := fmt.Sprintf(`{"artifactUpdate":{"taskId":"t","contextId":"c","artifact":{"artifactId":%q,"parts":[{"text":"x"}]}}}`, id)
			r := harness.Do(t, http.MethodPost, to.URL, []byte(body), "Authorization", "Bearer "+to.Token)
			if r.Status != http.StatusAccepted {
				t.Fatalf("notified: %d %s", r.Status, r.Body)
			}
			missing[id] = true
		}
		kill()
	}
	open.Store(true)
	kill := serve(t, bin, conf, data, addr)
	defer kill()
	limit := time.After(60 * time.Second)
	for len(missing) > 0 {
		select {
		case body := <-told:
			for id := range missing {
				if strings.Contains(body, `"`+id+`"`) {
					delete(missing, id)
				}
			}
		case <-limit:
			t.Fatalf("%d notifications that were taken are lost: %v", len(missing), missing)
		}
	}
}

// ticket is where and how an agent notifies.
type ticket struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// giveTask is an agent that makes a task and hands over what it was given to
// notify with.
func giveTask(w http.ResponseWriter, r *http.Request, tickets chan<- ticket) {
	var in struct {
		ID     json.RawMessage `json:"id"`
		Params struct {
			Configuration struct {
				Push *ticket `json:"taskPushNotificationConfig"`
			} `json:"configuration"`
		} `json:"params"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Params.Configuration.Push == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	tickets <- *in.Params.Configuration.Push
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}}}`, in.ID)
}

// serve starts the gateway and returns what kills it.
func serve(t *testing.T, bin, conf, data, addr string) (kill func()) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(bin, "serve", "--config", conf, "--data", data)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, addr, &stderr)
	return func() {
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatalf("killing: %v\n%s", err, stderr.String())
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the gateway ended by itself")
		}
	}
}
