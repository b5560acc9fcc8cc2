package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog/offline"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/app"
	"github.com/portcullis-dev/portcullis/internal/app/transparency"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
)

// The routes of the scratch gateway. Data leaves by the first.
const (
	routeFiles = "files"
	routeMail  = "mail"
)

const scaleDown = "scale-down"

// settings are those of the scratch gateway: detection sees soon what it is to
// see, and nothing is contained by itself.
const settings = `
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
[detect.anomaly.patterns.rapid]
requests = 40
[detect.anomaly.patterns.scanning]
tools = 10
refusals = 10
[incident]
never = []
playbooks = %q
[[incident.contact]]
name = "whoever drills"
role = "On-Call Engineer"
email = "nobody@example.com"
[[incident.response]]
name = "drill"
on = "principal"
actions = ["alert"]
[[route]]
name = "files"
path = "/files"
upstream = %q
rate = ["1000000/1s per key"]
[[route]]
name = "mail"
path = "/mail"
upstream = %q
rate = ["1000000/1s per key"]
`

// scratch is a gateway that is thrown away.
type scratch struct {
	dir    string
	data   string
	files  *server
	mail   *server
	app    *app.App
	base   string
	client *admin.Client
}

// server answers tool calls in this process.
type server struct {
	http *http.Server
	l    net.Listener
	done chan struct{}
}

func serve(ctx context.Context) (*server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting a server: %w", err)
	}
	s := &server{l: l, done: make(chan struct{}), http: &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(answer)}}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // ends when the drill does
	}()
	return s, nil
}

// answer gives data away, or keeps a stream open.
func answer(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		if http.NewResponseController(w).Flush() == nil {
			<-r.Context().Done()
		}
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"`+strings.Repeat("data ", 200)+`"}]}}`)
}

func (s *server) url() string { return "http://" + s.l.Addr().String() + "/mcp" }

func (s *server) close() {
	if s != nil {
		_ = s.http.Close() // open streams end with it
		<-s.done
	}
}

// start makes everything. What is returned has to be closed, also with an error.
func start(ctx context.Context, o Options) (s *scratch, err error) {
	s = &scratch{}
	if s.dir, err = os.MkdirTemp("", "drill-"); err != nil {
		return s, fmt.Errorf("making a scratch folder: %w", err)
	}
	s.data = filepath.Join(s.dir, "data")
	if s.files, err = serve(ctx); err != nil {
		return s, err
	}
	if s.mail, err = serve(ctx); err != nil {
		return s, err
	}
	folder := o.Playbooks
	if folder != "" {
		if folder, err = filepath.Abs(folder); err != nil {
			return s, fmt.Errorf("playbooks: %w", err)
		}
	}
	file := filepath.Join(s.dir, "portcullis.toml")
	text, err := hooks(fmt.Appendf(nil, settings, folder, s.files.url(), s.mail.url()), o.Hooks)
	if err != nil {
		return s, err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return s, fmt.Errorf("writing the scratch configuration: %w", err)
	}
	nothing := func(string) (string, bool) { return "", false }
	cfg, src, err := config.Load(file, nothing)
	if err != nil {
		return s, fmt.Errorf("the scratch configuration: %w", err)
	}
	if s.app, err = app.New(ctx, app.Options{Version: o.Version, Config: cfg, Source: src, Getenv: nothing, DataDir: s.data, Log: slog.New(slog.DiscardHandler)}); err != nil {
		return s, err
	}
	if err := s.app.Start(ctx); err != nil {
		return s, err
	}
	u := s.app.Endpoints().URL
	s.base = strings.TrimSuffix(u, "/"+routeFiles)
	s.client, err = admin.Dial(ctx, datadir.AdminSocket(s.data))
	return s, err
}

// hooks adds a program that does nothing for each hook, and for scale-down in
// any case: the built-in playbooks name it.
func hooks(text []byte, list []Hook) ([]byte, error) {
	nothing, err := exec.LookPath("true")
	if err == nil {
		nothing, err = filepath.Abs(nothing)
	}
	if err != nil {
		return nil, fmt.Errorf("finding a program that does nothing: %w", err)
	}
	if !slices.ContainsFunc(list, func(h Hook) bool { return h.Name == scaleDown }) {
		list = append(slices.Clone(list), Hook{scaleDown, true})
	}
	for _, h := range list {
		text = fmt.Appendf(text, "[[incident.hook]]\nname = %q\ncommand = [%q]\ndestructive = %t\n", h.Name, nothing, h.Destructive)
	}
	return text, nil
}

// stop ends the gateway, once.
func (s *scratch) stop(ctx context.Context) error {
	if s.app == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	a := s.app
	s.app = nil
	return a.Stop(ctx)
}

// verify checks the audit log of the gateway, which has stopped.
func (s *scratch) verify(ctx context.Context) (r *offline.Report, err error) {
	dir, err := datadir.Open(s.data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	key, err := transparency.Key(dir, "")
	if err != nil {
		return nil, err
	}
	return offline.Verify(ctx, dir.AuditDir(), offline.VerifyOptions{Key: key.Verifier()})
}

func (s *scratch) close(ctx context.Context) error {
	err := s.stop(ctx)
	s.files.close()
	s.mail.close()
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}
