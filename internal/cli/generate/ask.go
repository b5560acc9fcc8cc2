package generate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/portcullis-dev/portcullis/internal/harden/generate/answers"
)

// ask asks what matters most, on a terminal, if nothing at all was answered.
func (c *verbs) ask(a answers.Answers, f *pflag.FlagSet) (answers.Answers, error) {
	in, ok := c.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) || c.file != "" || c.JSON() {
		return a, nil
	}
	for name := range c.flags(&a) {
		if f.Changed(name) {
			return a, nil
		}
	}
	return questions(a, in, c.Err)
}

// questions asks until each answer has its form. An empty line takes the default.
func questions(a answers.Answers, in io.Reader, out io.Writer) (answers.Answers, error) {
	lines := bufio.NewScanner(in)
	for _, q := range []struct {
		text  string
		value func(*answers.Answers) *string
	}{
		{"Host name under which callers reach the gateway", func(a *answers.Answers) *string { return &a.Domain }},
		{"Repository of its image", func(a *answers.Answers) *string { return &a.Image.Name }},
		{"URL of the server behind it", func(a *answers.Answers) *string { return &a.Upstream.URL }},
	} {
		for {
			fmt.Fprintf(out, "%s [%s]: ", q.text, *q.value(&a))
			if !lines.Scan() {
				return a, errors.Join(errors.New("no answer: give the answers as flags or with --answers"), lines.Err())
			}
			try := a
			if given := strings.TrimSpace(lines.Text()); given != "" {
				*q.value(&try) = given
			}
			err := try.Validate()
			if err == nil {
				a = try
				break
			}
			fmt.Fprintln(out, err)
		}
	}
	return a, nil
}
