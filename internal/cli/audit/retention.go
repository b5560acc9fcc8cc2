package audit

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/retention"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

func (c verbs) retention() *cobra.Command {
	var files bool
	cmd := &cobra.Command{
		Use: "retention", Short: "Show what is kept of the audit log, and until when", Args: frame.None,
		Example: `  portcullis audit retention
  portcullis audit retention --files
  portcullis audit retention --output json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				s, err := retention.Get(cmd.Context(), a)
				switch {
				case err != nil:
					return err
				case c.JSON():
					return c.PrintJSON(s)
				case files:
					return c.printFiles(s)
				}
				return c.printRetention(s)
			})
		},
	}
	cmd.Flags().BoolVar(&files, "files", false, "list each file instead of the sums")
	return cmd
}

func (c verbs) printRetention(s retention.State) error {
	rows := make([][]string, len(s.Classes))
	for i, k := range s.Classes {
		rows[i] = []string{
			k.Class, days(time.Duration(k.Keep * float64(time.Second))), strconv.Itoa(k.Files), strconv.FormatUint(k.Records, 10),
			strconv.FormatInt(k.Bytes, 10), when(k.Oldest), when(k.Next), strconv.Itoa(k.Held),
		}
	}
	if err := c.Table([]string{"CLASS", "KEPT", "FILES", "RECORDS", "BYTES", "OLDEST", "NEXT REMOVAL", "HELD"}, rows); err != nil {
		return err
	}
	lines := []string{fmt.Sprintf("not divided yet: %d segments, %d bytes; holds: %d", s.Undivided, s.UndividedBytes, s.Holds)}
	if s.Behind {
		lines = append(lines, "the clock went backwards: nothing is removed until it is past "+when(s.Time))
	}
	for _, d := range s.Damaged {
		lines = append(lines, "damaged, kept as it is: "+frame.Printable(d))
	}
	if s.Waiting != "" {
		lines = append(lines, "waiting for "+frame.Printable(s.Waiting))
	}
	if s.DiskLow {
		lines = append(lines, fmt.Sprintf("the disk is nearly full: %d of %d bytes are free", s.DiskFree, s.DiskSize))
	}
	if s.Failed {
		lines = append(lines, "the last pass met an error: see the log of the gateway")
	}
	for _, l := range lines {
		if err := c.Printf("%s\n", l); err != nil {
			return err
		}
	}
	return nil
}

func (c verbs) printFiles(s retention.State) error {
	rows := make([][]string, len(s.Files))
	for i, f := range s.Files {
		held := "-"
		if f.Held {
			held = "held"
		}
		archived := "-"
		if f.ArchivedTo != "" {
			archived = frame.Printable(f.ArchivedTo)
		}
		rows[i] = []string{
			f.Class, strconv.FormatUint(f.First, 10), strconv.FormatUint(f.Last, 10), strconv.FormatUint(f.Records, 10),
			strconv.FormatInt(f.Bytes, 10), when(f.Newest), when(f.Due), held, archived,
		}
	}
	return c.Table([]string{"CLASS", "FIRST", "LAST", "RECORDS", "BYTES", "NEWEST", "DUE", "HELD", "ARCHIVED"}, rows)
}

func days(d time.Duration) string {
	if d >= 24*time.Hour {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	return d.String()
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return frame.When(&t, "-")
}

func (c verbs) hold() *cobra.Command {
	return frame.Group("hold", "Keep records beyond their time, for a court or an inquiry", c.holdAdd(), c.holdList(), c.holdRemove())
}

func (c verbs) holdAdd() *cobra.Command {
	var h retention.NewHold
	var from, to, until string
	cmd := &cobra.Command{
		Use: "add", Short: "Hold records: they are not removed while the hold stands", Args: frame.None,
		Example: `  portcullis audit hold add --reason "case 4711"
  portcullis audit hold add --reason "case 4711" --class access --from 2026-03-01 --to 2026-04-01 --until 2027-12-31`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if h.Reason == "" {
				return frame.Usagef("audit hold add: --reason says why, for those who ask later")
			}
			for _, f := range []struct {
				name, text string
				to         *time.Time
			}{{"from", from, &h.From}, {"to", to, &h.To}, {"until", until, &h.Until}} {
				t, err := dateOrTime(f.text)
				if err != nil {
					return frame.Usagef("audit hold add: --%s %q: %w", f.name, f.text, err)
				}
				*f.to = t
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				made, err := retention.AddHold(cmd.Context(), a, h)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(made)
				}
				return c.Printf("held: %s\n", made.ID)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&h.Reason, "reason", "", "why; required")
	f.StringVar(&h.Class, "class", "", "only this class: access, security or audit")
	f.StringVar(&from, "from", "", "only events at or after this `time`: 2026-03-01 or 2026-03-01T12:00:00Z")
	f.StringVar(&to, "to", "", "only events before this `time`")
	f.StringVar(&until, "until", "", "`time` at which the hold ends by itself")
	return cmd
}

func (c verbs) holdList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the holds", Args: frame.None,
		Example: "  portcullis audit hold list --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := retention.Holds(cmd.Context(), a)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, h := range list {
					class := h.Class
					if class == "" {
						class = "all"
					}
					rows[i] = []string{h.ID, class, when(h.From), when(h.To), when(h.Until), frame.Printable(h.By), when(h.At), frame.Printable(h.Reason)}
				}
				return c.Table([]string{"ID", "CLASS", "FROM", "TO", "UNTIL", "BY", "SET", "REASON"}, rows)
			})
		},
	}
}

func (c verbs) holdRemove() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "remove ID", Short: "End a hold: what it kept is removed when its time is over", Args: frame.One("the id of a hold"),
		Example: `  portcullis audit hold remove 01997d3e-7d5b-7cc3-98c4-dc0c0c07398f --reason "case closed"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				h, err := retention.Lift(cmd.Context(), a, args[0], reason)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(h)
				}
				return c.Printf("lifted: %s\n", h.ID)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	return cmd
}

// dateOrTime reads a day, which begins in UTC, or a time.
func dateOrTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, errors.New("want 2026-03-01 or 2026-03-01T12:00:00Z")
	}
	return t.UTC(), nil
}
