package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/portcullis-dev/portcullis/internal/chronicle"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// chronicleToken is the variable with the token that callers of the HTTP
// server must send.
const chronicleToken = "PORTCULLIS_CHRONICLE_TOKEN"

// chronicleFlags say which histories are read.
type chronicleFlags struct {
	paths     []string
	bookmarks []string
	discover  bool
	hide      []string
}

func (f *chronicleFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.paths, "path", nil, "history database of a browser instead of the one that is found, as `BROWSER=FILE`; repeatable")
	flags.StringArrayVar(&f.bookmarks, "bookmarks-path", nil, "bookmarks file of a Chromium browser, as `BROWSER=FILE`; repeatable")
	flags.BoolVar(&f.discover, "discover", true, "look for the browsers of this machine")
	flags.StringSliceVar(&f.hide, "hide", nil, "`names` of URL parameters that are hidden beside the usual ones")
}

// server opens the histories.
func (f *chronicleFlags) server(c cli, browser string, log *slog.Logger) (*chronicle.Server, error) {
	cfg := chronicle.Default()
	hide, err := f.hidden(c)
	if err != nil {
		return nil, err
	}
	cfg.DefaultBrowser, cfg.Discover, cfg.CustomSensitiveParams = browser, f.discover, hide
	cfg.Version, cfg.Logger = c.Version, log
	cfg.Token, _ = c.Env(chronicleToken)
	if cfg.Paths, err = browserFiles("--path", f.paths); err != nil {
		return nil, err
	}
	if cfg.BookmarkPaths, err = browserFiles("--bookmarks-path", f.bookmarks); err != nil {
		return nil, err
	}
	s, err := chronicle.New(cfg)
	if err != nil {
		return nil, frame.Usagef("chronicle: %w", err)
	}
	return s, nil
}

// hidden are the parameters named on the command line and those of the
// configuration (security.custom_sensitive_params). Variables of the
// configuration that are not set here do not matter: a child of the gateway
// has a minimal environment, and no other setting is used.
func (f *chronicleFlags) hidden(c cli) ([]string, error) {
	path, err := config.Find(c.ConfigPath, c.Env)
	if errors.Is(err, config.ErrNotFound) {
		return f.hide, nil
	}
	if err != nil {
		return nil, err
	}
	cfg, _, err := config.Load(path, func(name string) (string, bool) {
		if v, ok := c.Env(name); ok {
			return v, true
		}
		return "unset-variable-of-no-use-here", true
	})
	if err != nil {
		return nil, err
	}
	return append(slices.Clone(f.hide), cfg.Security.CustomSensitiveParams...), nil
}

func browserFiles(flag string, list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, item := range list {
		name, file, ok := strings.Cut(item, "=")
		if !ok || name == "" || file == "" {
			return nil, frame.Usagef("%s %q: want BROWSER=FILE, such as firefox=/tmp/places.sqlite", flag, item)
		}
		abs, err := filepath.Abs(file)
		if err != nil {
			return nil, frame.Usagef("%s %q: %w", flag, item, err)
		}
		out[strings.ToLower(name)] = abs
	}
	return out, nil
}

func (c cli) chronicle() *cobra.Command {
	var flags chronicleFlags
	verbs := []*cobra.Command{c.chronicleServe(&flags)}
	for _, q := range chronicleQueries() {
		verbs = append(verbs, c.chronicleQuery(&flags, q))
	}
	g := frame.Group("chronicle", "Search the browser history of this machine, or serve it over MCP", verbs...)
	g.Long = `Chronicle is the bundled MCP server: read-only tools over the browser history,
bookmarks and downloads of this machine. Databases are copied and opened
read-only; secrets in URLs are removed before search and output.`
	g.Example = `  portcullis chronicle search golang --limit 3
  portcullis chronicle serve --stdio`
	flags.add(g.PersistentFlags())
	return g
}

