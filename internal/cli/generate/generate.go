// Package generate holds the verb that writes deployment files. It needs neither
// a gateway nor a data folder.
package generate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/harden/generate"
	"github.com/portcullis-dev/portcullis/internal/harden/generate/answers"
	"github.com/portcullis-dev/portcullis/internal/harden/generate/place"
)

type verbs struct {
	*frame.Frame

	given answers.Answers // as flags
	file  string
	out   string
	diff  bool
	force bool
}

// Command returns the verb "generate".
func Command(f *frame.Frame) *cobra.Command {
	c := &verbs{Frame: f, given: answers.New()}
	cmd := frame.Group("generate", "Write hardened deployment files")
	cmd.Long = `Write the files of a hardened deployment from one set of answers: flags, or a file
that "portcullis generate answers" prints. They pass "portcullis check".

Files that are there as they were written before are replaced; those that
somebody edited are left alone unless --force is given. --diff shows what would
change and writes nothing.

On a terminal, and if nothing was answered, three questions are asked. Nothing is
asked without one.`
	cmd.Example = `  portcullis generate answers > answers.toml
  portcullis generate all --answers answers.toml --out deploy
  portcullis generate kubernetes --domain mcp.example.com --diff
  portcullis generate dockerfile --out .`
	cmd.AddCommand(c.answersVerb(), c.kind("all", "Write everything", nil))
	for _, k := range generate.Kinds() {
		cmd.AddCommand(c.kind(k.Name, k.Title, []string{k.Name}))
	}
	return cmd
}

func (c *verbs) answersVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "answers", Short: "Print an answers file with every key described", Args: frame.None,
		Example: `  portcullis generate answers --domain mcp.example.com > answers.toml`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := c.answers(cmd.Flags())
			if err != nil {
				return err
			}
			return c.Printf("%s", a.Commented())
		},
	}
	c.answerFlags(cmd.Flags())
	return cmd
}

func (c *verbs) kind(name, title string, kinds []string) *cobra.Command {
	cmd := &cobra.Command{
		Use: name, Short: title, Args: frame.None,
		Example: fmt.Sprintf("  portcullis generate %s --out deploy\n  portcullis generate %s --answers answers.toml --diff", name, name),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := c.answers(cmd.Flags())
			if err != nil {
				return err
			}
			if a, err = c.ask(a, cmd.Flags()); err != nil {
				return err
			}
			made, err := generate.Render(a, kinds...)
			if err != nil {
				return err
			}
			return c.place(made, a)
		},
	}
	c.answerFlags(cmd.Flags())
	f := cmd.Flags()
	f.StringVar(&c.out, "out", "deploy", "`folder` the files go to")
	f.BoolVar(&c.diff, "diff", false, "show what would change and write nothing")
	f.BoolVar(&c.force, "force", false, "replace files that were edited, too")
	return cmd
}

// answerFlags are the answers that are given most; the others are in the file.
func (c *verbs) answerFlags(f *pflag.FlagSet) {
	d := answers.New()
	f.StringVar(&c.file, "answers", "", "answers `file`; flags win over it")
	f.StringVar(&c.given.Name, "name", d.Name, "name of the deployment")
	f.StringVar(&c.given.Profile, "profile", d.Profile, "values that are written: default or guide")
	f.StringVar(&c.given.Domain, "domain", d.Domain, "host name under which callers reach the gateway")
	f.StringVar(&c.given.Email, "email", d.Email, "address for certificates and contacts")
	f.StringVar(&c.given.Image.Name, "image", d.Image.Name, "repository of the image, without a tag")
	f.StringVar(&c.given.Image.Tag, "tag", d.Image.Tag, "tag of the image")
	f.StringVar(&c.given.Image.Digest, "digest", d.Image.Digest, "digest of the image: sha256:…")
	f.StringVar(&c.given.Upstream.URL, "upstream", d.Upstream.URL, "`URL` of the server behind the gateway")
	f.StringVar(&c.given.Upstream.Protocol, "protocol", d.Upstream.Protocol, "what the server speaks: mcp or a2a")
	f.StringSliceVar(&c.given.Upstream.Tools, "tools", nil, "tools that callers may use; all without it")
	f.StringVar(&c.given.Logs.Syslog, "syslog", d.Logs.Syslog, "`host:port` of a syslog server over TLS that gets the events")
	f.StringVar(&c.given.Alerts.Channel, "alerts", d.Alerts.Channel, "who is told when something is wrong: none, slack or pagerduty")
	f.StringVar(&c.given.Kubernetes.Namespace, "namespace", d.Kubernetes.Namespace, "Kubernetes namespace")
}

