package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/portcullis-dev/portcullis/internal/chronicle"

	"github.com/portcullis-dev/portcullis/test/provider"
)

// patience is how long a story waits for something that must happen.
const patience = 20 * time.Second

type worldKey struct{}

// world is what a story has beside its files: gateways in the background and
// an upstream.
type world struct {
	upstreams []*httptest.Server
	provider  *provider.Fake // nil until a story asks for it
	running   map[string]*process
	calls     map[string]chan string // answers of calls in the background
	hold      chan struct{}          // closed by "release": answers calls to the tool "slow"
	once      sync.Once

	mu   sync.Mutex
	seen []string // what reached the upstream
	list string   // what it answers to tools/list; "" = its own
}

// process is a command that runs in the background.
type process struct {
	cmd        *exec.Cmd
	out, err   string // files
	done       chan struct{}
	code       int
	outF, errF *os.File
}

func newWorld() *world {
	return &world{running: map[string]*process{}, calls: map[string]chan string{}, hold: make(chan struct{})}
}

func worldOf(ts *testscript.TestScript) *world {
	w, ok := ts.Value(worldKey{}).(*world)
	if !ok {
		ts.Fatalf("this story has no world")
	}
	return w
}

func (w *world) close() {
	w.release()
	for _, p := range w.running {
		p.end()
	}
	for _, u := range w.upstreams {
		u.CloseClientConnections()
		u.Close()
	}
}

func (w *world) release() { w.once.Do(func() { close(w.hold) }) }

// end kills a process that a failed story left behind.
func (p *process) end() {
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Kill() // it may end by itself meanwhile
		<-p.done
	}
}

// nextPort counts the ports that stories were given.
var nextPort atomic.Int64

// freeAddr returns an address that nobody listens on. Its port is below those
// that systems hand out for port 0, so nobody gets it by chance before the
// story uses it.
func freeAddr() (string, error) {
	first := int64(20000 + os.Getpid()%100*100)
	for range 1000 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+(first-20000+nextPort.Add(1))%10000)
		if l, err := net.Listen("tcp", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", errors.New("no free port from 20000 to 29999")
}

// storyCommands are the words that stories have beside those of testscript.
func storyCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"upstream":   cmdUpstream,
		"provider":   cmdProvider,
		"agent":      cmdAgent,
		"kms":        cmdKMS,
		"release":    cmdRelease,
		"showtools":  cmdShowTools,
		"seen":       cmdSeen,
		"start":      cmdStart,
		"signal":     cmdSignal,
		"waitexit":   cmdWaitExit,
		"waitfor":    cmdWaitFor,
		"http":       cmdHTTP,
		"setvar":     cmdSetVar,
		"code":       cmdCode,
		"replace":    cmdReplace,
		"mode":       cmdMode,
		"curls":      cmdCurls,
		"setkey":     cmdSetKey,
		"nowhere":    cmdNowhere,
		"for-none":   cmdForNone,
		"damage":     cmdDamage,
		"tamper":     cmdTamper,
		"waitseen":   cmdWaitSeen,
		"background": cmdBackground,
		"answered":   cmdAnswered,
		"sample":     cmdSample,
		"receiver":   cmdReceiver,
		"month":      cmdMonth,
	}
}

// cmdUpstream starts an MCP server over HTTP and sets $UPSTREAM to its URL. It
// answers tools/call with "hello from NAME", and calls to "slow" only after
// "release".
func cmdUpstream(ts *testscript.TestScript, _ bool, _ []string) {
	w := worldOf(ts)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		var secrets []string
		for _, h := range []string{"X-Api-Key", "Authorization", "Cookie"} {
			if r.Header.Get(h) != "" {
				secrets = append(secrets, h)
			}
		}
		w.mu.Lock()
		w.seen = append(w.seen, fmt.Sprintf("%s %s %s credentials=%v", r.Method, r.URL.Path, body, secrets))
		list := w.list
		w.mu.Unlock()
		if list != "" && bytes.Contains(body, []byte(`"tools/list"`)) {
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(rw, `{"jsonrpc":"2.0","id":1,"result":{"tools":%s}}`, list)
			return
		}
		answer(rw, r, body, w.hold)
	}))
	w.upstreams = append(w.upstreams, s)
	ts.Setenv("UPSTREAM", s.URL+"/mcp")
}

// cmdShowTools makes the upstream answer tools/list (id 1) with the array in a
// file: showtools FILE.
func cmdShowTools(ts *testscript.TestScript, _ bool, args []string) {
	w, list := worldOf(ts), strings.TrimSpace(ts.ReadFile(args[0]))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = list
}

