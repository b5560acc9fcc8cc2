// Package privacy holds the verbs for personal data.
package privacy

import (
	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/privacy/breakglass"
	"github.com/portcullis-dev/portcullis/internal/cli/privacy/consent"
	"github.com/portcullis-dev/portcullis/internal/cli/privacy/report"
)

// Command returns the verbs below "privacy".
func Command(f *frame.Frame) *cobra.Command {
	return frame.Group("privacy", "Consents, protected health information and reports", consent.Command(f), breakglass.Command(f), report.Command(f))
}