// answers reads the file and puts the flags that were given over it.
func (c *verbs) answers(f *pflag.FlagSet) (answers.Answers, error) {
	a := answers.New()
	if c.file != "" {
		text, err := os.ReadFile(c.file)
		if errors.Is(err, fs.ErrNotExist) {
			return a, frame.Usagef("there is no file %q: 'portcullis generate answers' prints one", c.file)
		}
		if err != nil {
			return a, fmt.Errorf("reading the answers: %w", err)
		}
		if a, err = answers.Parse(c.file, text, c.Env); err != nil {
			return a, frame.UsageError{Err: err}
		}
	}
	for name, set := range c.flags(&a) {
		if f.Changed(name) {
			set()
		}
	}
	if err := a.Validate(); err != nil {
		return a, frame.UsageError{Err: err}
	}
	return a, nil
}

// flags are the flags that answer something, and how each is put into answers.
func (c *verbs) flags(a *answers.Answers) map[string]func() {
	return map[string]func(){
		"name":      func() { a.Name = c.given.Name },
		"profile":   func() { a.Profile = c.given.Profile },
		"domain":    func() { a.Domain = c.given.Domain },
		"email":     func() { a.Email = c.given.Email },
		"image":     func() { a.Image.Name = c.given.Image.Name },
		"tag":       func() { a.Image.Tag = c.given.Image.Tag },
		"digest":    func() { a.Image.Digest = c.given.Image.Digest },
		"upstream":  func() { a.Upstream.URL = c.given.Upstream.URL },
		"protocol":  func() { a.Upstream.Protocol = c.given.Upstream.Protocol },
		"tools":     func() { a.Upstream.Tools = c.given.Upstream.Tools },
		"syslog":    func() { a.Logs.Syslog = c.given.Logs.Syslog },
		"alerts":    func() { a.Alerts.Channel = c.given.Alerts.Channel },
		"namespace": func() { a.Kubernetes.Namespace = c.given.Kubernetes.Namespace },
	}
}

// result is what --output json prints of a file.
type result struct {
	Path    string      `json:"path"`
	Kind    string      `json:"kind"`
	State   place.State `json:"state"`
	Written bool        `json:"written"`
	Diff    string      `json:"diff,omitempty"`
}

// place writes the files, or shows what would change.
func (c *verbs) place(made []generate.File, a answers.Answers) error {
	var want []place.File
	for _, f := range made {
		want = append(want, place.File{Path: f.Path, Mode: f.Mode, Data: f.Data})
	}
	plan, err := place.Plan(c.out, want)
	if err != nil {
		return err
	}
	var results []result
	for i, p := range plan {
		r := result{Path: p.Path, Kind: made[i].Kind, State: p.State}
		if c.diff {
			r.Diff = string(p.Diff)
		} else {
			r.Written = p.State != place.Same && (p.State != place.Edited || c.force)
		}
		results = append(results, r)
	}
	if !c.diff {
		if _, err := place.Apply(c.out, plan, c.force); err != nil {
			return err
		}
	}
	if c.JSON() {
		return c.PrintJSON(results)
	}
	return c.tell(results, a)
}

func (c *verbs) tell(results []result, a answers.Answers) error {
	edited := 0
	for _, r := range results {
		if c.diff {
			if err := c.Printf("%s", r.Diff); err != nil {
				return err
			}
			continue
		}
		note := string(r.State)
		if r.State == place.Edited && !c.force {
			edited++
			note = "edited, left alone"
		}
		if err := c.Printf("%-20s %s\n", note, strings.TrimSuffix(c.out, "/")+"/"+r.Path); err != nil {
			return err
		}
	}
	if edited > 0 {
		fmt.Fprintf(c.Err, "hint: edited since it was written, and left alone: %d of the files; --diff shows how they differ, --force replaces them\n", edited)
	}
	if a.Image.Digest == "" && !c.diff {
		fmt.Fprintln(c.Err, "hint: the image has no digest yet: give it with --digest as soon as it is built, and these files name exactly that image")
	}
	return nil
}
