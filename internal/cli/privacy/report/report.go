// Package report holds the verb that makes reports for auditors.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/compliance"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/privacy/evidence"
)

type verbs struct{ *frame.Frame }

// Command returns the verb "privacy report".
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	var framework, format, file string
	cmd := &cobra.Command{
		Use: "report", Short: "Report for auditors how the gateway stands to GDPR, SOC 2 or HIPAA", Args: frame.None,
		Long: `Report for auditors how the running gateway stands to the controls of a
framework: what fulfils each, in which state it was observed, and which records
of the audit log show it, with proofs that they are in it. The proofs are
checked offline with 'portcullis audit prove --check'.

What the gateway cannot see is "not observed", or attested by whoever
[[privacy.attest]] names. The page needs nothing else and has no script.`,
		Example: `  portcullis privacy report --framework hipaa --out hipaa.html
  portcullis privacy report --framework gdpr --format json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(evidence.Frameworks(), evidence.Framework(framework)) {
				return frame.Usagef("privacy report: --framework: want gdpr, soc2 or hipaa")
			}
			if c.JSON() && !cmd.Flags().Changed("format") {
				format = "json"
			}
			if format == "" && strings.HasSuffix(file, ".json") {
				format = "json"
			}
			if format == "" {
				format = "html"
			}
			if format != "html" && format != "json" {
				return frame.Usagef("privacy report: --format: want html or json")
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				r, err := compliance.Ask(cmd.Context(), a, evidence.Framework(framework))
				if err != nil {
					return err
				}
				return c.deliver(r, format, file)
			})
		},
	}
	cmd.Flags().StringVar(&framework, "framework", "", "gdpr, soc2 or hipaa (required)")
	cmd.Flags().StringVar(&format, "format", "", "html or json (default html)")
	cmd.Flags().StringVar(&file, "out", "", "write to a `file` instead of standard output")
	return cmd
}

func (c verbs) deliver(r evidence.Report, format, file string) error {
	var out bytes.Buffer
	if err := write(&out, r, format); err != nil {
		return err
	}
	if file == "" {
		return c.Printf("%s", out.String())
	}
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return c.Printf("%s: %d in place, %d partly, %d not in place, %d attested, %d not observed\n", frame.Printable(file),
		r.Summary[evidence.InPlace], r.Summary[evidence.Partly], r.Summary[evidence.NotInPlace], r.Summary[evidence.Attested], r.Summary[evidence.NotObserved])
}

func write(w io.Writer, r evidence.Report, format string) error {
	if format == "html" {
		return r.HTML(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