func answer(rw http.ResponseWriter, r *http.Request, body []byte, hold <-chan struct{}) {
	reply := reply(body, func(tool string) {
		if tool != "slow" {
			return
		}
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	})
	if reply == nil {
		rw.WriteHeader(http.StatusAccepted)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	if _, err := rw.Write(reply); err != nil {
		return // the caller left
	}
}

// reply answers one JSON-RPC message; nil for a notification.
func reply(message []byte, called func(tool string)) []byte {
	var m struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params struct {
			Name            string `json:"name"`
			ProtocolVersion string `json:"protocolVersion"`
		} `json:"params"`
	}
	if json.Unmarshal(message, &m) != nil || m.ID == nil {
		return nil
	}
	var result any
	switch m.Method {
	case "initialize":
		result = map[string]any{"protocolVersion": m.Params.ProtocolVersion, "capabilities": map[string]any{"tools": map[string]any{}},
			"serverInfo": map[string]any{"name": "echo", "version": "1"}}
	case "tools/list":
		tools := []any{}
		for _, name := range []string{"read_file", "write_file", "delete_file"} {
			tools = append(tools, map[string]any{"name": name, "inputSchema": map[string]any{"type": "object"}})
		}
		result = map[string]any{"tools": tools}
	case "tools/call":
		called(m.Params.Name)
		result = map[string]any{"content": []any{map[string]any{"type": "text", "text": "hello from " + m.Params.Name}}}
	default:
		result = map[string]any{}
	}
	b, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": result})
	if err != nil {
		return nil
	}
	return b
}

// echoServer is the same over stdio. It tells its environment on standard error.
func echoServer() {
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); name == "STORY_SECRET" {
			fmt.Fprintln(os.Stderr, "environment leaked: STORY_SECRET")
		}
	}
	fmt.Fprintln(os.Stderr, "echo-server is ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if b := reply(in.Bytes(), func(tool string) {
			if tool == "crash" {
				os.Exit(7)
			}
		}); b != nil {
			fmt.Printf("%s\n", b)
		}
	}
}

func cmdRelease(ts *testscript.TestScript, _ bool, _ []string) { worldOf(ts).release() }

// cmdSeen shows what reached the upstream; the first line is how many calls.
func cmdSeen(ts *testscript.TestScript, _ bool, _ []string) {
	w := worldOf(ts)
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(ts.Stdout(), "%d calls\n%s\n", len(w.seen), strings.Join(w.seen, "\n"))
}

// cmdStart runs a command in the background: start NAME COMMAND ARGS…. What it
// prints goes to NAME.out and NAME.err.
func cmdStart(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: start NAME COMMAND ARGS…")
	}
	w, name := worldOf(ts), args[0]
	if old := w.running[name]; old != nil {
		old.end()
	}
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	p := &process{out: ts.MkAbs(name + ".out"), err: ts.MkAbs(name + ".err"), done: make(chan struct{})}
	p.outF, err = os.Create(p.out)
	ts.Check(err)
	p.errF, err = os.Create(p.err)
	ts.Check(err)
	p.cmd = exec.Command(path, args[2:]...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = ts.MkAbs("."), p.outF, p.errF
	ts.Check(ts.Exec("env")) // the variables as the story has set them
	p.cmd.Env = strings.Split(strings.TrimSuffix(ts.ReadFile("stdout"), "\n"), "\n")
	p.cmd.Env = append(p.cmd.Env, "STORY_SECRET=must-not-reach-children")
	ts.Check(p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // the state tells how it ended
		p.code = p.cmd.ProcessState.ExitCode()
		_ = errors.Join(p.outF.Close(), p.errF.Close()) // only the child wrote to them
		close(p.done)
	}()
	w.running[name] = p
}

func (w *world) process(ts *testscript.TestScript, name string) *process {
	p := w.running[name]
	if p == nil {
		ts.Fatalf("%s was not started", name)
	}
	return p
}

