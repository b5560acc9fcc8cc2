package incident

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/casework"
	"github.com/portcullis-dev/portcullis/internal/admin/incidents"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

// flagIncident is how an incident is named where the only one that is open is
// not meant.
const flagIncident = "incident"

func incidentFlag(cmd *cobra.Command, id *string) {
	cmd.Flags().StringVar(id, flagIncident, "", "`ID` of the incident, if more than one is open")
}

func (c verbs) open() *cobra.Command {
	var o casework.Open
	cmd := &cobra.Command{
		Use: "open TITLE", Short: "Open an incident", Args: frame.One("a title, in quotes"),
		Long: `Open an incident. What is done from now on is in its timeline: containments,
maintenance, rotated and revoked credentials, evidence, playbooks.

Its phases are detect, contain, preserve, eradicate, recover and review.`,
		Example: `  portcullis incident open "a key was stolen" --severity P1 --subject key:3f9a1c5e7b2d4806a1c3e5f7092b4d6e --owner alice`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Title = args[0]
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				i, err := casework.OpenIncident(cmd.Context(), a, o)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(i)
				}
				return c.Printf("opened %s (%s)\n", i.ID, i.Severity)
			})
		},
	}
	cmd.Flags().StringVar(&o.Severity, "severity", "P3", "P1, P2, P3 or P4")
	cmd.Flags().StringSliceVar(&o.Subjects, "subject", nil, "whom or what it is about, as 'incident contain' takes it; repeatable")
	cmd.Flags().StringVar(&o.Owner, "owner", "", "who looks after it")
	return cmd
}

func (c verbs) list() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List incidents", Args: frame.None,
		Example: `  portcullis incident list --all`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := incidents.Incidents(cmd.Context(), a, all)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, v := range list {
					rows[i] = []string{v.ID, v.Severity, v.Phase, v.Owner, frame.When(&v.Opened, "-"), frame.When(v.Preserved, "none yet"), frame.When(v.Closed, "open"), v.Summary}
				}
				return c.Table([]string{"INCIDENT", "SEVERITY", "PHASE", "OWNER", "OPENED", "EVIDENCE", "CLOSED", "TITLE"}, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "those that are closed, too")
	return cmd
}

// maybeID takes the id of an incident or nothing.
func maybeID(verb string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return frame.Usagef("incident %s: want the id of an incident, or nothing for the only one that is open", verb)
		}
		return nil
	}
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (c verbs) show() *cobra.Command {
	return &cobra.Command{
		Use: "show [ID]", Short: "Show an incident: the one that is open, or one by its id", Args: maybeID("show"),
		Example: `  portcullis incident show
  portcullis incident show --output json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				v, err := casework.Show(cmd.Context(), a, first(args))
				if err != nil {
					return err
				}
				return c.showCase(v)
			})
		},
	}
}

func (c verbs) showCase(v casework.Case) error {
	if c.JSON() {
		return c.PrintJSON(v)
	}
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	if err := c.Table([]string{"INCIDENT", v.ID}, [][]string{
		{"title", v.Summary}, {"severity", v.Severity}, {"phase", v.Phase}, {"owner", or(v.Owner, "nobody")},
		{"about", or(strings.Join(v.Subjects, ", "), "nobody in particular")}, {"evidence", frame.When(v.Preserved, "none yet")},
		{"opened", frame.When(&v.Opened, "-")}, {"closed", frame.When(v.Closed, "open")},
	}); err != nil {
		return err
	}
	if err := c.Printf("\n"); err != nil {
		return err
	}
	return c.showTimeline(v.Timeline)
}

func (c verbs) showTimeline(list []casework.Entry) error {
	rows := make([][]string, len(list))
	for i, e := range list {
		rows[i] = []string{frame.When(&e.At, "-"), e.Actor, e.Kind, e.Text}
	}
	return c.Table([]string{"TIME", "BY", "KIND", "WHAT"}, rows)
}

func (c verbs) timeline() *cobra.Command {
	return &cobra.Command{
		Use: "timeline [ID]", Short: "Show what happened in an incident, and when", Args: maybeID("timeline"),
		Example: `  portcullis incident timeline --output json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				v, err := casework.Show(cmd.Context(), a, first(args))
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(v.Timeline)
				}
				return c.showTimeline(v.Timeline)
			})
		},
	}
}

// say is a verb that changes one thing of an incident.
func (c verbs) say(what string, cmd *cobra.Command, value func(args []string) (string, error)) *cobra.Command {
	var change casework.Change
	incidentFlag(cmd, &change.ID)
	if what != "note" && what != "assign" {
		cmd.Flags().StringVar(&change.Reason, "reason", "", "why, for the audit log")
	}
	if what == "phase" {
		cmd.Flags().BoolVar(&change.Force, "force", false, "go on although no evidence is preserved")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if change.Value, err = value(args); err != nil {
			return err
		}
		return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
			v, err := casework.Say(cmd.Context(), a, what, change)
			if err != nil {
				return err
			}
			if c.JSON() {
				return c.PrintJSON(v)
			}
			if what == "note" {
				return c.Printf("noted in %s\n", v.ID)
			}
			return c.Printf("%s is %s, in phase %s, looked after by %s\n", v.ID, v.Severity, v.Phase, orNobody(v.Owner))
		})
	}
	return cmd
}

func orNobody(s string) string {
	if s == "" {
		return "nobody"
	}
	return s
}

func only(args []string) (string, error) { return args[0], nil }

