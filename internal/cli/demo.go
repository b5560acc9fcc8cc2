package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/app"
	"github.com/portcullis-dev/portcullis/internal/chronicle"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/keys"
	"github.com/portcullis-dev/portcullis/internal/cli/screen"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
)

// demo is the gateway in front of chronicle, with what a newcomer needs to try
// it.
type demo struct {
	cli
	flags  serveFlags
	data   string // absolute
	fresh  bool   // data was made for this run and is removed at its end
	other  string // server in chronicle's place; "" = none
	sample string // history file made up for the demonstration; "" = the machine's own
}

func (c cli) demo() *cobra.Command {
	d := &demo{cli: c}
	cmd := &cobra.Command{
		Use: "demo [-- COMMAND ARGS…]", Short: "Run the gateway in front of a real MCP server, ready to try",
		Long: `Run the gateway in front of chronicle, the bundled MCP server: over the browser
history of this machine, which is only read and only served on loopback, or over
a made-up history where there is none. Prints a key, a call that works, one that
is refused, and where to look. Nothing stays behind, unless --data says where.`,
		Example: `  portcullis demo
  portcullis demo --listen 127.0.0.1:8181 --data ./demo
  portcullis demo --output json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return frame.Usagef("demo: put the command behind \"--\": portcullis demo -- %s …", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.run(cmd, args)
		},
	}
	cmd.Flags().StringVar(&d.flags.upstream, "upstream", "", "`URL` of an MCP server instead of chronicle")
	d.flags.add(cmd)
	return cmd
}

func (d *demo) run(cmd *cobra.Command, command []string) (err error) {
	if d.flags.upstream != "" && len(command) > 0 {
		return frame.Usagef("demo: give --upstream or a command, not both")
	}
	if err := d.makeData(cmd.Flags().Changed("data")); err != nil {
		return err
	}
	defer func() {
		if d.fresh {
			err = errors.Join(err, os.RemoveAll(d.data))
		}
	}()
	if d.other = cmp.Or(d.flags.upstream, strings.Join(command, " ")); d.other == "" {
		if command, err = d.chronicle(cmd.Context()); err != nil {
			return err
		}
	}
	d.freePorts(cmd.Context())
	opts, err := d.options(command)
	if err != nil {
		return err
	}
	opts.FirstKey = true
	return d.cli.run(cmd.Context(), opts, func(a *app.App) error { return d.announce(cmd.Context(), a) })
}

// options are those of serve, without the configuration file of the folder we
// happen to be in: only one that was named counts.
func (d *demo) options(command []string) (app.Options, error) {
	adjust := func(cfg *config.Config) error {
		d.flags.apply(cfg)
		if err := single(cfg, d.flags.upstream, command); err != nil {
			return err
		}
		if d.other == "" {
			cfg.Routes[0].Pins.Policy = toolpin.Trust // its tools are this program's own, and change with it
		}
		cfg.Routes[0].PassEnv = []string{"XDG_CONFIG_HOME"} // where browsers keep their profiles, beside HOME
		return nil
	}
	if d.ConfigPath != "" {
		return d.AppOptions(adjust)
	}
	cfg := config.Default()
	if err := adjust(cfg); err != nil {
		return app.Options{}, err
	}
	return d.Options(cfg, nil), nil
}

// makeData sees to it that there is a data folder nobody else can look into.
func (d *demo) makeData(named bool) error {
	if !named {
		dir, err := os.MkdirTemp("", "portcullis-demo-")
		if err != nil {
			return fmt.Errorf("making a data folder: %w", err)
		}
		d.fresh, d.DataDir = true, dir
	}
	abs, err := filepath.Abs(d.DataDir)
	if err != nil {
		return fmt.Errorf("data folder %q: %w", d.DataDir, err)
	}
	d.data = abs
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return fmt.Errorf("making data folder: %w", err)
	}
	return nil
}

// chronicle returns the command of the server that the demonstration protects.
func (d *demo) chronicle(ctx context.Context) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	command := []string{self, "chronicle", "serve", "--stdio"}
	if d.hasHistory(ctx) {
		return command, nil
	}
	dir := filepath.Join(d.data, "sample")
	if err := os.RemoveAll(dir); err != nil { // of an earlier demonstration
		return nil, fmt.Errorf("making up a history: %w", err)
	}
	if d.sample, err = chronicle.WriteSample(dir, time.Now()); err != nil {
		return nil, fmt.Errorf("making up a history: %w", err)
	}
	return append(command, "--discover=false", "--path", "chrome="+d.sample), nil
}

// hasHistory reports whether this machine has a history that can be read and
// is not empty.
func (d *demo) hasHistory(ctx context.Context) bool {
	cfg := chronicle.Default()
	cfg.Logger = slog.New(slog.DiscardHandler)
	s, err := chronicle.New(cfg)
	if err != nil {
		return false
	}
	defer s.Close()
	res, err := s.BrowserStats(ctx, chronicle.Args{})
	if err != nil {
		return false
	}
	stats, ok := res.Data.(chronicle.Stats)
	return ok && stats.TotalEntries > 0
}

// freePorts takes a free port where nobody asked for one and the usual one is
// taken.
func (d *demo) freePorts(ctx context.Context) {
	def := config.Default().Server
	for _, p := range []struct {
		flag *string
		def  string
	}{{&d.flags.listen, def.Listen}, {&d.flags.adminListen, def.AdminListen}} {
		if *p.flag != "" || d.ConfigPath != "" {
			continue
		}
		var lc net.ListenConfig
		if l, err := lc.Listen(ctx, "tcp", p.def); err != nil || l.Close() != nil {
			*p.flag = "127.0.0.1:0"
		}
	}
}

// announce prints what to try. A data folder that has keys already gets
// another one: only a new key can be shown.
func (d *demo) announce(ctx context.Context, a *app.App) error {
	e := a.Endpoints()
	if e.APIKey == "" {
		client, err := admin.Dial(ctx, filepath.Join(d.data, "admin.sock"))
		if err != nil {
			return err
		}
		made, err := client.CreateKey(ctx, admin.CreateKey{Name: "demo", Scopes: append(keys.DefaultScopes(), "manage"), Schedule: "daily"})
		if err != nil {
			return fmt.Errorf("making a key: %w", err)
		}
		e.APIKey = made.Key
	}
	if d.JSON() {
		return d.PrintJSON(e)
	}
	return d.Printf("%s", d.story(e))
}

// demoCall is one request of the demonstration, complete in itself.
type demoCall struct{ method, name, body string }

// demoMeta is what the stateless revision wants in every request.
const demoMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
	`"io.modelcontextprotocol/clientInfo":{"name":"curl","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`

// calls returns a call that works and an attack. Only chronicle's tools are
// known by name.
func (d *demo) calls(chronicle bool) (good, bad demoCall, why string) {
	if chronicle {
		good = demoCall{"tools/call", "list_top_domains", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_top_domains",` +
			`"arguments":{"limit":3},` + demoMeta + `}}`}
		bad = demoCall{"tools/call", "list_top_domains", `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"list_top_domains",` +
			`"name":"export_history","arguments":{"limit":10000},` + demoMeta + `}}`}
		return good, bad, "the tool is named twice, so that one\nreader checks list_top_domains and another one runs export_history"
	}
	good = demoCall{"tools/list", "", `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + demoMeta + `}}`}
	bad = demoCall{"tools/list", "", `{"jsonrpc":"2.0","id":2,"method":"tools/list","method":"tools/call","params":{"name":"any",` + demoMeta + `}}`}
	return good, bad, "the method is named twice, so that one\nreader checks tools/list and another one runs tools/call"
}

func (c demoCall) curl(e app.Endpoints) string {
	name := ""
	if c.name != "" {
		name = " -H 'Mcp-Name: " + c.name + "'"
	}
	return fmt.Sprintf(`  curl -sS %s -H 'X-API-Key: %s' \
       -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
       -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: %s'%s \
       -d '%s'
`, e.URL, e.APIKey, c.method, name, c.body)
}

func (d *demo) story(e app.Endpoints) string {
	program := "portcullis"
	if strings.ContainsRune(os.Args[0], filepath.Separator) {
		program = os.Args[0] // as it was called: it may not be on the PATH
	}
	what := "the bundled MCP server over the browser history of this machine"
	switch {
	case d.other != "":
		what = d.other
	case d.sample != "":
		what = "the bundled MCP server over a made-up browser history (this machine has none)"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "portcullis %s in front of %s\n\n  MCP    %s\n  admin  %s\n  key    %s\n  data   %s\n\n",
		d.Version, what, e.URL, e.AdminURL, e.APIKey, d.data)
	good, bad, why := d.calls(d.other == "")
	fmt.Fprintf(&b, "This works:\n\n%s\n", good.curl(e))
	fmt.Fprintf(&b, "This is an attack and is refused with 400: %s:\n\n%s\n", why, bad.curl(e))
	fmt.Fprintf(&b, "What happened:\n\n  %s audit tail --data %s\n  curl -sS %s/metrics -H 'X-API-Key: %s' | grep -E '^portcullis_(requests|refusals)_total'\n\n",
		program, screen.ShellQuote(d.data), e.AdminURL, e.APIKey)
	if d.fresh {
		b.WriteString("Ctrl-C ends it and removes the data folder; --data DIR keeps one.\n")
	} else {
		b.WriteString("Ctrl-C ends it.\n")
	}
	return b.String()
}
