package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// later adds what ONBUILD keeps for images that begin with this one: it is read
// like an instruction of the image, except those that say how it runs.
func later(stages []instructions.Stage) error {
	for i, s := range stages {
		for _, c := range s.Commands {
			o, ok := c.(*instructions.OnbuildCommand)
			if !ok {
				continue
			}
			at := line(o.Location())
			res, err := parser.Parse(strings.NewReader(strings.Repeat("\n", at-1) + o.Expression + "\n"))
			if err != nil || len(res.AST.Children) != 1 {
				return fmt.Errorf("line %d: ONBUILD cannot be read", at)
			}
			inner, err := instructions.ParseCommand(res.AST.Children[0])
			if err != nil {
				return fmt.Errorf("line %d: ONBUILD: %w", at, err)
			}
			switch inner.(type) {
			case *instructions.EnvCommand, *instructions.ArgCommand, *instructions.RunCommand, *instructions.CopyCommand, *instructions.AddCommand:
				stages[i].Commands = append(stages[i].Commands, inner)
			}
		}
	}
	return nil
}

var errUser = errors.New("who the image runs as is said by an argument or variable without a value")

// user returns the last USER of the image that is made, with its variables
// filled in by what the file says of them.
func (f *File) user() (u *instructions.UserCommand, name string, err error) {
	u, ok := last[*instructions.UserCommand](f)
	name = userOf(u, ok)
	if !strings.Contains(name, "$") {
		return u, name, nil
	}
	var env []string
	set := func(key, value string) {
		if v, left, err := shell.NewLex('\\').ProcessWord(value, shell.EnvsFromSlice(env)); err == nil && (len(left) == 0 || v != "") {
			env = append(env, key+"="+v)
		}
	}
	stages := f.lineage()
	for i := range stages {
		for _, c := range stages[len(stages)-1-i].Commands {
			switch c := c.(type) {
			case *instructions.EnvCommand:
				for _, kv := range c.Env {
					set(kv.Key, kv.Value)
				}
			case *instructions.ArgCommand:
				for _, kv := range c.Args {
					if value, ok := f.args[kv.Key]; kv.Value == nil && ok {
						set(kv.Key, value)
					} else if kv.Value != nil {
						set(kv.Key, *kv.Value)
					}
				}
			}
		}
	}
	filled, left, err := shell.NewLex('\\').ProcessWord(name, shell.EnvsFromSlice(env))
	if who, _, _ := strings.Cut(filled, ":"); err != nil || who == "" && len(left) > 0 || strings.Contains(filled, "$") {
		return u, name, errUser
	}
	return u, filled, nil
}

// withModes is a rule about chmod that looks at COPY and ADD as well.
func withModes(r Rule, bad func(mode string) bool) Rule {
	runs := r.Check
	r.Check = func(ctx context.Context, f *File) ([]rule.Finding, error) {
		found, err := runs(ctx, f)
		look := func(c instructions.Command, mode string) {
			if bad(mode) {
				found = append(found, f.at(line(c.Location()), "%s --chmod=%s", strings.ToUpper(c.Name()), mode))
			}
		}
		each(f, func(c *instructions.CopyCommand, _ bool) { look(c, c.Chmod) })
		each(f, func(c *instructions.AddCommand, _ bool) { look(c, c.Chmod) })
		return found, err
	}
	return r
}

var symbolic = regexp.MustCompile(`(?:^|,)[ug]*[oa][ugoa]*[+=][rxXst]*w`)

// everybody reports whether a mode lets everybody write. A folder in which each
// removes only what is his, 1777, is meant for that.
func everybody(mode string) bool {
	digits := strings.TrimLeft(mode, "0")
	if (len(digits) == 3 || len(digits) == 4 && digits[0] != '1') && strings.Trim(digits, "01234567") == "" {
		return strings.IndexByte("2367", digits[len(digits)-1]) >= 0
	}
	return symbolic.MatchString(mode)
}

// rights reports whether a mode gives a program the rights of its owner or group.
func rights(mode string) bool {
	digits := strings.TrimLeft(mode, "0")
	return len(digits) == 4 && strings.Trim(digits, "01234567") == "" && strings.IndexByte("24567", digits[0]) >= 0 || strings.Contains(mode, "+s")
}
