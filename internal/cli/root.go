// Package cli is the command line: verbs, flags, help, output and exit codes.
// It decides nothing else; what a verb does lives in the packages below.
//
// Exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 a verification said
// no. Results go to standard output, everything said about them to standard
// error.
package cli

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// cli carries what all verbs share.
type cli struct {
	version string
	out     io.Writer
	err     io.Writer
	in      io.Reader
	env     func(string) (string, bool)

	configPath string
	dataDir    string
	output     string
}

// Run runs one command line and returns the exit code.
func Run(ctx context.Context, version string, args []string, in io.Reader, out, errOut io.Writer) int {
	c := &cli{version: version, in: in, out: out, err: errOut, env: os.LookupEnv}
	root := c.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteContextC(ctx)
	return c.explain(cmd, err)
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "portcullis",
		Short: "The hardened front door for AI agents",
		Long: `Portcullis stands in front of an MCP server and lets in only what you allow:
authentication, per-tool rules, rate limits, strict validation and an audit log.`,
		Example: `  portcullis serve --upstream http://localhost:3000/mcp
  portcullis serve -- npx -y @modelcontextprotocol/server-filesystem ~/docs
  portcullis key create --name ci --scopes tools:search
  portcullis audit tail --follow
  portcullis demo`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          verbOnly,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:       c.version,
	}
	root.SetVersionTemplate("portcullis {{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true // completion.go has it, with examples
	root.SuggestionsMinimumDistance = 2
	root.SetHelpCommand(helpCmd())
	f := root.PersistentFlags()
	f.StringVar(&c.configPath, "config", "", "configuration `file` (default ./portcullis.toml, then the user's configuration folder)")
	f.StringVar(&c.dataDir, "data", "./.portcullis", "data `folder`")
	f.StringVar(&c.output, "output", "text", "output `format`: text or json")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if c.output != "text" && c.output != "json" {
			return usagef("--output %q: want text or json", c.output)
		}
		return nil
	}
	root.AddCommand(c.serve(), c.demo(), c.init(), c.key(), c.audit(), c.config(), c.pipeline(), c.incident(), c.chronicle(), c.completion(), c.versionCmd())
	c.completeFlags(root)
	return root
}

// verbOnly is the argument rule of what only holds verbs.
func verbOnly(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownVerb(cmd, args[0])
	}
	return nil
}

// none is the argument rule of verbs that take none.
func none(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q", args[0])
	}
	return nil
}

// one is the argument rule of verbs that take exactly one.
func one(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("want one argument: %s", what)
		}
		return nil
	}
}

// group is a verb that only holds others.
func group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{
		Use: use, Short: short, Args: verbOnly, SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, v := range verbs {
		if v.Example != "" && g.Example == "" {
			g.Example = v.Example
		}
	}
	g.AddCommand(verbs...)
	return g
}

func (c *cli) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: none,
		Example: "  portcullis version --output json",
		RunE: func(*cobra.Command, []string) error {
			if c.json() {
				return c.printJSON(map[string]string{"version": c.version})
			}
			return c.printf("portcullis %s\n", c.version)
		},
	}
}
