package policy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/harden/ossa"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// ossaFlags are the flags of from-ossa.
type ossaFlags struct {
	ossa.Options
	out    string
	strict bool
}

func (c verbs) fromOSSA() *cobra.Command {
	var f ossaFlags
	cmd := &cobra.Command{
		Use: "from-ossa MANIFEST", Short: "Turn an agent manifest (OSSA 0.4, 0.5) into route policy", Args: frame.One("a manifest, or - for standard input"),
		Long: `The manifest of an agent says which tools it uses, what it may not do, which hosts
it talks to and which data it handles. This writes what of that the gateway can
hold it to, as configuration, and reports the rest: what was expressed, what was
expressed more strictly, and what was not expressed.

The configuration goes to standard output and the report to standard error, or
with --out the configuration to a new file and the report to standard output.
The configuration is complete and valid; to add it to one that you have, copy
its routes, and its other tables by hand.

Exit code 1 for a manifest that cannot be read or whose agent is revoked; with
--strict, 3 if something relevant to security was not expressed (the
configuration is written all the same).`,
		Example: `  portcullis policy from-ossa agent.ossa.yaml
  portcullis policy from-ossa agent.ossa.yaml --upstream https://mcp.example.com/mcp --out agent.toml
  portcullis policy from-ossa agent.ossa.yaml --strict --output json`,
		RunE: func(_ *cobra.Command, args []string) error { return c.makeOSSA(args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "", "new `file` for the configuration")
	flags.StringVar(&f.Upstream, "upstream", "", "`URL` of the server, where the manifest does not say it")
	flags.BoolVar(&f.Commands, "commands", false, "take over commands that start servers: they run on the gateway's machine")
	flags.BoolVar(&f.Force, "force", false, "take the manifest of an agent that is revoked")
	flags.BoolVar(&f.strict, "strict", false, "exit code 3 if something relevant to security was not expressed")
	return cmd
}

func (c verbs) makeOSSA(path string, f ossaFlags) error {
	if f.Upstream != "" && !ossa.ValidUpstream(f.Upstream) {
		return frame.Usagef("policy from-ossa: --upstream: want a URL such as https://mcp.example.com/mcp")
	}
	data, err := c.readManifest(path)
	if err != nil {
		return frame.Usagef("policy from-ossa: %w", err)
	}
	f.Name = filepath.Base(path)
	r, err := ossa.Generate(data, f.Options)
	if err != nil {
		if errors.Is(err, ossa.ErrRevoked) {
			return fmt.Errorf("%w (--force takes it all the same)", err)
		}
		return err
	}
	if f.out != "" {
		if err := writeNew(f.out, r.Config); err != nil {
			return err
		}
	}
	if err := c.showOSSA(r, f.out != ""); err != nil {
		return err
	}
	if n := r.Missing(); f.strict && n > 0 {
		return fmt.Errorf("%w: %d fields that are relevant to security are not expressed", frame.ErrNo, n)
	}
	return nil
}

// readManifest reads a little more than a manifest may have, so that one that
// is too long is told from one that is cut.
func (c verbs) readManifest(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(c.In, yamltree.MaxBytes+1))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(file, yamltree.MaxBytes+1))
}

// writeNew writes a file that is not there yet.
func writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// showOSSA prints the configuration, unless it went to a file, and the report.
func (c verbs) showOSSA(r *ossa.Result, written bool) error {
	if c.JSON() {
		return c.PrintJSON(r)
	}
	report := verbs{c.Frame}
	if !written {
		if err := c.Printf("%s", r.Config); err != nil {
			return err
		}
		other := *c.Frame
		other.Out = c.Err
		report = verbs{&other}
	}
	for _, w := range r.Warnings {
		if err := report.Printf("warning: %s\n", frame.Printable(w)); err != nil {
			return err
		}
	}
	if err := report.showItems("Expressed", r.Expressed); err != nil {
		return err
	}
	if err := report.showItems("Expressed more strictly", r.Stricter); err != nil {
		return err
	}
	if err := report.showItems("NOT expressed", r.NotExpressed); err != nil {
		return err
	}
	return report.Printf("\n%d expressed, %d more strictly, %d not expressed, %d of these relevant to security\n",
		len(r.Expressed), len(r.Stricter), len(r.NotExpressed), r.Missing())
}

func (c verbs) showItems(title string, items []ossa.Item) error {
	if len(items) == 0 {
		return nil
	}
	if err := c.Printf("\n%s\n", title); err != nil {
		return err
	}
	for _, item := range items {
		if err := c.Printf("  %s %s%s\n", frame.Printable(item.Path), "(line "+strconv.Itoa(item.Line)+")", frame.Printable(because(item))); err != nil {
			return err
		}
	}
	return nil
}

// because says what became of a field.
func because(item ossa.Item) string {
	text := ""
	if item.Setting != "" {
		text = " -> " + item.Setting
	}
	if item.Reason != "" {
		text += ": " + item.Reason
	}
	if item.Do != "" {
		text += "; to do: " + item.Do
	}
	return text
}
