// Package check is the verb group "portcullis check": it holds deployments
// against the rules, explains and lists them, mends what is mechanical, and
// keeps what people attest.
package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/screen"
	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/attest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/osv"
	"github.com/portcullis-dev/portcullis/internal/harden/check/outcome"
	"github.com/portcullis-dev/portcullis/internal/harden/check/render"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/suppress"
)

type verbs struct {
	*frame.Frame
	now func() time.Time
}

// flags of the verb itself.
type flags struct {
	format, failOn, out, intensity string
	decisions, attestations        string
	baseline                       string
	save, newOnly                  bool
	kinds                          []string
	fix, yes                       bool
	live                           live
	packages                       packages
}

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f, time.Now}
	var o flags
	cmd := &cobra.Command{
		Use: "check [TARGET…]", Short: "Hold a deployment against the rules of the hardening guides",
		Long: `A target is a folder, a file, the URL of a server, "host" (this machine) or
"gateway" (the one that runs on the data folder). What a folder holds, and what
a server speaks (MCP, A2A, HTTP), is found out by itself. Without a target, the
current folder, the configuration and what people attest are looked at.

A rule says pass, fail, unknown or skipped. What could not be read, or told, is
unknown: never a pass. The exit code is 3 if there are findings of --fail-on or
worse, and 1 if a target could not be read.

Findings to live with stand in ` + suppress.FileName + `, each with a reason and an
end. 'portcullis check explain RULE' says why a rule is there and how to mend it.`,
		Example: `  portcullis check
  portcullis check deploy/Dockerfile portcullis.toml --fail-on medium
  portcullis check --format sarif --out check.sarif
  portcullis check --baseline baseline.json --save-baseline
  portcullis check https://tools.example/mcp --token secret://env/TOOLS_TOKEN
  portcullis check --osv-db osv/ --sbom bom.cdx.json
  portcullis check --fix
  portcullis check explain config-tls-missing`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args, o) },
	}
	fs := cmd.Flags()
	fs.StringVar(&o.format, "format", "", "`format` of the report: "+strings.Join(render.Formats(), ", "))
	fs.StringVar(&o.failOn, "fail-on", "high", "least `severity` that fails: info, low, medium, high or critical")
	fs.StringVar(&o.out, "out", "", "write the report to a `file`")
	fs.StringVar(&o.intensity, "intensity", "safe", "safe, or active: also send what a polite client would not")
	fs.StringSliceVar(&o.kinds, "kind", nil, "look only for targets of these `kinds`; a named file is taken for one of them")
	fs.StringVar(&o.decisions, "suppressions", "", "`file` of findings to live with (default ./"+suppress.FileName+")")
	fs.StringVar(&o.attestations, "attestations", "", "`file` of what people attest (default ./"+attest.FileName+")")
	fs.StringVar(&o.baseline, "baseline", "", "compare with an earlier run: say what is new and what is mended")
	fs.BoolVar(&o.save, "save-baseline", false, "write what is found to the --baseline file (default ./"+outcome.BaselineName+")")
	fs.BoolVar(&o.newOnly, "new-only", false, "only what the baseline does not hold makes the run fail")
	fs.BoolVar(&o.fix, "fix", false, "mend what is mechanical; shows the changes and asks first")
	fs.BoolVar(&o.yes, "yes", false, "with --fix: do not ask")
	o.live.flags(cmd)
	o.packages.flags(cmd)
	cmd.AddCommand(c.explain(), c.rules(), c.attest())
	return cmd
}

// settings are flags that were understood.
type settings struct {
	flags
	severity rule.Severity
	wanted   []rule.Kind
	source   osv.Source // nil where nobody asked for vulnerabilities
	state    *suppress.File
	before   *outcome.Baseline
	book     *attest.Book
}

func (c verbs) understand(o flags) (settings, error) {
	s := settings{flags: o}
	if s.format == "" {
		s.format = c.Output
	}
	if !slices.Contains(render.Formats(), s.format) {
		return s, frame.Usagef("--format %q: want %s", s.format, strings.Join(render.Formats(), ", "))
	}
	if err := s.severity.UnmarshalText([]byte(o.failOn)); err != nil {
		return s, frame.Usagef("--fail-on %q: want info, low, medium, high or critical", o.failOn)
	}
	if o.intensity != "safe" && o.intensity != "active" {
		return s, frame.Usagef("--intensity %q: want safe or active", o.intensity)
	}
	if o.yes && !o.fix {
		return s, frame.Usagef("--yes: has no effect without --fix")
	}
	for _, k := range o.kinds {
		if !slices.Contains(rule.Kinds(), rule.Kind(k)) {
			return s, frame.Usagef("--kind %q: there is no such kind; 'portcullis check rules' shows them", k)
		}
		s.wanted = append(s.wanted, rule.Kind(k))
	}
	if s.newOnly && s.baseline == "" {
		return s, frame.Usagef("--new-only: has no effect without --baseline")
	}
	return s, c.files(&s)
}

