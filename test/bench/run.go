package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// target is one server under measurement.
type target struct {
	name, addr, path, key string
	version, body         string // the header that says the version of the protocol, and what is asked
	cmd                   *exec.Cmd
	shared                bool          // cmd is that of another target, too
	rows                  map[int][]row // by number of connections
}

const mcpVersion = "MCP-Protocol-Version: 2025-11-25"

type row struct {
	loadResult
	cpu time.Duration // per request
}

func run(o options) (err error) {
	if runtime.GOOS != "linux" {
		return errors.New("CPU accounting reads /proc: run this on Linux")
	}
	dir, err := os.MkdirTemp("", "portcullis-bench-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	targets, up, cold, err := startAll(o, dir)
	defer func() {
		for _, t := range append(targets, up) {
			if t != nil && t.cmd != nil && !t.shared {
				t.stop()
			}
		}
	}()
	if err != nil {
		return err
	}
	for round := range o.rounds {
		for _, conns := range []int{64, 1} {
			n := o.n
			if conns == 1 {
				n = o.n / 5
			}
			for _, t := range targets {
				if err := t.measure(n, conns); err != nil {
					return fmt.Errorf("%s: %w", t.name, err)
				}
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d done\n", round+1, o.rounds)
	}
	report(targets)
	gw := targets[1]
	now, peak, err := memory(gw.cmd.Process.Pid)
	if err != nil {
		return err
	}
	fmt.Printf("\nGateway: cold start to first answer %s; memory %.1f MiB now, %.1f MiB peak.\n", cold.Round(100*time.Microsecond), float64(now)/1024, float64(peak)/1024)
	if o.soak > 0 {
		r, err := load(gw, o.soak, 64)
		if err != nil {
			return err
		}
		now, peak, err = memory(gw.cmd.Process.Pid)
		if err != nil {
			return err
		}
		fmt.Printf("After %d more requests (%.0f/s): memory %.1f MiB now, %.1f MiB peak.\n", o.soak, r.perSecond, float64(now)/1024, float64(peak)/1024)
	}
	return nil
}

func (t *target) measure(n, conns int) error {
	if _, err := load(t, n/20+conns, conns); err != nil { // warm up
		return err
	}
	before, err := cpuTime(t.cmd.Process.Pid)
	if err != nil {
		return err
	}
	r, err := load(t, n, conns)
	if err != nil {
		return err
	}
	after, err := cpuTime(t.cmd.Process.Pid)
	if err != nil {
		return err
	}
	t.rows[conns] = append(t.rows[conns], row{r, (after - before) / time.Duration(n)})
	return nil
}

func report(targets []*target) {
	for _, conns := range []int{64, 1} {
		fmt.Printf("\n%d connection(s)\n\n| server | requests/s | p50 µs | p99 µs | CPU µs/request | CPU ÷ yardstick |\n|---|---:|---:|---:|---:|---:|\n", conns)
		for _, t := range targets {
			rows := t.rows[conns]
			ratios := make([]float64, len(rows))
			for i := range rows {
				ratios[i] = float64(rows[i].cpu) / float64(targets[0].rows[conns][i].cpu)
			}
			fmt.Printf("| %s | %.0f | %.0f | %.0f | %.1f | %.2f |\n", t.name,
				median(rows, func(r row) float64 { return r.perSecond }),
				median(rows, func(r row) float64 { return micros(r.p50) }),
				median(rows, func(r row) float64 { return micros(r.p99) }),
				median(rows, func(r row) float64 { return micros(r.cpu) }), mid(ratios))
		}
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func median(rows []row, f func(row) float64) float64 {
	v := make([]float64, len(rows))
	for i, r := range rows {
		v[i] = f(r)
	}
	return mid(v)
}

func mid(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

func startAll(o options, dir string) (targets []*target, up *target, cold time.Duration, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, 0, fmt.Errorf("finding this program: %w", err)
	}
	if up, err = startServer("upstream", func(addr string) *exec.Cmd { return exec.Command(self, "-role", "upstream", addr) }); err != nil {
		return nil, nil, 0, err
	}
	yard, err := startServer("reverse proxy (yardstick)", func(addr string) *exec.Cmd {
		return exec.Command(self, "-role", "yardstick", addr, "http://"+up.addr)
	})
	if err != nil {
		return nil, up, 0, err
	}
	yard.key = "mcp_0"
	targets = append(targets, yard)
	gw, cold, err := startGateway(o, dir, up.addr)
	if err != nil {
		return targets, up, 0, err
	}
	agent := &target{name: "portcullis, to an agent (A2A)", addr: gw.addr, path: "/a2a", key: gw.key, version: "A2A-Version: 1.0", body: send, cmd: gw.cmd, shared: true, rows: map[int][]row{}}
	targets = append(targets, gw, agent)
	if ng, err := startNginx(dir, up.addr); err != nil {
		fmt.Fprintln(os.Stderr, "without nginx:", err)
	} else {
		targets = append(targets, ng)
	}
	return targets, up, cold, nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func startServer(name string, command func(addr string) *exec.Cmd) (*target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	t := &target{name: name, addr: addr, path: "/mcp", version: mcpVersion, body: call, cmd: command(addr), rows: map[int][]row{}}
	t.cmd.Stderr = os.Stderr
	if err := t.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return t, waitFor(addr)
}

func waitFor(addr string) error {
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Errorf("nothing answers on %s", addr)
}

func (t *target) stop() {
	if err := t.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return // gone already
	}
	if err := t.cmd.Wait(); err != nil && t.cmd.ProcessState.ExitCode() > 0 {
		fmt.Fprintf(os.Stderr, "%s: %v\n", t.name, err)
	}
}

// startGateway starts the gateway as its user would, with every default guard
// on and only the rate limits wide enough for the load.
func startGateway(o options, dir, upstream string) (*target, time.Duration, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, 0, err
	}
	admin, err := freeAddr()
	if err != nil {
		return nil, 0, err
	}
	conf := filepath.Join(dir, "portcullis.toml")
	text := fmt.Sprintf("[server]\nlisten = %q\nadmin_listen = %q\n\n[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = \"http://%s/mcp\"\nrate = [\"1000000/1s per address\", \"1000000/1s per key\", \"1000000/1s per tool\"]\n\n[route.tools]\nallow = [\"search_*\"]\ndeny = [\"delete_*\"]\n\n[[route]]\nname = \"agent\"\npath = \"/a2a\"\nprotocol = \"a2a\"\nupstream = \"http://%s/a2a\"\nrate = [\"1000000/1s per address\", \"1000000/1s per key\"]\n", addr, admin, upstream, upstream)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, 0, fmt.Errorf("writing the configuration: %w", err)
	}
	data := filepath.Join(dir, "data")
	create := exec.Command(o.bin, "key", "create", "--name", "bench", "--scopes", "tools:*,skills:*", "--output", "json", "--config", conf, "--data", data)
	create.Stderr = os.Stderr
	out, err := create.Output()
	if err != nil {
		return nil, 0, fmt.Errorf("creating a key: %w", err)
	}
	var made struct{ Key string }
	if err := json.Unmarshal(out, &made); err != nil {
		return nil, 0, fmt.Errorf("reading the key: %w", err)
	}
	t := &target{name: "portcullis (all defaults on)", addr: addr, path: "/mcp", version: mcpVersion, body: call, key: made.Key, rows: map[int][]row{}}
	t.cmd = exec.Command(o.bin, "serve", "--config", conf, "--data", data)
	logs, err := os.Create(filepath.Join(dir, "gateway.log"))
	if err != nil {
		return nil, 0, fmt.Errorf("making a log file: %w", err)
	}
	t.cmd.Stderr, t.cmd.Stdout = logs, logs
	begin := time.Now()
	if err := t.cmd.Start(); err != nil {
		return nil, 0, fmt.Errorf("starting the gateway: %w", err)
	}
	cold, err := firstAnswer(t, begin)
	return t, cold, err
}

func firstAnswer(t *target, begin time.Time) (time.Duration, error) {
	for time.Since(begin) < 15*time.Second {
		if _, err := load(t, 1, 1); err == nil {
			return time.Since(begin), nil
		} else if !errors.Is(err, syscall.ECONNREFUSED) {
			return 0, err
		}
		time.Sleep(time.Millisecond)
	}
	return 0, errors.New("the gateway does not answer")
}

const nginxConf = `daemon off; worker_processes 2; pid %[1]s/nginx.pid; error_log %[1]s/nginx.err; events { worker_connections 1024; }
http { keepalive_requests 1000000000; access_log %[1]s/nginx.log; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
 map $http_x_api_key $who { default ""; "mcp_0" "bench"; }
 limit_req_zone $who zone=k:10m rate=1000000r/s;
 upstream up { server %[3]s; keepalive 128; keepalive_requests 1000000000; }
 server { listen %[2]s; location / { if ($who = "") { return 401; } limit_req zone=k burst=1000000 nodelay;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://up; } } }
`

func startNginx(dir, upstream string) (*target, error) {
	bin, err := exec.LookPath("nginx")
	if err != nil {
		return nil, err
	}
	t, err := startServer("nginx (key map, limit_req, access log)", func(addr string) *exec.Cmd {
		conf := filepath.Join(dir, "nginx.conf")
		if werr := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, addr, upstream), 0o600); werr != nil {
			fmt.Fprintln(os.Stderr, werr)
		}
		return exec.Command(bin, "-c", conf, "-p", dir)
	})
	if err != nil {
		return nil, err
	}
	t.key = "mcp_0"
	return t, nil
}
