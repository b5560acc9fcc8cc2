package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/cli/hint"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitNo     = 3
)

// errNo is a verification that said no: the output has told why.
var errNo = errors.New("verification failed")

// usageError is a mistake in how a verb was called.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// explain tells a person what is wrong, where, and how to mend it, and returns
// the exit code.
func (c *cli) explain(cmd *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errNo) {
		return exitNo
	}
	var conf config.Errors
	if errors.As(err, &conf) {
		c.complain("", err)
		return exitUsage
	}
	c.complain("portcullis: ", err)
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(c.err, "hint: '%s --help' shows how it is used\n", cmd.CommandPath())
		return exitUsage
	}
	if h := hint.For(err); h != "" {
		fmt.Fprintln(c.err, "hint:", h)
	}
	var refused *admin.RefusedError
	if errors.As(err, &refused) && refused.Invalid() {
		return exitUsage
	}
	return exitFailed
}

// complain prints an error. What was typed stands in it, and a key may have
// been typed in the wrong place: messages end up in logs.
func (c *cli) complain(head string, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(c.err, head+obs.Redact(printable(line)))
		head = ""
	}
}

// unknownVerb refuses a verb and suggests those that look like it.
func unknownVerb(cmd *cobra.Command, name string) error {
	text := fmt.Sprintf("unknown verb %q", name)
	if cmd.HasParent() {
		text += fmt.Sprintf(" of %q", strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" "))
	}
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		text += ": did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef("%s", text)
}
