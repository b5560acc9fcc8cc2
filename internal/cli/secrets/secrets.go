// Package secrets is the verb group "portcullis secrets": proving that a
// reference leads to a secret without showing it.
package secrets

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/app/secrets"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

type verbs struct{ *frame.Frame }

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("secrets", "Check where secrets come from", c.resolve())
}

// result is what is printed. It never holds the secret, nor its length.
type result struct {
	Reference string     `json:"reference"`
	Source    string     `json:"source"`
	OK        bool       `json:"ok"`
	Version   string     `json:"version,omitempty"`
	Ends      *time.Time `json:"expires_at,omitempty"`
	Error     string     `json:"error,omitempty"`
}

func (c verbs) resolve() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use: "resolve REF --check", Short: "Prove that a reference leads to a secret, without printing it", Args: frame.One("a reference"),
		Long: `Resolve asks the source that a reference names, with the settings of [secrets] of
the configuration, just as serve would. The secret is never printed. The exit code
is 0 if it can be had and 3 if not.`,
		Example: `  portcullis secrets resolve secret://env/GITHUB_TOKEN --check
  portcullis secrets resolve 'secret://vault/kv/github#token' --check
  portcullis secrets resolve 'secret://aws/prod/github?version=AWSPREVIOUS#token' --check --output json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !check {
				return frame.Usagef("say --check: secrets are never printed")
			}
			ref, err := source.Parse(args[0])
			if err != nil {
				return frame.UsageError{Err: err}
			}
			return c.show(c.check(cmd.Context(), ref))
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "only say whether the secret can be had")
	return cmd
}

func (c verbs) check(ctx context.Context, ref source.Ref) (result, error) {
	out := result{Reference: ref.String(), Source: ref.Source}
	cfg, _, err := c.LoadConfig()
	if err != nil {
		return out, err
	}
	// What would be logged is said in the result.
	keeper, err := secrets.New(secrets.Options{Getenv: c.Env, DataDir: c.DataDir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return out, err
	}
	info, err := keeper.Check(ctx, cfg.Secrets, ref)
	if err != nil {
		out.Error = err.Error()
		return out, nil
	}
	out.OK, out.Version = true, info.Version
	if !info.Ends.IsZero() {
		ends := info.Ends.UTC().Truncate(time.Second)
		out.Ends = &ends
	}
	return out, nil
}

func (c verbs) show(r result, err error) error {
	if err != nil {
		return err
	}
	switch {
	case c.JSON():
		err = c.PrintJSON(r)
	case !r.OK:
		err = c.Printf("%s: no\n%s\n", r.Reference, r.Error)
	default:
		err = c.Printf("%s: ok\n", r.Reference)
		if r.Version != "" {
			err = errors.Join(err, c.Printf("version %s\n", r.Version))
		}
	}
	if err == nil && !r.OK {
		return frame.ErrNo
	}
	return err
}
