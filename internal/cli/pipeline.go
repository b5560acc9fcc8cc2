package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/app"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

func (c cli) pipeline() *cobra.Command {
	return &cobra.Command{
		Use: "pipeline", Short: "Print the guards of each route, in order", Args: frame.None,
		Example: "  portcullis pipeline --config portcullis.toml",
		RunE: func(*cobra.Command, []string) error {
			cfg, _, err := c.LoadConfig()
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
			if c.JSON() {
				return c.PrintJSON(routes)
			}
			for i, r := range routes {
				if i > 0 {
					if err := c.Printf("\n"); err != nil {
						return err
					}
				}
				if err := c.Printf("route %s (%s)\n\n", frame.Printable(r.Route), frame.Printable(r.Path)); err != nil {
					return err
				}
				rows := make([][]string, len(r.Phases))
				for j, p := range r.Phases {
					rows[j] = []string{p.Phase, strings.Join(p.Guards, ", "), p.Refuses}
				}
				if err := c.Table([]string{"PHASE", "GUARDS", "REFUSES WITH"}, rows); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