// cmdSignal sends a signal: signal NAME TERM|HUP|INT|KILL.
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}
	ts.Check(worldOf(ts).process(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

// cmdWaitExit waits for the end of a command and compares its exit code:
// waitexit NAME CODE.
func cmdWaitExit(ts *testscript.TestScript, _ bool, args []string) {
	p := worldOf(ts).process(ts, args[0])
	select {
	case <-p.done:
	case <-time.After(patience):
		ts.Fatalf("%s does not end\n%s", args[0], ts.ReadFile(p.err))
	}
	if strconv.Itoa(p.code) != args[1] {
		ts.Fatalf("%s ended with %d, want %s\n%s", args[0], p.code, args[1], ts.ReadFile(p.err))
	}
}

// cmdWaitFor waits until a file has a text (waitfor FILE TEXT), or until a URL
// answers with a status (waitfor URL STATUS).
func cmdWaitFor(ts *testscript.TestScript, _ bool, args []string) {
	what, want := args[0], args[1]
	ok := func() bool {
		b, err := os.ReadFile(ts.MkAbs(what))
		return err == nil && bytes.Contains(b, []byte(want))
	}
	if strings.HasPrefix(what, "http://") {
		ok = func() bool {
			resp, err := http.Get(what)
			if err != nil {
				return false
			}
			_ = resp.Body.Close() // only the status counts
			return strconv.Itoa(resp.StatusCode) == want
		}
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			ts.Fatalf("waiting for %q in %s\n%s", want, what, worldOf(ts).logs(ts))
		}
	}
}

// logs is what all commands in the background have said.
func (w *world) logs(ts *testscript.TestScript) string {
	var b strings.Builder
	for name, p := range w.running {
		fmt.Fprintf(&b, "%s.out:\n%s%s.err:\n%s", name, ts.ReadFile(p.out), name, ts.ReadFile(p.err))
	}
	return b.String()
}

// cmdSetVar sets a variable to what a pattern's group matches in a file:
// setvar NAME FILE REGEXP. stdout and stderr are those of the last command.
func cmdSetVar(ts *testscript.TestScript, _ bool, args []string) {
	name, file, pattern := args[0], args[1], regexp.MustCompile("(?m)"+args[2])
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	// A program in the background may say it a moment after it answers.
	for end := time.Now().Add(patience); file != "stdout" && file != "stderr" && time.Now().Before(end); <-tick.C {
		if b, err := os.ReadFile(ts.MkAbs(file)); err == nil && pattern.Match(b) {
			break
		}
	}
	ts.Setenv(name, find(ts, args[2], ts.ReadFile(file)))
}

// cmdCode runs a command and compares its exit code: code CODE COMMAND ARGS….
func cmdCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := err.(*exec.ExitError); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("running %s: %v", args[1], err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// cmdReplace replaces a file whole, as editors do: replace FILE WITH.
func cmdReplace(ts *testscript.TestScript, _ bool, args []string) {
	tmp := ts.MkAbs(args[0] + ".tmp")
	ts.Check(os.WriteFile(tmp, []byte(ts.ReadFile(args[1])), 0o600))
	ts.Check(os.Rename(tmp, ts.MkAbs(args[0])))
}

// cmdMode compares the permissions of files: mode 0700 FILE….
func cmdMode(ts *testscript.TestScript, _ bool, args []string) {
	for _, f := range args[1:] {
		info, err := os.Lstat(ts.MkAbs(f))
		ts.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
			ts.Fatalf("%s has mode %s, want %s", filepath.Base(f), got, args[0])
		}
	}
}

// cmdSetKey writes a text and a line break to a file: setkey FILE TEXT.
func cmdSetKey(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(args[1]+"\n"), 0o600))
}

// cmdNowhere searches a folder for a text and for the secret part of a key:
// ! nowhere TEXT FOLDER fails if it is in any file.
func cmdNowhere(ts *testscript.TestScript, _ bool, args []string) {
	secret := args[0][strings.LastIndexByte(args[0], '.')+1:]
	ts.Check(filepath.WalkDir(ts.MkAbs(args[1]), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && bytes.Contains(b, []byte(secret)) {
			ts.Fatalf("%s holds the secret", path)
		}
		return err
	}))
}

// cmdForNone checks that none of the files has one of the texts:
// for-none FILE… -- TEXT….
func cmdForNone(ts *testscript.TestScript, _ bool, args []string) {
	i := slices.Index(args, "--")
	for _, f := range args[:i] {
		text := ts.ReadFile(f)
		for _, s := range args[i+1:] {
			if strings.Contains(text, s) {
				ts.Fatalf("%s has %q\n%s", f, s, text)
			}
		}
	}
}

// cmdDamage changes one byte in the middle of a journal.
func cmdDamage(ts *testscript.TestScript, _ bool, args []string) {
	var largest string
	var size int64
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil && strings.HasSuffix(path, ".log") && info.Size() > size {
			largest, size = path, info.Size()
		}
		return err
	}))
	b, err := os.ReadFile(largest)
	ts.Check(err)
	at := bytes.Index(b, []byte("CALL_STARTED"))
	if at < 0 {
		ts.Fatalf("%s holds no call", largest)
	}
	b[at] ^= 1
	ts.Check(os.WriteFile(largest, b, 0o600))
}

// cmdWaitSeen waits until a call to a tool has reached the upstream.
func cmdWaitSeen(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	reached := func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return slices.ContainsFunc(w.seen, func(s string) bool { return strings.Contains(s, `"name":"`+args[0]+`"`) })
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !reached(); <-tick.C {
		if time.Now().After(end) {
			ts.Fatalf("no call to %s reached the upstream", args[0])
		}
	}
}

// cmdBackground is http in the background: background NAME METHOD URL ….
func cmdBackground(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	done := make(chan string, 1)
	w.calls[args[0]] = done
	go func() {
		var out strings.Builder
		if _, err := request(&out, args[1], args[2], args[3:]); err != nil {
			fmt.Fprintln(&out, "error:", err)
		}
		done <- out.String()
	}()
}

// cmdAnswered prints the answer of a call in the background.
func cmdAnswered(ts *testscript.TestScript, _ bool, args []string) {
	select {
	case text := <-worldOf(ts).calls[args[0]]:
		fmt.Fprint(ts.Stdout(), text)
	case <-time.After(patience):
		ts.Fatalf("%s was not answered", args[0])
	}
}

// cmdSample writes a made-up browser profile: sample FOLDER.
func cmdSample(ts *testscript.TestScript, _ bool, args []string) {
	_, err := chronicle.WriteSample(ts.MkAbs(args[0]), time.Now())
	ts.Check(err)
}
