package users

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

// source says where a password comes from; never from an argument, which ends
// up in shell histories and process lists.
type source struct{ stdin, generate bool }

func (s *source) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&s.stdin, "password-stdin", false, "the password is the first line of standard input")
	f.BoolVar(&s.generate, "generate", false, "make a password and show it, this once")
}

// password returns the password to use, "" for one that is to be made.
func (c verbs) password(s source) (string, error) {
	switch {
	case s.generate && s.stdin:
		return "", frame.Usagef("--generate and --password-stdin exclude each other")
	case s.generate:
		return "", nil
	case s.stdin:
		return firstLine(c.In)
	}
	in, ok := c.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", frame.Usagef("standard input is no terminal to type a password at, so give --password-stdin or --generate")
	}
	first, err := c.ask(in, "Password: ")
	if err != nil {
		return "", err
	}
	again, err := c.ask(in, "Again: ")
	if err != nil {
		return "", err
	}
	switch {
	case first == "":
		return "", frame.Usagef("the password is empty: --generate makes one")
	case first != again:
		return "", frame.Usagef("these were two different passwords")
	}
	return first, nil
}

// ask reads a line that is not shown.
func (c verbs) ask(in *os.File, prompt string) (string, error) {
	if _, err := fmt.Fprint(c.Err, prompt); err != nil {
		return "", fmt.Errorf("asking for a password: %w", err)
	}
	b, err := term.ReadPassword(int(in.Fd()))
	if _, werr := fmt.Fprintln(c.Err); err == nil {
		err = werr
	}
	if err != nil {
		return "", fmt.Errorf("asking for a password: %w", err)
	}
	return string(b), nil
}

// firstLine reads a line as it is: spaces are part of a password, the end of
// the line is not.
func firstLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, basic.MaxPassword+3)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading a password: %w", err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if text == "" {
		return "", frame.Usagef("no password on standard input")
	}
	return text, nil
}
