package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/app"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
)

func (c cli) config() *cobra.Command {
	return frame.Group("config", "Check and show the configuration", c.configValidate(), c.configShow(), c.configSchema())
}

func (c cli) configValidate() *cobra.Command {
	return &cobra.Command{
		Use: "validate", Short: "Check the configuration file; exit code 2 if it is not valid", Args: frame.None,
		Example: "  portcullis config validate --config portcullis.toml",
		RunE: func(*cobra.Command, []string) error {
			cfg, src, err := c.LoadConfig()
			if err != nil {
				return err
			}
			if src == nil {
				return frame.Usagef("config validate: there is no %s here and none in your configuration folder: name one with --config, or let 'portcullis init' write one", config.FileName)
			}
			if _, err := app.Pipelines(cfg); err != nil {
				return frame.UsageError{Err: err}
			}
			if c.JSON() {
				return c.PrintJSON(map[string]any{"valid": true, "file": src.Path, "routes": len(cfg.Routes)})
			}
			return c.Printf("%s is valid: %d route(s)\n", src.Path, len(cfg.Routes))
		},
	}
}

func (c cli) configShow() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Print the configuration in force, secrets masked", Args: frame.None,
		Example: "  portcullis config show --output json",
		RunE: func(*cobra.Command, []string) error {
			cfg, _, err := c.LoadConfig()
			if err != nil {
				return err
			}
			if !c.JSON() {
				return c.Printf("%s", cfg.Masked())
			}
			b, err := cfg.MaskedJSON()
			if err != nil {
				return err
			}
			return c.PrintJSON(json.RawMessage(b))
		},
	}
}

func (c cli) configSchema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the configuration file", Args: frame.None,
		Example: "  portcullis config schema > portcullis.schema.json",
		RunE: func(*cobra.Command, []string) error {
			b, err := config.Schema()
			if err != nil {
				return err
			}
			return c.Printf("%s\n", b)
		},
	}
}

func (c cli) init() *cobra.Command {
	var force bool
	var upstream string
	cmd := &cobra.Command{
		Use: "init [-- COMMAND ARGS…]", Short: "Write a commented portcullis.toml and make the data folder and the first key",
		Long: "Write a configuration file with every setting described, make the data folder and,\nif it has no key yet, the first key, which is shown this once.",
		Example: `  portcullis init --upstream http://localhost:3000/mcp
  portcullis init -- npx -y @modelcontextprotocol/server-filesystem /srv/docs
  portcullis init --config /etc/portcullis/portcullis.toml --data /var/lib/portcullis`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return frame.Usagef("init: put the command behind \"--\"")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			path := c.ConfigPath
			if path == "" {
				path = config.FileName
			}
			cfg := config.Default()
			if upstream != "" && len(args) > 0 {
				return frame.Usagef("init: give --upstream or a command, not both")
			}
			if upstream != "" || len(args) > 0 {
				if err := single(cfg, upstream, args); err != nil {
					return err
				}
			}
			if err := writeNew(path, cfg.Commented(), force); err != nil {
				return err
			}
			return c.initData(cmd, cfg, path)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace a configuration file that is there")
	cmd.Flags().StringVar(&upstream, "upstream", "", "`URL` of the MCP server to protect")
	return cmd
}

// writeNew writes a file that must not be there yet, whole or not at all.
func writeNew(path, text string, force bool) error {
	if _, err := os.Lstat(path); err == nil && !force {
		return frame.Usagef("%q is there already: --force replaces it", path)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".portcullis-*.toml")
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	_, werr := tmp.WriteString(text)
	err = errors.Join(werr, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", errors.Join(err, os.Remove(tmp.Name())))
	}
	return nil
}

func (c cli) initData(cmd *cobra.Command, cfg *config.Config, path string) error {
	opts := c.Options(cfg, nil)
	opts.FirstKey = true
	key, err := app.Init(cmd.Context(), opts)
	var running *datadir.LockedError
	if err != nil && !errors.As(err, &running) { // a running gateway made the folder and its first key
		return err
	}
	if c.JSON() {
		return c.PrintJSON(map[string]string{"config": path, "data": c.DataDir, "key": key})
	}
	if err := c.Printf("wrote %s\n", path); err != nil {
		return err
	}
	if running != nil {
		return c.Printf("\nA gateway is running with the data folder %s; its keys stay.\n", c.DataDir)
	}
	if err := c.Printf("made  %s\n", c.DataDir); err != nil {
		return err
	}
	if key == "" {
		return c.Printf("\nThe data folder has keys already; `portcullis key create` makes another.\n")
	}
	return c.Printf("\n  %s\n\nThis is the first key; it may do everything, also administer, and is shown only now.\nNext: edit %s and run `portcullis serve`.\n", key, path)
}
