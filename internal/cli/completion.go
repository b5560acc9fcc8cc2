package cli

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

// completion prints the scripts that let a shell complete our verbs.
func (c cli) completion() *cobra.Command {
	shell := func(name, example string, write func(*cobra.Command, io.Writer) error) *cobra.Command {
		return &cobra.Command{
			Use: name, Short: "Print the completion script for " + name, Args: frame.None, Example: example,
			RunE: func(cmd *cobra.Command, _ []string) error { return write(cmd.Root(), c.Out) },
		}
	}
	return frame.Group("completion", "Print a script that completes verbs and flags in your shell",
		shell("bash", "  source <(portcullis completion bash)",
			func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) }),
		shell("zsh", "  portcullis completion zsh > \"${fpath[1]}/_portcullis\"",
			func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) }),
		shell("fish", "  portcullis completion fish | source",
			func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) }),
	)
}

// completeFlags teaches the shells the values of the flags that all verbs have.
func (c cli) completeFlags(root *cobra.Command) {
	outputs := cobra.FixedCompletions([]cobra.Completion{"text", "json"}, cobra.ShellCompDirectiveNoFileComp)
	_ = errors.Join( // they fail only for flags that are not defined, and root has just done that
		root.RegisterFlagCompletionFunc("output", outputs),
		root.MarkPersistentFlagDirname("data"),
		root.MarkPersistentFlagFilename("config", "toml"),
	)
}

// helpCmd is `help VERB`, which is VERB --help.
func helpCmd() *cobra.Command {
	return &cobra.Command{
		Use: "help [VERB…]", Short: "Show how a verb is used",
		Example: "  portcullis help key create",
		RunE: func(cmd *cobra.Command, args []string) error {
			verb, rest, err := cmd.Root().Find(args)
			if err != nil {
				return frame.UnknownVerb(cmd.Root(), args[0])
			}
			if len(rest) > 0 {
				return frame.UnknownVerb(verb, rest[0])
			}
			return verb.Help()
		},
	}
}
