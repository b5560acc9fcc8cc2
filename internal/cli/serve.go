package cli

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/app"
	"github.com/portcullis-dev/portcullis/internal/cli/ending"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/secrets/undumped"
)

// serveFlags are what `serve` and `demo` take.
type serveFlags struct {
	upstream    string
	listen      string
	adminListen string
}

func (s *serveFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.listen, "listen", "", "public `address` (default 127.0.0.1:8080)")
	f.StringVar(&s.adminListen, "admin-listen", "", "admin `address` (default 127.0.0.1:9090)")
}

func (s *serveFlags) apply(cfg *config.Config) {
	if s.listen != "" {
		cfg.Server.Listen = s.listen
	}
	if s.adminListen != "" {
		cfg.Server.AdminListen = s.adminListen
	}
}

func (c cli) serve() *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "serve [--upstream URL | -- COMMAND ARGS…]",
		Short: "Run the gateway",
		Long: `Run the gateway in front of an MCP server: one at a URL, one that is started as
a command and speaks stdio, or those of the configuration file.

With no configuration at all it binds 127.0.0.1, requires an API key (the first
one is made now and shown once) and has every limit on.`,
		Example: `  portcullis serve --upstream http://localhost:3000/mcp
  portcullis serve -- npx -y @modelcontextprotocol/server-everything
  portcullis serve --config portcullis.toml --listen 127.0.0.1:8443`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return frame.Usagef("serve: put the command behind \"--\": portcullis serve -- %s …", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.upstream != "" && len(args) > 0 {
				return frame.Usagef("serve: give --upstream or a command, not both")
			}
			opts, err := c.AppOptions(func(cfg *config.Config) error {
				flags.apply(cfg)
				return single(cfg, flags.upstream, args)
			})
			if err != nil {
				return err
			}
			opts.FirstKey = true
			return c.run(cmd.Context(), opts, c.announce)
		},
	}
	cmd.Flags().StringVar(&flags.upstream, "upstream", "", "`URL` of an MCP server")
	flags.add(cmd)
	return cmd
}

// single puts the one route that the command line names in the place of the
// configured ones.
func single(cfg *config.Config, upstream string, command []string) error {
	if upstream == "" && len(command) == 0 {
		if len(cfg.Routes) == 0 {
			return frame.Usagef("serve: nothing to protect: give --upstream URL, a command behind \"--\", or a [[route]] in the configuration")
		}
		return nil
	}
	rt := config.DefaultRoute()
	rt.Name, rt.Path, rt.Upstream, rt.Command = "mcp", "/mcp", upstream, command
	cfg.Routes = []config.Route{rt}
	if err := cfg.Validate(); err != nil {
		return frame.Usagef("%s", fromFlags(err))
	}
	if len(command) > 0 {
		if _, err := exec.LookPath(command[0]); err != nil {
			return frame.Usagef("the command behind \"--\": %w", err)
		}
	}
	return nil
}

// fromFlags words a mistake in terms of the flags it came from.
func fromFlags(err error) string {
	words := strings.NewReplacer("flags:1: ", "", "route[0].upstream", "--upstream", "route[0].command", "the command behind \"--\"",
		"server.listen", "--listen", "server.admin_listen", "--admin-listen")
	return words.Replace(err.Error())
}

// run serves until a signal asks to stop. ready is called when the gateway
// takes calls.
func (c cli) run(ctx context.Context, opts app.Options, ready func(*app.App) error) error {
	ctx, stop := ending.Context(ctx, opts.Source != nil)
	defer stop()
	if err := undumped.Process(); err != nil { // secrets may end up in a core file
		fmt.Fprintln(c.Err, "warning:", err)
	}
	a, err := app.New(ctx, opts)
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		return err
	}
	if err := ready(a); err != nil {
		stop() // nobody can read what we say: do not stay behind
	}
	return a.Wait(ctx)
}

// announce tells a person where the gateway is and, once, the first key.
func (c cli) announce(a *app.App) error {
	if c.JSON() {
		return c.PrintJSON(a.Endpoints())
	}
	e := a.Endpoints()
	if err := c.Printf("portcullis %s\n  MCP     %s\n  admin   %s\n", c.Version, strings.Join(e.URLs, "\n          "), cmp.Or(e.AdminURL, "off")); err != nil {
		return err
	}
	if e.APIKey == "" {
		return nil
	}
	return c.Printf("  key     %s\n\nThis is the first key; it may do everything and is shown only now.\nSend it as \"X-API-Key: KEY\" or \"Authorization: Bearer KEY\".\n", e.APIKey)
}
