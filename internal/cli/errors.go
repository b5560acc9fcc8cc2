package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
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

// explain tells a person what is wrong, where, and how to mend it, and returns
// the exit code.
func (c cli) explain(cmd *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	if errors.Is(err, frame.ErrNo) {
		return exitNo
	}
	var conf config.Errors
	if errors.As(err, &conf) {
		c.complain("", err)
		return exitUsage
	}
	c.complain("portcullis: ", err)
	var usage frame.UsageError
	if errors.As(err, &usage) {
		fmt.Fprintf(c.Err, "hint: '%s --help' shows how it is used\n", cmd.CommandPath())
		return exitUsage
	}
	if h := hint.For(err); h != "" {
		fmt.Fprintln(c.Err, "hint:", h)
	}
	var refused *admin.RefusedError
	if errors.As(err, &refused) && refused.Invalid() {
		return exitUsage
	}
	return exitFailed
}

// complain prints an error. What was typed stands in it, and a key may have
// been typed in the wrong place: messages end up in logs.
func (c cli) complain(head string, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(c.Err, head+obs.Redact(frame.Printable(line)))
		head = ""
	}
}
