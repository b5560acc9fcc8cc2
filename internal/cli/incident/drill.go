package incident

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/incident/drill"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
)

func (c verbs) drill() *cobra.Command {
	o := drill.Options{Version: c.Version}
	cmd := &cobra.Command{
		Use: "drill", Short: "Exercise a playbook on a scratch gateway, and grade it", Args: frame.None,
		Long: `Exercise a playbook on a scratch gateway, and grade it: was the attack seen, was it
contained within a second, was evidence preserved before anything was destroyed,
is the attacker locked out, did the legitimate caller lose no more than what was
contained, does the audit log verify, is the report complete.

Nothing of your gateway is touched: data folder, ports, servers and callers are
made for the drill and thrown away; a program that does nothing stands in for
each hook. Exits with 3 unless everything passed; a step
whose action does not exist here is not run, and not passed.`,
		Example: `  portcullis incident drill
  portcullis incident drill --playbook exfiltration --output json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := c.LoadConfig()
			if err != nil {
				return err
			}
			o.Playbooks = cfg.Incident.Playbooks
			for i := range cfg.Incident.Hooks {
				o.Hooks = append(o.Hooks, drill.Hook{Name: cfg.Incident.Hooks[i].Name, Destructive: cfg.Incident.Hooks[i].Destructive})
			}
			library, err := playbook.Load(o.Playbooks)
			if err != nil {
				return err
			}
			if library[o.Playbook] == nil {
				return frame.Usagef("incident drill: there is no playbook %q: want one of %v", o.Playbook, library.Names())
			}
			o.Log = func(format string, a ...any) {
				if !c.JSON() {
					fmt.Fprintf(c.Err, format+"\n", a...)
				}
			}
			r, err := drill.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return c.showDrill(r)
		},
	}
	cmd.Flags().StringVar(&o.Playbook, "playbook", "stolen-key", "`NAME` of the playbook")
	return cmd
}

func (c verbs) showDrill(r *drill.Result) error {
	if c.JSON() {
		if err := c.PrintJSON(r); err != nil {
			return err
		}
	} else {
		rows := make([][]string, len(r.Grades))
		for i, g := range r.Grades {
			rows[i] = []string{string(g.Outcome), g.Name, g.Text}
		}
		if err := c.Table([]string{"GRADE", "OF", "WHAT WAS SEEN"}, rows); err != nil {
			return err
		}
		word := "passed"
		if !r.Passed {
			word = "not passed"
		}
		if err := c.Printf("\nthe drill of %s is %s; contained in %s\n", r.Playbook, word, r.ContainedIn.Round(1e6)); err != nil {
			return err
		}
	}
	if !r.Passed {
		return frame.ErrNo
	}
	return nil
}
