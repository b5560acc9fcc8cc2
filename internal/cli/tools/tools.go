// Package tools is the verb group "portcullis tools": what servers showed of
// their tools, what changed, and what operators say to it.
package tools

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/tools"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
)

type verbs struct{ *frame.Frame }

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("tools", "See what servers show of their tools, and approve it or not", c.list(), c.diff(), c.approve(), c.quarantine())
}

// shortHash is how much of a hash people read and type.
const shortHash = 12

func short(hash string) string { return hash[:min(shortHash, len(hash))] }

func (c verbs) list() *cobra.Command {
	var filter toolpin.Filter
	cmd := &cobra.Command{
		Use: "list", Short: "List tools by route and name", Args: frame.None,
		Example: "  portcullis tools list --state held",
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch filter.State {
			case "", "trusted", "held", "quarantined":
			default:
				return frame.Usagef("--state %q: want trusted, held or quarantined", frame.Printable(filter.State))
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := tools.List(cmd.Context(), a, filter)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, v := range list {
					rows[i] = []string{v.Route, v.Tool, v.State, cmp.Or(v.Why, "-"), cmp.Or(short(v.Hash), "-"), frame.When(&v.ChangedAt, "-"), cmp.Or(v.DecidedBy, "-")}
				}
				return c.Table([]string{"ROUTE", "TOOL", "STATE", "WHY", "HASH", "CHANGED", "DECIDED BY"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&filter.Route, "route", "", "only those of a `route`")
	cmd.Flags().StringVar(&filter.State, "state", "", "only those in a `state`: trusted, held or quarantined")
	return cmd
}

// routeAndTool is the argument rule of verbs on one tool.
func routeAndTool(cmd *cobra.Command, args []string) error {
	if len(args) != 2 || args[0] == "" || args[1] == "" {
		return frame.Usagef("tools %s: want a route and a tool: 'portcullis tools list' shows them", cmd.Name())
	}
	return nil
}

func (c verbs) diff() *cobra.Command {
	return &cobra.Command{
		Use: "diff ROUTE TOOL", Short: "Show what differs between the approved version of a tool and the one that waits", Args: routeAndTool,
		Long: `Show what differs between the approved version of a tool and the one that
waits. Characters that a reader would not see are spelled out: ⟨U+200B⟩.`,
		Example: "  portcullis tools diff files read_file",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				v, err := tools.Show(cmd.Context(), a, args[0], args[1])
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(v)
				}
				if err := c.print(v); err != nil {
					return err
				}
				if v.Difference == "" {
					return c.Printf("no version waits\n")
				}
				return c.Printf("\n--- approved %s\n+++ waits    %s\n%s", cmp.Or(short(v.Approved), "(none)"), short(v.Hash), v.Difference)
			})
		},
	}
}

func (c verbs) approve() *cobra.Command {
	var all bool
	var route, hash, reason string
	cmd := &cobra.Command{
		Use: "approve ROUTE TOOL | --all [--route ROUTE]", Short: "Approve the version of a tool that waits, or all that are held",
		Long: `Approve the version of a tool that waits. With --hash exactly that version,
as 'tools diff' showed it: one that has changed since is refused. A tool in
quarantine is released; --all leaves those alone.`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case all && len(args) > 0:
				return frame.Usagef("tools approve: --all takes no tool")
			case all && hash != "":
				return frame.Usagef("tools approve: --hash is for one tool")
			case all:
				return nil
			case route != "":
				return frame.Usagef("tools approve: --route goes with --all")
			}
			return routeAndTool(cmd, args)
		},
		Example: "  portcullis tools approve files read_file --hash 3f0c6a3e9d1b",
		RunE: func(cmd *cobra.Command, args []string) error {
			if hash != "" && (len(hash) < shortHash || len(hash) > 64 || strings.Trim(hash, "0123456789abcdef") != "") {
				return frame.Usagef("--hash %q: want 12 to 64 hex digits: 'portcullis tools diff' shows them", frame.Printable(hash))
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := c.candidates(cmd, a, args, route)
				if err != nil {
					return err
				}
				done := []toolpin.View{}
				for _, v := range list {
					if v.Hash == "" {
						return fmt.Errorf("no version of tool %q has been seen yet", frame.Printable(v.Tool))
					}
					v, err := tools.Approve(cmd.Context(), a, tools.Approval{Route: v.Route, Tool: v.Tool, Hash: cmp.Or(hash, v.Hash), Reason: reason})
					if err != nil {
						return err
					}
					done = append(done, v)
					if !c.JSON() {
						if err := c.print(v); err != nil {
							return err
						}
					}
				}
				switch {
				case c.JSON() && all:
					return c.PrintJSON(done)
				case c.JSON():
					return c.PrintJSON(done[0])
				case len(done) == 0:
					return c.Printf("no tool is held\n")
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every tool that is held")
	cmd.Flags().StringVar(&route, "route", "", "with --all: only those of a `route`")
	cmd.Flags().StringVar(&hash, "hash", "", "`hash` of the version, or its first 12 digits")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	return cmd
}

// candidates are the tools that are about to be approved, as they are now.
func (c verbs) candidates(cmd *cobra.Command, a *admin.Client, args []string, route string) ([]toolpin.View, error) {
	if len(args) == 0 {
		return tools.List(cmd.Context(), a, toolpin.Filter{Route: route, State: "held"})
	}
	v, err := tools.Show(cmd.Context(), a, args[0], args[1])
	return []toolpin.View{v}, err
}

func (c verbs) quarantine() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "quarantine ROUTE TOOL --reason TEXT", Short: "Hold a tool at once, whatever the policy of its route", Args: routeAndTool,
		Long: `Hold a tool at once, whatever the policy of its route, until it is approved.
Calls that run are not ended; the next call is refused.`,
		Example: `  portcullis tools quarantine files read_file --reason "ticket 4711"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" {
				return frame.Usagef("tools quarantine: needs --reason, for the audit log")
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				v, err := tools.Hold(cmd.Context(), a, tools.Quarantine{Route: args[0], Tool: args[1], Reason: reason})
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(v)
				}
				return c.print(v)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	return cmd
}

func (c verbs) print(v toolpin.View) error {
	text := []string{"route   " + v.Route, "tool    " + v.Tool, "state   " + v.State}
	for _, f := range [...][2]string{{"why     ", v.Why}, {"hash    ", v.Hash}, {"by      ", v.DecidedBy}, {"reason  ", v.Reason}} {
		if f[1] != "" {
			text = append(text, f[0]+f[1])
		}
	}
	for i := range text {
		text[i] = frame.Printable(text[i])
	}
	return c.Printf("%s\n", strings.Join(text, "\n"))
}
