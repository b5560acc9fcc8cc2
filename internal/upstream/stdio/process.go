package stdio

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Errors of [Process.Receive] and [Process.Send] beyond those of the system.
var (
	ErrClosed      = errors.New("child process is closed")
	ErrTooLong     = errors.New("line from the child is longer than max_message")
	ErrStray       = errors.New("too many lines from the child are not JSON")
	ErrNewline     = errors.New("message holds a line break")
	ErrNotRead     = errors.New("child does not read its input")
	ErrUnsupported = errors.New("stdio upstreams need Linux or macOS")
)

// drainTime is how long the output of a dead child is still read: what it
// wrote before it died is in the pipe, and only an escaped process can hold
// the pipe open longer.
const drainTime = time.Second

// Launcher starts children of one configuration. It is safe for concurrent use.
type Launcher struct {
	cfg Config
	log *slog.Logger
}

// New returns a launcher, or the error of [Config.Validate].
func New(cfg Config, log *slog.Logger) (*Launcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Launcher{cfg: cfg, log: log}, nil
}

// Process is one running child. Send and Close may be called from any
// goroutine, Receive from one at a time.
type Process struct {
	cfg    Config
	log    *slog.Logger
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	stderr *os.File
	lines  *bufio.Reader
	stray  *lineLog
	strays int

	sending chan struct{} // one token: who holds it writes
	exited  chan struct{} // closed when the group is gone and the child reaped
	ended   error         // how the child ended; read after exited
	logged  sync.WaitGroup
	closing sync.Once
}

// Start runs the command. The context bounds nothing but the start itself; the
// child lives until it ends or [Process.Close] is called.
func (l *Launcher) Start(ctx context.Context) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := &Process{
		cfg:     l.cfg,
		sending: make(chan struct{}, 1),
		exited:  make(chan struct{}),
	}
	p.sending <- struct{}{}
	p.cmd = exec.Command(l.cfg.Command[0], l.cfg.Command[1:]...)
	p.cmd.Dir = l.cfg.Dir
	env, err := l.cfg.environ(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	p.cmd.Env = env
	if err := ownGroup(p.cmd); err != nil {
		return nil, err
	}
	if err := p.run(); err != nil {
		return nil, fmt.Errorf("starting %q: %w", l.cfg.Command[0], err)
	}
	p.log = l.log.With("pid", p.cmd.Process.Pid)
	p.lines = bufio.NewReaderSize(p.stdout, 64<<10)
	p.stray = newLineLog(p.log, "stray line on stdout of the upstream", l.cfg.Stderr)
	p.logged.Add(1)
	go p.logStderr()
	return p, nil
}

// run makes the pipes and starts the child from a goroutine that keeps its
// thread until the child is gone: the parent-death signal of Linux follows the
// thread that forked, and a thread of the pool may end early.
func (p *Process) run() error {
	var ends [3]*os.File // the child's
	in, stdin, err := os.Pipe()
	if err == nil {
		ends[0], p.stdin = in, stdin
		p.stdout, ends[1], err = os.Pipe()
	}
	if err == nil {
		p.stderr, ends[2], err = os.Pipe()
	}
	if err == nil {
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = ends[0], ends[1], ends[2]
		started := make(chan error)
		go p.supervise(started)
		err = <-started
	}
	for _, f := range ends {
		if f != nil {
			f.Close()
		}
	}
	if err != nil {
		for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
			if f != nil {
				f.Close()
			}
		}
	}
	return err
}

func (p *Process) supervise(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	pid := p.cmd.Process.Pid
	started <- nil
	awaitExit(pid) // the pid, and so the group's id, is still ours
	killGroup(pid)
	p.ended = p.cmd.Wait()
	p.stdout.SetReadDeadline(time.Now().Add(drainTime))
	p.stderr.SetReadDeadline(time.Now().Add(drainTime))
	p.stdin.Close()
	close(p.exited)
}

// Pid returns the process id of the child, which is also that of its group.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Exited is closed when the child and its group are gone.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Send writes one message. A context that ends while another message is being
// written abandons the wait; a message once begun is written whole, or the
// child is killed: half a line would make the next one unreadable.
func (p *Process) Send(ctx context.Context, msg []byte) error {
	if bytes.ContainsAny(msg, "\n\r") {
		return ErrNewline
	}
	select {
	case <-p.sending:
	case <-ctx.Done():
		return ctx.Err()
	case <-p.exited:
		return ErrClosed
	}
	defer func() { p.sending <- struct{}{} }()
	line := make([]byte, 0, len(msg)+1)
	line = append(append(line, msg...), '\n')
	p.stdin.SetWriteDeadline(time.Now().Add(p.cfg.WriteLimit))
	if _, err := p.stdin.Write(line); err != nil {
		p.kill()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return ErrNotRead
		case errors.Is(err, os.ErrClosed):
			return ErrClosed
		}
		return fmt.Errorf("writing to the child: %w", err)
	}
	return nil
}

// Receive returns the next message. It fails with io.EOF when the child has
// closed its output, and for good: the child should then be closed.
func (p *Process) Receive() ([]byte, error) {
	for {
		line, err := p.readLine()
		if err != nil {
			if errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
				err = io.EOF
			}
			return nil, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if line[0] == '{' && jsontext.Value(line).IsValid() {
			return line, nil
		}
		p.stray.line(line)
		if p.strays++; p.strays > p.cfg.MaxStray {
			return nil, ErrStray
		}
	}
}

// readLine returns a fresh copy of the next line, without its end. The last
// line of a stream that does not end in a newline is not a message.
func (p *Process) readLine() ([]byte, error) {
	var line []byte
	for {
		part, err := p.lines.ReadSlice('\n')
		if len(line)+len(part) > p.cfg.MaxMessage+1 {
			return nil, ErrTooLong
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func (p *Process) logStderr() {
	defer p.logged.Done()
	defer p.stderr.Close()
	out := newLineLog(p.log, "stderr of the upstream", p.cfg.Stderr)
	defer out.flush()
	r := bufio.NewReaderSize(p.stderr, max(p.cfg.Stderr.LineBytes, 4096))
	for {
		line, more, err := r.ReadLine()
		if err != nil {
			return
		}
		out.line(line)
		for more && err == nil { // the rest of a long line is not logged
			_, more, err = r.ReadLine()
		}
	}
}

// Close ends the child as the protocol asks: it closes stdin and waits for
// Config.Grace, sends SIGTERM to the group and waits again, then SIGKILL. When
// ctx ends the next step is SIGKILL. It returns when the group is gone; later
// calls return at once. How the child ended is told by [Process.Wait].
func (p *Process) Close(ctx context.Context) error {
	p.stdin.Close()
	if !p.await(ctx) {
		if ctx.Err() == nil {
			p.log.Warn("upstream does not end with its input, sending SIGTERM")
			p.terminate()
			p.await(ctx)
		}
		p.kill()
	}
	<-p.exited
	p.stdout.SetReadDeadline(time.Now()) // whoever still reads is done
	p.logged.Wait()
	p.closing.Do(func() {
		p.stray.flush()
		p.stdout.Close()
	})
	return nil
}

// await waits one grace period for the child to be gone.
func (p *Process) await(ctx context.Context) bool {
	t := time.NewTimer(p.cfg.Grace)
	defer t.Stop()
	select {
	case <-p.exited:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// Wait returns how the child ended, once it has: nil for exit status 0.
func (p *Process) Wait() error {
	<-p.exited
	return p.ended
}
