package stdio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// TestMain is the child, too: run with "child MODE" it behaves as told.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		child(os.Args[2])
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func child(mode string) {
	switch mode {
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println(`{"ready":true}`)
		time.Sleep(time.Hour)
	case "obedient": // ends by SIGTERM, not with its input
		fmt.Println(`{"ready":true}`)
		time.Sleep(time.Hour)
	case "notread":
		fmt.Println(`{"ready":true}`)
		time.Sleep(time.Hour)
	case "big":
		fmt.Println(`{"a":"` + strings.Repeat("x", 4096) + `"}`)
	case "stray":
		for i := range 20 {
			fmt.Println("line", i)
		}
		fmt.Println(`[1]`)
		fmt.Println(`{"ok":1} trailing`)
		fmt.Println(`{"ok":true}`)
	case "stderr":
		for i := range 50 {
			fmt.Fprintln(os.Stderr, i, strings.Repeat("y", 2000))
		}
		fmt.Println(`{"ok":true}`)
	case "env":
		env, _ := json.Marshal(os.Environ())
		fmt.Printf("{\"env\":%s}\n", env)
	case "fds":
		list, _ := os.ReadDir("/proc/self/fd")
		fmt.Printf("{\"fds\":%d}\n", len(list))
	case "partial":
		fmt.Print(`{"cut":`)
		return
	case "family", "orphan":
		c := exec.Command("sleep", "3600")
		c.Stdout = os.Stdout // holds the pipe
		if err := c.Start(); err != nil {
			panic(err)
		}
		fmt.Printf("{\"pid\":%d}\n", c.Process.Pid)
		if mode == "orphan" {
			return
		}
	}
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		os.Stdout.Write(line)
	}
}

func start(t *testing.T, mode string, log *slog.Logger, tune func(*Config)) *Process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg := Default()
	cfg.Command = []string{exe, "child", mode}
	cfg.Grace = 5 * time.Second
	cfg.Env = map[string]string{"GORACE": "atexit_sleep_ms=0"}
	if tune != nil {
		tune(&cfg)
	}
	if log == nil {
		log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	l, err := New(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	p, err := l.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // at once
		_ = p.Close(ctx)
		dies(t, -p.Pid())
	})
	return p
}

func receive(t *testing.T, p *Process) string {
	t.Helper()
	msg, err := p.Receive()
	if err != nil {
		t.Fatalf("receiving: %v", err)
	}
	return string(msg)
}

func TestEcho(t *testing.T) {
	p := start(t, "echo", nil, nil)
	for _, msg := range []string{`{"a":1}`, `{"b":"` + strings.Repeat("z", 200_000) + `"}`} {
		if err := p.Send(t.Context(), []byte(msg)); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, p); got != msg {
			t.Errorf("got %d bytes, want %d", len(got), len(msg))
		}
	}
	if err := p.Send(t.Context(), []byte("{\n}")); !errors.Is(err, ErrNewline) {
		t.Errorf("line break: %v", err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Errorf("closing: %v", err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("the child ended with %v", err)
	}
	if err := p.Send(t.Context(), []byte("{}")); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	if _, err := p.Receive(); err != io.EOF {
		t.Errorf("after close: %v", err)
	}
}

func TestClosing(t *testing.T) {
	for mode, want := range map[string]syscall.Signal{"stubborn": syscall.SIGKILL, "obedient": syscall.SIGTERM} {
		t.Run(mode, func(t *testing.T) {
			p := start(t, mode, nil, func(c *Config) { c.Grace = 50 * time.Millisecond })
			receive(t, p)
			if err := p.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			var ee *exec.ExitError
			if err := p.Wait(); !errors.As(err, &ee) || ee.Sys().(syscall.WaitStatus).Signal() != want {
				t.Errorf("ended with %v, want %v", err, want)
			}
		})
	}
}

// TestFamily: a process the child started, which keeps its output open, ends
// with it, whether the child is closed or ends by itself.
func TestFamily(t *testing.T) {
	for _, mode := range []string{"family", "orphan"} {
		t.Run(mode, func(t *testing.T) {
			p := start(t, mode, nil, nil)
			pid, err := strconv.Atoi(strings.Trim(receive(t, p), `{"pid:}`))
			if err != nil {
				t.Fatal(err)
			}
			if mode == "family" {
				_ = p.Close(t.Context())
			}
			<-p.Exited()
			dies(t, pid)
			if _, err := p.Receive(); err != io.EOF {
				t.Errorf("receiving: %v", err)
			}
		})
	}
}

// dies waits for a process, or the group -pid, to be dead: gone, or unreaped by
// whoever adopted it. SIGKILL is certain but not instant.
func dies(t *testing.T, pid int) {
	t.Helper()
	late := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for syscall.Kill(pid, 0) == nil && running(pid) {
		select {
		case <-tick.C:
		case <-late:
			t.Errorf("process %d is left", pid)
			return
		}
	}
}

// running reports whether a process, or any of the group -pid, is no zombie.
func running(pid int) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range files {
		b, err := os.ReadFile(f)
		i := bytes.LastIndexByte(b, ')')
		if err != nil || i < 0 {
			continue
		}
		stat := strings.Fields(string(b[i+1:])) // state, parent, group, …
		own := filepath.Base(filepath.Dir(f))
		if (own == strconv.Itoa(pid) || stat[2] == strconv.Itoa(-pid)) && stat[0] != "Z" {
			return true
		}
	}
	return len(files) == 0 // no /proc: a zombie cannot be told apart
}

