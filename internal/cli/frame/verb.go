package frame

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// VerbOnly is the argument rule of what only holds verbs.
func VerbOnly(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return UnknownVerb(cmd, args[0])
	}
	return nil
}

// None is the argument rule of verbs that take none.
func None(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usagef("unexpected argument %q", args[0])
	}
	return nil
}

// One is the argument rule of verbs that take exactly one.
func One(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return Usagef("want one argument: %s", what)
		}
		return nil
	}
}

// Group is a verb that only holds others.
func Group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{
		Use: use, Short: short, Args: VerbOnly, SuggestionsMinimumDistance: 2,
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

// ErrNo is a verification that said no: the output has told why.
var ErrNo = errors.New("verification failed")

// UsageError is a mistake in how a verb was called.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

func (e UsageError) Unwrap() error { return e.Err }

func Usagef(format string, a ...any) error { return UsageError{Err: fmt.Errorf(format, a...)} }

// UnknownVerb refuses a verb and suggests those that look like it.
func UnknownVerb(cmd *cobra.Command, name string) error {
	text := fmt.Sprintf("unknown verb %q", name)
	if cmd.HasParent() {
		text += fmt.Sprintf(" of %q", strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" "))
	}
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		text += ": did you mean " + strings.Join(near, " or ") + "?"
	}
	return Usagef("%s", text)
}
