package check

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/screen"
	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/diff"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// mend shows what can be mended, asks, and writes. It reports whether files
// were written. The changes go to standard error where the report on standard
// output is for a program.
func (c verbs) mend(ctx context.Context, t *targets, s settings) (written bool, err error) {
	changes, left := check.Mend(ctx, t.list, func(id string, target check.Target, f rule.Finding) bool {
		if s.state == nil {
			return true
		}
		_, excluded := s.state.Excluded(f.File)
		return !(excluded && f.File != "") && s.state.Begin(c.now()).Decide(id, f.Advisory, f.File, target.Name) == nil
	}, c.options(s))
	show := c.Out
	if s.format != "text" {
		show = c.Err
	}
	for _, l := range left {
		fmt.Fprintln(c.Err, "not mended:", frame.Printable(l))
	}
	if len(changes) == 0 {
		fmt.Fprintln(c.Err, "there is nothing that can be mended by itself")
		return false, nil
	}
	for _, ch := range changes {
		before := ch.Name
		if ch.Before == nil {
			before = "/dev/null"
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(diff.Unified(ch.Before, ch.After, before, ch.Name), "\n"), "\n") {
			if _, err := fmt.Fprintln(show, frame.Printable(strings.ReplaceAll(line, "\t", "    "))); err != nil {
				return false, fmt.Errorf("writing the output: %w", err)
			}
		}
	}
	if !s.yes {
		if !screen.IsTerminal(c.In) {
			fmt.Fprintln(c.Err, "nothing was written: --yes writes without asking")
			return false, nil
		}
		if !c.agrees(len(changes)) {
			fmt.Fprintln(c.Err, "nothing was written")
			return false, nil
		}
	}
	for _, ch := range changes {
		if err := c.writeChange(ch); err != nil {
			return written, err
		}
		written = true
		fmt.Fprintf(c.Err, "mended %s: %s\n", frame.Printable(ch.Name), strings.Join(ch.Rules, ", "))
	}
	return written, nil
}

func (c verbs) agrees(files int) bool {
	fmt.Fprintf(c.Err, "Write these changes (files: %d)? [y/N] ", files)
	line, err := bufio.NewReader(c.In).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return err == nil && (answer == "y" || answer == "yes")
}

// writeChange writes a file, unless it is another than was looked at.
func (c verbs) writeChange(ch check.Change) error {
	mode := os.FileMode(0o644)
	now, err := os.ReadFile(ch.Name)
	switch {
	case ch.Before == nil && err == nil:
		return fmt.Errorf("mending: %s is there meanwhile: run the check again", ch.Name)
	case ch.Before != nil && err != nil:
		return fmt.Errorf("mending: %w", err)
	case ch.Before != nil && string(now) != string(ch.Before):
		return fmt.Errorf("mending: %s has changed meanwhile: run the check again", ch.Name)
	}
	if info, err := os.Stat(ch.Name); err == nil {
		mode = info.Mode().Perm()
	}
	if err := replace(ch.Name, ch.After, mode); err != nil {
		return fmt.Errorf("mending: %w", err)
	}
	return nil
}

// replace writes a file in one step: who reads it meanwhile sees the old
// content or the new, whole.
func replace(name string, data []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