func TestChildThatDoesNotRead(t *testing.T) {
	p := start(t, "notread", nil, func(c *Config) { c.WriteLimit = 20 * time.Millisecond })
	receive(t, p)
	err := p.Send(t.Context(), bytes.Repeat([]byte("x"), 4<<20))
	if !errors.Is(err, ErrNotRead) {
		t.Errorf("sending: %v", err)
	}
	<-p.Exited() // it was killed: half a line is in its input
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Send(ctx, []byte("{}")); err == nil {
		t.Error("sending to a dead child succeeded")
	}
}

func TestTooLong(t *testing.T) {
	p := start(t, "big", nil, func(c *Config) { c.MaxMessage = 2048 })
	if _, err := p.Receive(); !errors.Is(err, ErrTooLong) {
		t.Errorf("receiving: %v", err)
	}
}

func TestPartialLine(t *testing.T) {
	p := start(t, "partial", nil, nil)
	if _, err := p.Receive(); err != io.EOF {
		t.Errorf("receiving: %v", err)
	}
}

func TestStray(t *testing.T) {
	var buf syncBuffer
	log := slog.New(slog.NewTextHandler(&buf, nil))
	p := start(t, "stray", log, func(c *Config) { c.Stderr.PerMinute = 5 })
	if got := receive(t, p); got != `{"ok":true}` {
		t.Errorf("got %s", got)
	}
	_ = p.Close(t.Context())
	if n := strings.Count(buf.String(), "msg=\"stray line on stdout of the upstream\""); n != 5 {
		t.Errorf("%d lines logged", n)
	}
	if !strings.Contains(buf.String(), "lines left out\" pid="+strconv.Itoa(p.Pid())+" count=17") {
		t.Errorf("log %s", buf.String())
	}
	p = start(t, "stray", log, func(c *Config) { c.MaxStray = 3 })
	if _, err := p.Receive(); !errors.Is(err, ErrStray) {
		t.Errorf("receiving: %v", err)
	}
}

