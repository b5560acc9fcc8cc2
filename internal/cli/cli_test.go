package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/screen"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
)

func newTest() (cli, *bytes.Buffer, *bytes.Buffer) {
	var out, errs bytes.Buffer
	env := func(string) (string, bool) { return "", false }
	return cli{&frame.Frame{Version: "test", In: strings.NewReader(""), Out: &out, Err: &errs, Env: env, Output: "text"}}, &out, &errs
}

// walk visits every verb below cmd.
func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, c := range cmd.Commands() {
		walk(c, visit)
	}
}

// TestHelp: every verb says what it does, shows an example that parses, and
// describes every flag.
func TestHelp(t *testing.T) {
	c, _, _ := newTest()
	root := c.root()
	n := 0
	walk(root, func(cmd *cobra.Command) {
		n++
		path := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || strings.ToUpper(cmd.Short[:1]) != cmd.Short[:1] {
			t.Errorf("%s: short help %q", path, cmd.Short)
		}
		if cmd.Example == "" {
			t.Errorf("%s: no example", path)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s has no description", path, f.Name)
			}
		})
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			if err := parses(strings.TrimSpace(line)); err != nil {
				t.Errorf("%s: example %q: %v", path, line, err)
			}
		}
		var out, errs bytes.Buffer
		args := append(strings.Fields(path)[1:], "--help")
		if code := Run(t.Context(), "test", args, strings.NewReader(""), &out, &errs); code != exitOK || !strings.Contains(out.String(), "Usage:") || errs.Len() > 0 {
			t.Errorf("%s --help: exit code %d\n%s%s", path, code, &out, &errs)
		}
	})
	if n < 40 {
		t.Errorf("only %d verbs were visited", n)
	}
}

// parses reports whether the command line of an example is one of ours: the
// verb is there, it takes the flags, and the number of arguments fits.
func parses(line string) error {
	_, line, ok := strings.Cut(line, "portcullis ")
	if !ok {
		if strings.HasSuffix(line, "portcullis") || line == "" {
			return nil
		}
		return errors.New("does not call portcullis")
	}
	for _, end := range []string{" > ", " < ", " | ", ")"} {
		line, _, _ = strings.Cut(line, end)
	}
	var words []string
	for i, part := range strings.Split(line, "\"") { // the odd ones are quoted
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(strings.ReplaceAll(part, "'", ""))...)
		}
	}
	c, _, _ := newTest()
	cmd, args, err := c.root().Find(words)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(args); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// TestExitCodes is the table of the contract.
func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
		says string
	}{
		{nil, exitOK, ""},
		{errors.New("disk on fire"), exitFailed, "portcullis: disk on fire\n"},
		{fmt.Errorf("x: %w", frame.ErrNo), exitNo, ""},
		{frame.Usagef("--x %q: want y", "z"), exitUsage, "portcullis: --x \"z\": want y\nhint: 'portcullis key --help' shows"},
		{config.Errors{{File: "f.toml", Line: 3, Path: "x", Text: "wrong"}}, exitUsage, "f.toml:3: x: wrong\n"},
		{fmt.Errorf("opening: %w", &datadir.LockedError{Path: "/d", PID: 7}), exitFailed, "(pid 7) is using /d\nhint: stop it first"},
		{fmt.Errorf("opening: %w", os.NewSyscallError("bind", syscall.EADDRINUSE)), exitFailed, "\nhint: name another address with --listen"},
		{fmt.Errorf("opening: %w", os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)), exitFailed, "\nhint: this machine does not have that address"},
		{fmt.Errorf("starting: %w", exec.ErrNotFound), exitFailed, "\nhint: give the command with its path"},
		{&fs.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}, exitFailed, "\nhint: run it as the owner"},
		{&admin.RefusedError{Status: http.StatusNotFound, Text: "no such key"}, exitFailed, "no such key\nhint: 'portcullis key list'"},
		{&admin.RefusedError{Status: http.StatusUnprocessableEntity, Text: "scopes: bad"}, exitUsage, "portcullis: scopes: bad\n"},
		{errors.New("at mcp_0123456789abcdef0123456789abcdef.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), exitFailed, "[redacted]"},
		{errors.New("evil\x1b[2Jtext\nsecond line"), exitFailed, "portcullis: evil\ufffd[2Jtext\nsecond line\n"},
	} {
		c, out, errs := newTest()
		key := &cobra.Command{Use: "key"}
		(&cobra.Command{Use: "portcullis"}).AddCommand(key)
		if code := c.explain(key, tt.err); code != tt.code || !strings.Contains(errs.String(), tt.says) || out.Len() > 0 {
			t.Errorf("%v: code %d, says %q; want %d, %q", tt.err, code, errs, tt.code, tt.says)
		}
		if strings.Contains(errs.String(), "AAAAAAAA") || tt.says == "" && errs.Len() > 0 {
			t.Errorf("%v: says %q", tt.err, errs)
		}
	}
}