// files reads what stands beside the targets: decisions, statements, baseline.
func (c verbs) files(s *settings) error {
	data, name, err := beside(s.decisions, suppress.FileName)
	if err != nil {
		return err
	}
	if data != nil {
		if s.state, err = suppress.Parse(name, data, c.now()); err != nil {
			return frame.UsageError{Err: err}
		}
	}
	if data, name, err = beside(s.attestations, attest.FileName); err != nil {
		return err
	}
	s.book = attest.Empty(name, c.now())
	if data != nil {
		if s.book, err = attest.Parse(name, data, c.now()); err != nil {
			return frame.UsageError{Err: err}
		}
	}
	if s.baseline == "" {
		if s.save {
			s.baseline = outcome.BaselineName
		}
		return nil
	}
	data, err = os.ReadFile(s.baseline)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.save:
		return nil // the first run makes it
	case errors.Is(err, fs.ErrNotExist):
		return frame.Usagef("there is no baseline %q: --save-baseline writes one", s.baseline)
	case err != nil:
		return fmt.Errorf("reading the baseline: %w", err)
	}
	if s.before, err = outcome.ReadBaseline(data); err != nil {
		return frame.UsageError{Err: fmt.Errorf("%s: %w", s.baseline, err)}
	}
	return nil
}

// beside reads a file that was named, or the usual one if it is there.
func beside(named, usual string) (data []byte, name string, err error) {
	name = named
	if name == "" {
		name = usual
	}
	data, err = os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && named == "":
		return nil, name, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, name, frame.Usagef("there is no file %q", name)
	case err != nil:
		return nil, name, fmt.Errorf("reading %s: %w", name, err)
	case data == nil:
		data = []byte{}
	}
	return data, name, nil
}

func (c verbs) run(ctx context.Context, args []string, o flags) error {
	s, err := c.understand(o)
	if err != nil {
		return err
	}
	source, closer, err := c.source(s.packages)
	if err != nil {
		return err
	}
	if closer != nil {
		s.source = source
		defer closer.Close()
	}
	out, targets, err := c.judge(ctx, args, s)
	if err != nil {
		return err
	}
	defer func() { targets.close() }()
	if s.fix {
		again, err := c.mend(ctx, targets, s)
		if err != nil {
			return err
		}
		if again {
			targets.close()
			if out, targets, err = c.judge(ctx, args, s); err != nil {
				return err
			}
		}
	}
	if err := c.writeLists(ctx, targets, s.packages.lists); err != nil {
		return err
	}
	if err := c.write(out, s); err != nil {
		return err
	}
	c.hint(args, s)
	if s.save {
		if err := saveBaseline(s.baseline, out, s.before); err != nil {
			return err
		}
	}
	if out.Failed {
		return frame.ErrNo
	}
	if unread := out.Unread(); len(unread) > 0 {
		return fmt.Errorf("could not be read: %s", strings.Join(unread, "; "))
	}
	return nil
}

// judge looks at the targets.
func (c verbs) judge(ctx context.Context, args []string, s settings) (outcome.Outcome, *targets, error) {
	t, err := c.targets(ctx, args, s)
	if err != nil {
		return outcome.Outcome{}, nil, err
	}
	opts := c.options(s)
	opts.Progress = c.progress()
	report := check.Run(ctx, t.list, opts)
	c.clearProgress()
	return outcome.New(ctx, report, outcome.Options{
		Version: c.Version, Now: c.now(), FailOn: s.severity, NewOnly: s.newOnly, Decisions: s.state, Baseline: s.before, Excluded: t.left,
	}), t, nil
}

func (c verbs) options(s settings) check.Options {
	return check.Options{Active: s.intensity == "active", Getenv: c.Env, Dependencies: c.dependencies(s.source, s.before)}
}

// progress shows on a terminal how far a long run is.
func (c verbs) progress() func(done, all int, t check.Target) {
	if !screen.IsTerminal(c.Err) {
		return nil
	}
	var last time.Time
	return func(done, all int, t check.Target) {
		if now := time.Now(); now.Sub(last) > 100*time.Millisecond {
			last = now
			fmt.Fprintf(c.Err, "\r\x1b[K%d of %d: %.60s", done, all, frame.Printable(t.Name))
		}
	}
}

func (c verbs) clearProgress() {
	if screen.IsTerminal(c.Err) {
		fmt.Fprint(c.Err, "\r\x1b[K")
	}
}

// write prints the report, or writes it to a file.
func (c verbs) write(o outcome.Outcome, s settings) error {
	if s.out == "" {
		return render.Write(c.Out, s.format, o, colours(c.Out, c.Env))
	}
	var b bytes.Buffer
	if err := render.Write(&b, s.format, o, false); err != nil {
		return err
	}
	if err := replace(s.out, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// hint tells of decisions that lie in a target and were not used: a folder of
// somebody else's does not say itself what is to be overlooked in it.
func (c verbs) hint(args []string, s settings) {
	if s.decisions != "" {
		return
	}
	here, err := os.Stat(".")
	if err != nil {
		return
	}
	for _, dir := range args {
		there, err := os.Stat(dir)
		if err != nil || !there.IsDir() || os.SameFile(here, there) {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, suppress.FileName)); err == nil {
			fmt.Fprintf(c.Err, "hint: %s has decisions of its own in %s, which were not used: run the check in that folder if they are yours\n", frame.Printable(dir), suppress.FileName)
		}
	}
}

// colours reports whether a person sees the output and wants colours.
func colours(w io.Writer, env func(string) (string, bool)) bool {
	if plain, _ := env("NO_COLOR"); plain != "" {
		return false
	}
	term, _ := env("TERM")
	return screen.IsTerminal(w) && term != "" && term != "dumb"
}

func saveBaseline(name string, o outcome.Outcome, before *outcome.Baseline) error {
	data, err := o.Baseline(before).Encode()
	if err != nil {
		return err
	}
	if err := replace(name, data, 0o644); err != nil {
		return fmt.Errorf("writing the baseline: %w", err)
	}
	return nil
}