func (c cli) chronicleServe(flags *chronicleFlags) *cobra.Command {
	var stdio bool
	var listen, browser string
	cmd := &cobra.Command{
		Use: "serve [--stdio | --listen ADDRESS]", Short: "Serve the history over MCP, on stdio or HTTP", Args: frame.None,
		Long: `Serve the history over MCP. On HTTP it serves MCP at /mcp and REST at /api, and
authenticates nobody unless PORTCULLIS_CHRONICLE_TOKEN is set, which callers
then send as "Authorization: Bearer TOKEN". Put the gateway in front of it:
"portcullis demo" shows how.`,
		Example: `  portcullis chronicle serve --stdio
  portcullis chronicle serve --listen 127.0.0.1:8091 --browser firefox
  portcullis serve -- portcullis chronicle serve --stdio`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if stdio && listen != "" {
				return frame.Usagef("chronicle serve: give --stdio or --listen, not both")
			}
			log := obs.NewLogger(c.Err, slog.LevelWarn, c.LogFormat("auto"), obs.LogOptions{Module: "chronicle"})
			s, err := flags.server(c, browser, log)
			if err != nil {
				return err
			}
			defer s.Close()
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			if listen != "" {
				return c.chronicleHTTP(ctx, s, listen, log)
			}
			if err := s.RunStdio(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("serving stdio: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&stdio, "stdio", false, "serve standard input and output; the default")
	cmd.Flags().StringVar(&listen, "listen", "", "serve HTTP on this `address`, such as 127.0.0.1:8091")
	cmd.Flags().StringVar(&browser, "browser", "", "`browser`, or browser:profile, that answers when a call names none")
	return cmd
}

// chronicleHTTP serves until ctx ends. Only loopback is taken without a token:
// a history on a network would be anybody's.
func (c cli) chronicleHTTP(ctx context.Context, s *chronicle.Server, listen string, log *slog.Logger) error {
	token, _ := c.Env(chronicleToken)
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("opening the listener: %w", err)
	}
	if addr, ok := l.Addr().(*net.TCPAddr); token == "" && ok && !addr.IP.IsLoopback() {
		return errors.Join(frame.Usagef("chronicle serve: --listen %q is open to the network: set PORTCULLIS_CHRONICLE_TOKEN, or listen on 127.0.0.1", listen), l.Close())
	}
	srv := &http.Server{
		Handler: s.HTTPHandler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	if err := c.Printf("chronicle %s\n  MCP   http://%s/mcp\n  REST  http://%s/api\n", c.Version, l.Addr(), l.Addr()); err != nil {
		return errors.Join(err, l.Close())
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving HTTP: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		return srv.Close()
	}
	return nil
}

// chronicleQuery is the verb of one read tool: its arguments are flags.
func (c cli) chronicleQuery(flags *chronicleFlags, q chronicleVerb) *cobra.Command {
	use, rule := q.name, frame.None
	if q.subject != "" {
		use, rule = q.name+" "+strings.ToUpper(q.subject), frame.One("the "+q.subject)
	}
	var format string
	cmd := &cobra.Command{Use: use, Short: q.short, Example: "  portcullis chronicle " + q.example, Args: rule}
	f := cmd.Flags()
	for _, a := range q.args {
		a.add(f)
	}
	f.StringVar(&format, "format", q.formats[0], "`format`: "+strings.Join(q.formats, ", "))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if c.JSON() && !cmd.Flags().Changed("format") {
			format = "json"
		}
		if err := q.checkFormat(format); err != nil {
			return err
		}
		in := map[string]any{}
		if q.subject != "" {
			in[q.subject] = args[0]
		}
		for _, a := range q.args {
			if err := a.set(in, cmd.Flags()); err != nil {
				return err
			}
		}
		if q.tool == "export_history" {
			in["format_type"] = format
		}
		arguments, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encoding the arguments: %w", err)
		}
		return c.askChronicle(cmd.Context(), flags, q.tool, arguments, format)
	}
	return cmd
}

func (c cli) askChronicle(ctx context.Context, flags *chronicleFlags, tool string, arguments []byte, format string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s, err := flags.server(c, "", obs.NewLogger(c.Err, slog.LevelError, c.LogFormat("auto"), obs.LogOptions{}))
	if err != nil {
		return err
	}
	defer s.Close()
	res, err := s.Call(ctx, tool, arguments)
	if err != nil {
		var e *chronicle.Error
		if errors.As(err, &e) && e.Status == http.StatusBadRequest {
			return frame.UsageError{Err: err}
		}
		return err
	}
	switch {
	case format == "json":
		return c.PrintJSON(res.Data)
	case format == "csv" && res.MIME != "text/csv":
		text, err := chronicleCSV(res.Data)
		if err != nil {
			return err
		}
		return c.Printf("%s", text)
	}
	return c.Printf("%s\n", strings.TrimRight(res.Text, "\r\n"))
}
