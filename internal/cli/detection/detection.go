// Package detection is the verb group "portcullis detect": what is usual, and
// what was not.
package detection

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/detection"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly"
)

type verbs struct{ *frame.Frame }

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("detect", "Show what is usual for callers, and what was unlike before", c.status(), c.anomalies())
}

func (c verbs) status() *cobra.Command {
	var subject string
	cmd := &cobra.Command{
		Use: "status", Short: "Show how many are watched, or what is usual for one of them", Args: frame.None,
		Example: `  portcullis detect status
  portcullis detect status --subject key:3f9a1c5e7b2d4806a1c3e5f7092b4d6e
  portcullis detect status --subject 192.0.2.7 --output json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				if subject != "" {
					list, err := detection.Baselines(cmd.Context(), a, subject)
					if err != nil {
						return err
					}
					if len(list) == 0 {
						return fmt.Errorf("nothing is known of %q: give the id of a caller or key, the name of a tool or route, or an address", subject)
					}
					return c.printViews(list)
				}
				s, err := detection.StatusOf(cmd.Context(), a)
				if err != nil {
					return err
				}
				return c.printStatus(s)
			})
		},
	}
	cmd.Flags().StringVar(&subject, "subject", "", "show the baselines of one caller, key, tool, route or address (IPv6: its /64)")
	return cmd
}

func (c verbs) printStatus(s detection.Status) error {
	if c.JSON() {
		return c.PrintJSON(s)
	}
	state := "off: detect.anomaly.enabled is false"
	if s.Enabled {
		state = fmt.Sprintf("on, %d events judged, up to %s", s.Judged, frame.When(s.Now, "-"))
	}
	if err := c.Printf("detection is %s\nopen incidents: %d\n", state, s.Incidents); err != nil {
		return err
	}
	rows := make([][]string, len(s.Subjects))
	for i, w := range s.Subjects {
		rows[i] = []string{w.Kind, strconv.Itoa(w.Known), strconv.Itoa(w.Warm)}
	}
	return c.Table([]string{"KIND", "KNOWN", "JUDGED BY OWN PAST"}, rows)
}

func (c verbs) printViews(list []anomaly.View) error {
	if c.JSON() {
		return c.PrintJSON(list)
	}
	var rows [][]string
	for _, v := range list {
		for _, m := range v.Metrics {
			from := m.Baseline
			if from == "" {
				from = "too little is known"
			}
			rows = append(rows, []string{
				v.Kind, m.Metric, m.Window, number(m.Now), number(m.Mean) + " ± " + number(m.SD), number(m.Z), m.Unit, strconv.Itoa(m.Samples), from,
			})
		}
	}
	return c.Table([]string{"KIND", "METRIC", "WINDOW", "NOW", "USUAL", "Z", "UNIT", "SAMPLES", "BASELINE"}, rows)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

func (c verbs) anomalies() *cobra.Command {
	var most int
	cmd := &cobra.Command{
		Use: "anomalies", Short: "List what was unlike before, latest first", Args: frame.None,
		Example: `  portcullis detect anomalies
  portcullis audit tail --type ANOMALY_DETECTED --output json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if most < 1 || most > 200 {
				return frame.Usagef("--limit: want between 1 and 200")
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := detection.Anomalies(cmd.Context(), a, most)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, x := range list {
					what, usual := x.Metric, number(x.Mean)+" ± "+number(x.SD)
					if x.Pattern != "" {
						what, usual = x.Pattern, "at most "+number(x.Least)
					}
					rows[i] = []string{frame.When(&x.Since, "-"), x.State, x.Severity, x.Kind + " " + x.Subject, what, number(x.Value), usual, number(x.Z)}
				}
				return c.Table([]string{"SINCE", "STATE", "SEVERITY", "SUBJECT", "WHAT", "VALUE", "USUAL", "Z"}, rows)
			})
		},
	}
	cmd.Flags().IntVar(&most, "limit", 50, "how many")
	return cmd
}
