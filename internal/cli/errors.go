package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
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
	if h := hint(err); h != "" {
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

// hint says how to mend what is known to go wrong.
func hint(err error) string {
	var locked *datadir.LockedError
	var refused *admin.RefusedError
	switch {
	case errors.As(err, &locked):
		return "stop it first, or name another data folder with --data"
	case errors.Is(err, syscall.EADDRINUSE):
		return "name another address with --listen or --admin-listen; port 0 takes a free one"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine does not have that address: see --listen and --admin-listen"
	case errors.Is(err, exec.ErrNotFound):
		return "give the command with its path, or install it"
	case errors.As(err, &refused) && refused.Status == 404:
		return "'portcullis key list' shows the ids"
	case errors.Is(err, fs.ErrPermission):
		return "run it as the owner, or name another folder with --data"
	}
	return ""
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

// isTerminal reports whether w shows its text to a person. A device that only
// swallows what it is given may count as one: nobody sees the difference.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}
