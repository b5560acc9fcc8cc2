package incident

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/casework"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
)

func (c verbs) playbook() *cobra.Command {
	return frame.Group("playbook", "Carry out what was thought of before", c.playbookList(), c.playbookShow(), c.playbookRun(), c.playbookRuns(), c.playbookStatus(), c.playbookResume())
}

func (c verbs) playbookList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List playbooks", Args: frame.None, Example: `  portcullis incident playbook list`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := casework.Playbooks(cmd.Context(), a)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, p := range list {
					from := "yours"
					if p.BuiltIn {
						from = "built in"
					}
					rows[i] = []string{p.Name, strconv.Itoa(p.Steps), from, p.Title}
				}
				return c.Table([]string{"PLAYBOOK", "STEPS", "FROM", "TITLE"}, rows)
			})
		},
	}
}

func (c verbs) playbookShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Print a playbook as it is written", Args: frame.One("the name of a playbook"),
		Example: `  portcullis incident playbook show stolen-key`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				p, err := casework.ShowPlaybook(cmd.Context(), a, args[0])
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(p)
				}
				return c.Printf("%s", p.Text)
			})
		},
	}
}

func (c verbs) playbookRun() *cobra.Command {
	var ask casework.Ask
	var set []string
	var dry bool
	cmd := &cobra.Command{
		Use: "run NAME", Short: "Carry out a playbook for an incident", Args: frame.One("the name of a playbook"),
		Long: `Carry out a playbook for an incident, step by step. A step that destroys something
is refused while no evidence is preserved, unless --force is given. A run that was
cut off goes on when the gateway starts; one that failed goes on with 'resume'.

Exits with 3 when not every step was done.`,
		Example: `  portcullis incident playbook run stolen-key --dry-run
  portcullis incident playbook run compromised-upstream --set upstream=mcp.example.com`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ask.Vars = map[string]string{}
			for _, pair := range set {
				key, value, ok := strings.Cut(pair, "=")
				if !ok || key == "" {
					return frame.Usagef("incident playbook run: --set: %q: want NAME=VALUE", pair)
				}
				ask.Vars[key] = value
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				if dry {
					p, err := casework.PlanRun(cmd.Context(), a, args[0], ask)
					if err != nil {
						return err
					}
					return c.showPlan(p)
				}
				run, err := casework.StartRun(cmd.Context(), a, args[0], ask)
				if err != nil {
					return err
				}
				return c.follow(cmd, a, run)
			})
		},
	}
	incidentFlag(cmd, &ask.Incident)
	cmd.Flags().StringArrayVar(&set, "set", nil, "`NAME=VALUE` that the playbook asks for; repeatable")
	cmd.Flags().BoolVar(&ask.Force, "force", false, "destroy although no evidence is preserved")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would be done")
	return cmd
}

func (c verbs) showPlan(p casework.Planned) error {
	if c.JSON() {
		return c.PrintJSON(p)
	}
	rows := make([][]string, len(p.Steps))
	for i, s := range p.Steps {
		state := string(s.State)
		if s.State == playbook.StepWaiting {
			state = "would do"
		}
		rows[i] = []string{strconv.Itoa(i + 1), s.Name, s.Action, state, s.Text}
	}
	return c.Table([]string{"STEP", "NAME", "ACTION", "", "WHAT"}, rows)
}

// follow shows a run until it ends.
func (c verbs) follow(cmd *cobra.Command, a *admin.Client, run casework.Run) error {
	run, err := casework.Wait(cmd.Context(), a, run, func(n int, s playbook.StepRun) error {
		if c.JSON() {
			return nil
		}
		return c.Printf("%d  %-8s %s: %s\n", n, s.State, s.Name, lastOf(s))
	})
	if err != nil {
		return err
	}
	if c.JSON() {
		if err := c.PrintJSON(run); err != nil {
			return err
		}
	} else if err := c.Printf("the playbook is %s: run %s\n", run.State, run.ID); err != nil {
		return err
	}
	if run.State != string(playbook.Done) {
		return frame.ErrNo
	}
	return nil
}

// lastOf is the last that a step told.
func lastOf(s playbook.StepRun) string {
	if s.Error != "" {
		return s.Error
	}
	if n := len(s.Notes); n > 0 {
		return s.Notes[n-1]
	}
	return "-"
}

func (c verbs) playbookRuns() *cobra.Command {
	var incident string
	cmd := &cobra.Command{
		Use: "runs", Short: "List runs of playbooks, the newest first", Args: frame.None, Example: `  portcullis incident playbook runs`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := casework.Runs(cmd.Context(), a, incident)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, r := range list {
					rows[i] = []string{r.ID, r.Playbook, r.State, r.By, frame.When(&r.Started, "-"), frame.When(r.Ended, "-"), r.Incident}
				}
				return c.Table([]string{"RUN", "PLAYBOOK", "STATE", "BY", "STARTED", "ENDED", "INCIDENT"}, rows)
			})
		},
	}
	incidentFlag(cmd, &incident)
	return cmd
}

func (c verbs) playbookStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status RUN", Short: "Show the steps of a run", Args: frame.One("the id of a run"),
		Example: `  portcullis incident playbook status 019aa9c1-7d5b-7cc3-98c4-dc0c0c07398f`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				run, err := casework.ShowRun(cmd.Context(), a, args[0])
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(run)
				}
				rows := make([][]string, len(run.Steps))
				for i, s := range run.Steps {
					rows[i] = []string{strconv.Itoa(i + 1), s.Name, s.Action, string(s.State), frame.When(s.Ended, "-"), lastOf(s)}
				}
				return c.Table([]string{"STEP", "NAME", "ACTION", "STATE", "ENDED", "WHAT"}, rows)
			})
		},
	}
}

func (c verbs) playbookResume() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "resume RUN", Short: "Go on with a run at its first step that was not done", Args: frame.One("the id of a run"),
		Example: `  portcullis incident playbook resume 019aa9c1-7d5b-7cc3-98c4-dc0c0c07398f`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				run, err := casework.ResumeRun(cmd.Context(), a, args[0], force)
				if err != nil {
					return err
				}
				return c.follow(cmd, a, run)
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "destroy although no evidence is preserved")
	return cmd
}
