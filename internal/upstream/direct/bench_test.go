//go:build unix

package direct

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// serverEnv makes the test binary serve instead of test, so that a benchmark
// counts the CPU time of the client alone.
const serverEnv = "PORTCULLIS_TEST_UPSTREAM"

var (
	benchRequest = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"` +
		strings.Repeat("x", 258) + `"}}}`
	benchReply = `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"` +
		strings.Repeat("y", 528) + `"}]}}`
)

// serveBench answers every request with benchReply, until stdin ends.
func serveBench() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(l.Addr())
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, benchReply)
		})}
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); _ = srv.Close() }()
	_ = srv.Serve(l)
	return 0
}

// startBench starts serveBench in a process of its own and returns its URL.
func startBench(b *testing.B) string {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(addr) + "/mcp"
}

// cpu returns the user and system time of this process so far.
func cpu(b *testing.B) time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

func benchCall() *portcullis.Call {
	return &portcullis.Call{
		Message: &portcullis.Message{Shape: portcullis.ShapeRequest, Raw: []byte(benchRequest)},
		Header: []portcullis.Field{
			{Name: "Content-Type", Value: "application/json"},
			{Name: "Accept", Value: "application/json, text/event-stream"},
			{Name: "Mcp-Protocol-Version", Value: "2026-07-28"},
			{Name: "Mcp-Method", Value: "tools/call"},
			{Name: "Mcp-Name", Value: "echo"},
			{Name: "X-Request-Id", Value: "01990000-0000-7000-8000-000000000000"},
		},
	}
}

// BenchmarkForward compares a whole call through the direct way with the same
// through the fallback, and with a bare http.Transport as a reverse proxy uses
// it. cpu-µs/op is user and system time of the client process.
func BenchmarkForward(b *testing.B) {
	for _, conc := range []int{1, 64} {
		for _, way := range []string{"direct", "fallback", "transport"} {
			b.Run(fmt.Sprintf("%s/%d", way, conc), func(b *testing.B) {
				cfg := Default()
				cfg.URL = startBench(b)
				c, err := New(cfg)
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = c.Close() }()
				c.proxied = way == "fallback"
				b.ReportAllocs()
				if way == "transport" {
					drive(b, conc, bareTransport(b, cfg.URL, conc))
					return
				}
				drive(b, conc, func(ctx context.Context, call *portcullis.Call) (io.ReadCloser, error) {
					reply, err := c.Forward(ctx, call)
					if err != nil {
						return nil, err
					}
					return reply.Body, nil
				})
			})
		}
	}
}

// bareTransport forwards through an http.Transport of its own.
func bareTransport(b *testing.B, url string, conc int) func(context.Context, *portcullis.Call) (io.ReadCloser, error) {
	tr := &http.Transport{MaxIdleConnsPerHost: conc, DisableCompression: true}
	b.Cleanup(tr.CloseIdleConnections)
	return func(ctx context.Context, call *portcullis.Call) (io.ReadCloser, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(call.Message.Raw))
		if err != nil {
			return nil, err
		}
		for _, f := range call.Header {
			req.Header.Set(f.Name, f.Value)
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		return resp.Body, nil
	}
}

// drive makes b.N calls from conc goroutines, each with a context that can be
// cancelled, as a server's are.
func drive(b *testing.B, conc int, forward func(context.Context, *portcullis.Call) (io.ReadCloser, error)) {
	var wg sync.WaitGroup
	before := cpu(b)
	b.ResetTimer()
	for g := range conc {
		n := b.N / conc
		if g == 0 {
			n += b.N % conc
		}
		wg.Go(func() {
			buf := make([]byte, 8<<10)
			call := benchCall()
			for range n {
				ctx, cancel := context.WithCancel(b.Context())
				body, err := forward(ctx, call)
				if err != nil {
					b.Error(err)
					cancel()
					return
				}
				if got, err := readAll(body, buf); err != nil || got != len(benchReply) {
					b.Errorf("read %d bytes: %v", got, err)
				}
				_ = body.Close()
				cancel()
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
}

// readAll reads to the end and into the same buffer; it returns the length.
func readAll(r io.Reader, buf []byte) (int, error) {
	total := 0
	for {
		n, err := r.Read(buf)
		total += n
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}