// TestBrokenPipe: a reader that goes away is an error, not a panic.
func TestBrokenPipe(t *testing.T) {
	var errs bytes.Buffer
	if code := Run(t.Context(), "test", []string{"version"}, strings.NewReader(""), failingWriter{}, &errs); code != exitFailed || !strings.Contains(errs.String(), "writing the output") {
		t.Errorf("code %d: %s", code, &errs)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestLogFormat(t *testing.T) {
	c, _, _ := newTest()
	for format, want := range map[string]string{"auto": "json", "text": "text", "json": "json"} {
		if got := c.LogFormat(format); got != want {
			t.Errorf("%s, piped: %s, want %s", format, got, want)
		}
	}
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	c.Err = device // counts as a terminal, see isTerminal
	for format, want := range map[string]string{"auto": "text", "text": "text", "json": "json"} {
		if got := c.LogFormat(format); got != want {
			t.Errorf("%s, terminal: %s, want %s", format, got, want)
		}
	}
}

func TestPaint(t *testing.T) {
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	c, _, _ := newTest()
	vars := map[string]string{"TERM": "xterm"}
	c.Env = func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
	if got := c.Screen().Paint("ERROR", "x"); got != "x" {
		t.Errorf("piped: %q", got)
	}
	c.Out = device
	for severity, want := range map[portcullis.Severity]string{"INFO": "x", "WARN": "\x1b[33mx\x1b[0m", "ERROR": "\x1b[31mx\x1b[0m", "CRITICAL": "\x1b[31mx\x1b[0m"} {
		if got := c.Screen().Paint(severity, "x"); got != want {
			t.Errorf("%s: %q, want %q", severity, got, want)
		}
	}
	vars["NO_COLOR"] = "1"
	if got := c.Screen().Paint("ERROR", "x"); got != "x" {
		t.Errorf("NO_COLOR: %q", got)
	}
	vars = map[string]string{"TERM": "dumb"}
	if got := c.Screen().Paint("ERROR", "x"); got != "x" {
		t.Errorf("dumb terminal: %q", got)
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{"/tmp/a-b_c": "/tmp/a-b_c", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)": "'$(x)'"} {
		if got := screen.ShellQuote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// TestRunEndsWithItsContext: serve ends when its caller does.
func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir, err := os.MkdirTemp("", "cli")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}()
	out := &signalWriter{written: make(chan struct{}, 8)}
	var errs bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- Run(ctx, "test", []string{"serve", "--upstream", "http://127.0.0.1:1/mcp", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data", dir, "--output", "json"},
			strings.NewReader(""), out, &errs)
	}()
	select {
	case <-out.written:
		cancel()
		if got := <-code; got != exitOK {
			t.Errorf("exit code %d: %s", got, &errs)
		}
	case got := <-code:
		t.Errorf("ended early with %d: %s", got, &errs)
		cancel()
	}
}

type signalWriter struct{ written chan struct{} }

func (w *signalWriter) Write(b []byte) (int, error) {
	w.written <- struct{}{}
	return len(b), nil
}