func (c verbs) assign() *cobra.Command {
	return c.say("assign", &cobra.Command{
		Use: "assign OWNER", Short: "Say who looks after an incident", Args: frame.One("who looks after it"),
		Example: `  portcullis incident assign alice`,
	}, only)
}

func (c verbs) severity() *cobra.Command {
	return c.say("severity", &cobra.Command{
		Use: "severity P1|P2|P3|P4", Short: "Say how bad an incident is", Args: frame.One("P1, P2, P3 or P4"),
		Example: `  portcullis incident severity P2 --reason "only one key"`,
	}, only)
}

func (c verbs) phase() *cobra.Command {
	return c.say("phase", &cobra.Command{
		Use: "phase PHASE", Short: "Take an incident to another phase", Args: frame.One("detect, contain, preserve, eradicate, recover or review"),
		Long: `Take an incident to another phase: detect, contain, preserve, eradicate, recover,
review. It goes forward, and over phases in which there is nothing to do; back
only with --reason. Into eradicate and behind it only when evidence is preserved,
or with --force.`,
		Example: `  portcullis incident phase contain
  portcullis incident phase contain --reason "it goes on"`,
	}, only)
}

// maxNote bounds a note from standard input, in bytes; the gateway has its own.
const maxNote = 64 << 10

func (c verbs) note() *cobra.Command {
	return c.say("note", &cobra.Command{
		Use: "note TEXT", Short: "Write something down in the timeline of an incident", Args: frame.One("a text in quotes, or - for standard input"),
		Long: `Write something down in the timeline of an incident. The audit log gets the
SHA-256 of the text and not the text.`,
		Example: `  portcullis incident note "the key was in ticket 4711, readable for 20 minutes"
  printf 'seen at the proxy' | portcullis incident note -`,
	}, func(args []string) (string, error) {
		if args[0] != "-" {
			return args[0], nil
		}
		b, err := io.ReadAll(io.LimitReader(c.In, maxNote))
		if err != nil {
			return "", fmt.Errorf("reading standard input: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	})
}

func (c verbs) report() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "report [ID]", Short: "Write the report of an incident, as Markdown", Args: maybeID("report"),
		Long: `Write the report of an incident as Markdown: timeline, how long each phase took,
what was contained, rotated and preserved, who and what was affected, and room
for what only people know. It names callers.`,
		Example: `  portcullis incident report > report.md
  portcullis incident report --out report.md`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				r, err := casework.WriteReport(cmd.Context(), a, first(args))
				if err != nil {
					return err
				}
				if out != "" {
					if err := os.WriteFile(out, []byte(r.Markdown), 0o600); err != nil {
						return fmt.Errorf("writing the report: %w", err)
					}
				}
				switch {
				case c.JSON():
					return c.PrintJSON(r)
				case out == "":
					return c.Printf("%s", r.Markdown)
				case len(r.Missing) > 0:
					return c.Printf("wrote %s; it lacks %s\n", out, strings.Join(r.Missing, ", "))
				}
				return c.Printf("wrote %s\n", out)
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`FILE` in place of standard output")
	return cmd
}

// act is a verb that does one action of playbooks.
func (c verbs) act(action string, cmd *cobra.Command, read func(args []string) map[string]string) *cobra.Command {
	ask := casework.Act{Action: action}
	incidentFlag(cmd, &ask.Incident)
	cmd.Flags().BoolVar(&ask.DryRun, "dry-run", false, "only say what would be done")
	if action != "notify" {
		cmd.Flags().BoolVar(&ask.Force, "force", false, "go on although no evidence is preserved")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ask.Args = read(args)
		return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
			done, err := casework.Do(cmd.Context(), a, ask)
			if err != nil {
				return err
			}
			if c.JSON() {
				return c.PrintJSON(done)
			}
			if done.DryRun {
				return c.Printf("would %s\n", done.Plan)
			}
			for _, line := range done.Notes {
				if err := c.Printf("%s\n", line); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}

func (c verbs) notify() *cobra.Command {
	return c.act("notify", &cobra.Command{
		Use: "notify [MESSAGE]", Short: "Tell people of an incident", Args: maybeText,
		Long: `Tell people of an incident: through the channels of [detect.alerts], also those
that contacts name, and print whom to call. Contacts are [[incident.contact]] of
the configuration.`,
		Example: `  portcullis incident notify "a key was stolen: call in at the bridge"`,
	}, func(args []string) map[string]string {
		if len(args) == 0 {
			return nil
		}
		return map[string]string{"message": args[0]}
	})
}

func maybeText(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return frame.Usagef("incident notify: want one message, in quotes")
	}
	return nil
}

func (c verbs) scaleDown() *cobra.Command {
	return c.act("scale-down", &cobra.Command{
		Use: "scale-down", Short: "Run your hook that stops servers", Args: frame.None,
		Long: `Run the [[incident.hook]] of the name scale-down: a program of yours, or a signed
webhook. It is refused before evidence is preserved, unless --force is given.`,
		Example: `  portcullis incident scale-down --dry-run`,
	}, func([]string) map[string]string { return nil })
}

func (c verbs) hook() *cobra.Command {
	return c.act("hook", &cobra.Command{
		Use: "hook NAME", Short: "Run a hook of yours", Args: frame.One("the name of an [[incident.hook]]"),
		Example: `  portcullis incident hook isolate-network --dry-run`,
	}, func(args []string) map[string]string { return map[string]string{"name": args[0]} })
}
