package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/app"
)

func (c *cli) pipeline() *cobra.Command {
	return &cobra.Command{
		Use: "pipeline", Short: "Print the guards of each route, in order", Args: none,
		Example: "  portcullis pipeline --config portcullis.toml",
		RunE: func(*cobra.Command, []string) error {
			cfg, _, err := c.loadConfig()
			if err != nil {
				return err
			}
			if len(cfg.Routes) == 0 { // the route that serve makes of an --upstream
				if err := single(cfg, "http://upstream.example/mcp", nil); err != nil {
					return err
				}
			}
			routes, err := app.Pipelines(cfg)
			if err != nil {
				return err
			}
			if c.json() {
				return c.printJSON(routes)
			}
			for i, r := range routes {
				if i > 0 {
					if err := c.printf("\n"); err != nil {
						return err
					}
				}
				if err := c.printf("route %s (%s)\n\n", printable(r.Route), printable(r.Path)); err != nil {
					return err
				}
				rows := make([][]string, len(r.Phases))
				for j, p := range r.Phases {
					rows[j] = []string{p.Phase, strings.Join(p.Guards, ", "), p.Refuses}
				}
				if err := c.table([]string{"PHASE", "GUARDS", "REFUSES WITH"}, rows); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
