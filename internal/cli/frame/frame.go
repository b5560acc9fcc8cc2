// Package frame is what every group of verbs stands on: the flags all verbs
// have, where output goes, the configuration and a client of the admin API.
package frame

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/app"
	"github.com/portcullis-dev/portcullis/internal/app/personal"
	"github.com/portcullis-dev/portcullis/internal/cli/hint"
	"github.com/portcullis-dev/portcullis/internal/cli/screen"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Frame carries what all verbs share. The flags are set when a verb runs.
type Frame struct {
	Version string
	Out     io.Writer
	Err     io.Writer
	In      io.Reader
	Env     func(string) (string, bool)

	ConfigPath string
	DataDir    string
	Output     string
}

// LoadConfig reads the configuration file, or takes the defaults where there
// is none.
func (c *Frame) LoadConfig() (*config.Config, *config.Source, error) {
	path, err := config.Find(c.ConfigPath, c.Env)
	if errors.Is(err, config.ErrNotFound) {
		return config.Default(), nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	cfg, src, err := config.Load(path, c.Env)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, Usagef("there is no file %q: 'portcullis init' writes one", path)
	}
	if errors.Is(err, config.ErrNotRegular) {
		return nil, nil, UsageError{Err: err}
	}
	if err != nil {
		return nil, nil, err
	}
	for _, w := range src.Warnings {
		fmt.Fprintln(c.Err, "warning:", w)
	}
	return cfg, src, nil
}

// Personal opens sealed personal data of the audit log for a verb that shows
// it. Close what it returns. It is nil, and opens nothing, where the keys are
// not: in a copy of the audit folder alone.
func (c *Frame) Personal() (*personal.Reader, error) {
	cfg, _, err := c.LoadConfig()
	if err != nil { // the log must be readable when the configuration is not
		cfg = config.Default()
	}
	return personal.Read(c.DataDir, cfg.Store.URL)
}

// LoadRoutes reads the configuration for verbs that ask what routes would do.
// Without a route there is the one that serve makes of an --upstream.
func (c *Frame) LoadRoutes() (*config.Config, error) {
	cfg, _, err := c.LoadConfig()
	if err == nil && len(cfg.Routes) == 0 {
		rt := config.DefaultRoute()
		rt.Name, rt.Path, rt.Upstream = "mcp", "/mcp", "http://upstream.example/mcp"
		cfg.Routes = []config.Route{rt}
	}
	return cfg, err
}

// AppOptions loads the configuration and fits it with what flags say; the same
// is done again after every reload, so that flags keep winning.
func (c *Frame) AppOptions(adjust func(*config.Config) error) (app.Options, error) {
	cfg, src, err := c.LoadConfig()
	if err != nil {
		return app.Options{}, err
	}
	if adjust != nil {
		if err := adjust(cfg); err != nil {
			return app.Options{}, err
		}
	}
	opts := c.Options(cfg, src)
	opts.Adjust = adjust
	return opts, nil
}

func (c *Frame) Options(cfg *config.Config, src *config.Source) app.Options {
	return app.Options{
		Version: c.Version, Config: cfg, Source: src, Getenv: c.Env, DataDir: c.DataDir,
		Log: obs.NewLogger(c.Err, LogLevel(cfg.Server.Log.Level), c.LogFormat(cfg.Server.Log.Format), obs.LogOptions{}),
	}
}

// LogFormat decides what "auto" means: text for a person, JSON for a machine.
func (c *Frame) LogFormat(format string) string {
	switch {
	case format != "auto":
		return format
	case screen.IsTerminal(c.Err):
		return "text"
	}
	return "json"
}

// LogLevel returns a level of the configuration.
func LogLevel(name string) slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(name)); err != nil {
		return slog.LevelInfo // the configuration was validated: not reached
	}
	return l
}

// WithAdmin runs f with a client of the admin API: that of the running gateway,
// or one served in this process while the data folder is locked.
func (c *Frame) WithAdmin(ctx context.Context, f func(*admin.Client) error) (err error) {
	opts, err := c.AppOptions(nil)
	if err != nil {
		return err
	}
	hint.NewFolder(c.Err, c.DataDir)
	level := max(LogLevel(opts.Config.Server.Log.Level), slog.LevelWarn) // what a service tells of itself is not the answer of a verb
	opts.Log = obs.NewLogger(c.Err, level, c.LogFormat(opts.Config.Server.Log.Format), obs.LogOptions{})
	client, closeAdmin, err := app.Connect(ctx, opts)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := closeAdmin(); cerr != nil && err == nil {
			err = cerr
		}
	}()
	return f(client)
}
