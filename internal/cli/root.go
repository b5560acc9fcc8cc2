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

	"github.com/portcullis-dev/portcullis/internal/cli/a2a"
	"github.com/portcullis-dev/portcullis/internal/cli/access"
	"github.com/portcullis-dev/portcullis/internal/cli/alert"
	"github.com/portcullis-dev/portcullis/internal/cli/approvals"
	"github.com/portcullis-dev/portcullis/internal/cli/audit"
	"github.com/portcullis-dev/portcullis/internal/cli/backup"
	"github.com/portcullis-dev/portcullis/internal/cli/check"
	"github.com/portcullis-dev/portcullis/internal/cli/detection"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/generate"
	"github.com/portcullis-dev/portcullis/internal/cli/healthcheck"
	"github.com/portcullis-dev/portcullis/internal/cli/incident"
	"github.com/portcullis-dev/portcullis/internal/cli/keys"
	"github.com/portcullis-dev/portcullis/internal/cli/metrics"
	"github.com/portcullis-dev/portcullis/internal/cli/policy"
	"github.com/portcullis-dev/portcullis/internal/cli/privacy"
	"github.com/portcullis-dev/portcullis/internal/cli/push"
	"github.com/portcullis-dev/portcullis/internal/cli/secrets"
	"github.com/portcullis-dev/portcullis/internal/cli/taints"
	"github.com/portcullis-dev/portcullis/internal/cli/tokens"
	"github.com/portcullis-dev/portcullis/internal/cli/tools"
	"github.com/portcullis-dev/portcullis/internal/cli/users"
	"github.com/portcullis-dev/portcullis/internal/cli/wallet"
	"github.com/portcullis-dev/portcullis/internal/cli/zkp"
)

// cli carries what all verbs share.
type cli struct{ *frame.Frame }

// Run runs one command line and returns the exit code.
func Run(ctx context.Context, version string, args []string, in io.Reader, out, errOut io.Writer) int {
	c := cli{&frame.Frame{Version: version, In: in, Out: out, Err: errOut, Env: os.LookupEnv}}
	root := c.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteContextC(ctx)
	return c.explain(cmd, err)
}

func (c cli) root() *cobra.Command {
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
		Args:          frame.VerbOnly,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:       c.Version,
	}
	root.SetVersionTemplate("portcullis {{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true // completion.go has it, with examples
	root.SuggestionsMinimumDistance = 2
	root.SetHelpCommand(helpCmd())
	f := root.PersistentFlags()
	f.StringVar(&c.ConfigPath, "config", "", "configuration `file` (default ./portcullis.toml, then the user's configuration folder)")
	f.StringVar(&c.DataDir, "data", "./.portcullis", "data `folder`")
	f.StringVar(&c.Output, "output", "text", "output `format`: text or json")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return frame.UsageError{Err: err} })
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if c.Output != "text" && c.Output != "json" {
			return frame.Usagef("--output %q: want text or json", c.Output)
		}
		return nil
	}
	root.AddCommand(c.serve(), c.demo(), c.init(), keys.Command(c.Frame), tokens.Command(c.Frame), users.Command(c.Frame), approvals.Command(c.Frame), taints.Command(c.Frame), tools.Command(c.Frame), zkp.Command(c.Frame), wallet.Command(c.Frame), policy.Command(c.Frame), secrets.Command(c.Frame), access.Command(c.Frame), audit.Command(c.Frame), metrics.Command(c.Frame), c.config(), c.pipeline(), check.Command(c.Frame), generate.Command(c.Frame), healthcheck.Command(c.Frame), incident.Command(c.Frame), detection.Command(c.Frame), alert.Command(c.Frame), privacy.Command(c.Frame), backup.Command(c.Frame), c.chronicle(), c.completion(), a2a.Command(c.Frame), push.Command(c.Frame), c.versionCmd())
	c.completeFlags(root)
	return root
}

func (c cli) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: frame.None,
		Example: "  portcullis version --output json",
		RunE: func(*cobra.Command, []string) error {
			if c.JSON() {
				return c.PrintJSON(map[string]string{"version": c.Version})
			}
			return c.Printf("portcullis %s\n", c.Version)
		},
	}
}