func TestStderr(t *testing.T) {
	var buf syncBuffer
	p := start(t, "stderr", slog.New(slog.NewTextHandler(&buf, nil)), func(c *Config) {
		c.Stderr = LogLimit{LineBytes: 100, PerMinute: 10}
	})
	receive(t, p)
	_ = p.Close(t.Context())
	got := buf.String()
	if strings.Count(got, "cut=true") != 10 || !strings.Contains(got, "count=40") || strings.Contains(got, strings.Repeat("y", 101)) {
		t.Errorf("log of %d bytes: %.300s", len(got), got)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestEnvironment(t *testing.T) {
	t.Setenv("PORTCULLIS_SECRET", "swordfish")
	t.Setenv("WANTED", "yes")
	p := start(t, "env", nil, func(c *Config) {
		c.PassEnv = []string{"WANTED", "ABSENT"}
		c.Env = map[string]string{"TOKEN": "t", "HOME": "/nowhere"}
	})
	got := receive(t, p)
	if strings.Contains(got, "swordfish") || strings.Contains(got, "ABSENT") {
		t.Errorf("environment %s", got)
	}
	for _, want := range []string{`"WANTED=yes"`, `"TOKEN=t"`, `"HOME=/nowhere"`, `"PATH=`} {
		if !strings.Contains(got, want) {
			t.Errorf("environment %s lacks %s", got, want)
		}
	}
}

func TestEnviron(t *testing.T) {
	c := Config{PassEnv: []string{"PATH", "A"}, Env: map[string]string{"A": "1"}}
	c.Secrets = func() (map[string]string, error) { return map[string]string{"KEY": "hidden"}, nil }
	got, err := c.environ(func(name string) (string, bool) { return "x", name == "PATH" || name == "A" || name == "SECRET" })
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.Index(got, "KEY=hidden"); i < 0 {
		t.Errorf("no secret in %q", got)
	} else {
		got = slices.Delete(got, i, i+1)
	}
	c.Secrets = func() (map[string]string, error) { return nil, errors.New("gone") }
	if env, err := c.environ(os.LookupEnv); err == nil {
		t.Errorf("a child would start without its secret: %q", env)
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"A=1", "PATH=x"}) {
		t.Errorf("got %q", got)
	}
}

// TestFiles: the child has its three streams, and the one it reads the list
// with (and what the runtime opens for itself), but none of ours.
func TestFiles(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	alone, err := exec.Command(os.Args[0], "child", "fds").Output()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, "fds", nil, nil)
	if got := receive(t, p); got != strings.TrimSpace(string(alone)) {
		t.Errorf("got %s, alone %s", got, alone)
	}
}

func TestStartFails(t *testing.T) {
	cfg := Default()
	cfg.Command = []string{"/no/such/program"}
	l, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Start(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("starting: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Start(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("starting: %v", err)
	}
}

func TestLineLogWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buf syncBuffer
		l := newLineLog(slog.New(slog.NewTextHandler(&buf, nil)), "x", LogLimit{LineBytes: 100, PerMinute: 1})
		l.line([]byte("first"))
		l.line([]byte("second"))
		time.Sleep(time.Minute)
		l.line([]byte("third \xff"))
		got := buf.String()
		if strings.Contains(got, "second") || !strings.Contains(got, "count=1") || !strings.Contains(got, "third �") {
			t.Errorf("log %s", got)
		}
	})
}

func TestValidate(t *testing.T) {
	good := Default()
	good.Command = []string{"x"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Config){
		"command: want a program and its arguments":   func(c *Config) { c.Command = nil },
		`command[1]: "a\x00": NUL byte`:               func(c *Config) { c.Command = []string{"x", "a\x00"} },
		`env: "A=B": not a variable name`:             func(c *Config) { c.Env = map[string]string{"A=B": ""} },
		"env.A: NUL byte in the value":                func(c *Config) { c.Env = map[string]string{"A": "\x00"} },
		`pass_env[0]: "": not a variable name`:        func(c *Config) { c.PassEnv = []string{""} },
		"grace: 0s: want a positive duration":         func(c *Config) { c.Grace = 0 },
		"max_message: 1: want at least 1024 bytes":    func(c *Config) { c.MaxMessage = 1 },
		"write_limit: -1ns: want a positive duration": func(c *Config) { c.WriteLimit = -1 },
		"stderr.line_bytes: 0: want at least 16":      func(c *Config) { c.Stderr.LineBytes = 0 },
		"stderr.per_minute: -1: want 0 or more":       func(c *Config) { c.Stderr.PerMinute = -1 },
		"max_stray: -1: want 0 or more":               func(c *Config) { c.MaxStray = -1 },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, err := New(c, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("New accepts what Validate refuses: %s", want)
		}
	}
}
