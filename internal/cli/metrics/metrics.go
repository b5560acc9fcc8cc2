// Package metrics holds the verbs that print what a monitoring system needs to
// know of the gateway's metrics. They need neither a gateway nor a data folder.
package metrics

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/obs/monitoring"
)

type verbs struct{ *frame.Frame }

// Command returns the verbs below "metrics".
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("metrics", "Print the metrics, a Grafana dashboard and Prometheus alert rules", c.list(), c.dashboard(), c.rules())
}

func (c verbs) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Print the metrics with their types and labels", Args: frame.None,
		Example: `  portcullis metrics list
  portcullis metrics list --output json`,
		RunE: func(*cobra.Command, []string) error {
			all := monitoring.List()
			if c.JSON() {
				return c.PrintJSON(all)
			}
			var rows [][]string
			for _, m := range all {
				var labels []string
				for _, l := range m.Labels {
					labels = append(labels, l.Name)
				}
				rows = append(rows, []string{m.Name, string(m.Type), strings.Join(labels, ","), m.Help})
			}
			return c.Table([]string{"METRIC", "TYPE", "LABELS", "WHAT IT SAYS"}, rows)
		},
	}
}

func (c verbs) dashboard() *cobra.Command {
	return &cobra.Command{
		Use: "dashboard", Short: "Print a Grafana dashboard", Args: frame.None,
		Long:    "Print a Grafana dashboard as JSON, for Grafana 10 and later: import it, or put it in a folder that Grafana is provisioned from. It asks for the data source.",
		Example: `  portcullis metrics dashboard > portcullis.json`,
		RunE: func(*cobra.Command, []string) error {
			board, err := monitoring.Dashboard()
			if err != nil {
				return err
			}
			return c.Printf("%s", board)
		},
	}
}

func (c verbs) rules() *cobra.Command {
	return &cobra.Command{
		Use: "rules", Short: "Print alert rules for Prometheus", Args: frame.None,
		Long: "Print alert rules for Prometheus as a rule file. They expect that the name of the scrape job contains \"portcullis\".",
		Example: `  portcullis metrics rules > /etc/prometheus/rules/portcullis.yml
  portcullis metrics rules --output json`,
		RunE: func(*cobra.Command, []string) error {
			if c.JSON() {
				return c.PrintJSON(monitoring.Alerts())
			}
			return c.Printf("%s", monitoring.Rules())
		},
	}
}
