package wallet

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

func (c *verbs) put() *cobra.Command {
	var n wallet.New
	var expires string
	cmd := &cobra.Command{
		Use: "put NAME", Short: "Add an entry; its value comes from standard input", Args: entryName,
		Long: `Add an entry. Its value is all of standard input, without the end of the last
line, or what you type at the terminal, where it is not shown. It is never an
argument.`,
		Example: `  portcullis wallet put openai --provider openai --expires 2160h < openai.key
  portcullis wallet put db --permission read --metadata owner=ops`,
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Name = args[0]
			var err error
			if n.Expires, err = moment(expires); err != nil {
				return err
			}
			value, err := c.value(cmd.Name())
			if err != nil {
				return err
			}
			defer clear(value)
			return c.recorded(cmd.Context(), func(w *wallet.Wallet) error {
				if err := w.Put(cmd.Context(), n, value); err != nil {
					return err
				}
				return c.done(w, "added", n.Name)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&n.Provider, "provider", "", "whose key it is: openai, anthropic, github, …")
	f.StringSliceVar(&n.Permissions, "permission", nil, "what it may do, for your records; repeatable")
	f.StringToStringVar(&n.Metadata, "metadata", nil, "`KEY=VALUE` for your records; repeatable")
	f.StringVar(&expires, "expires", "", "when it ends: a `time`, or a duration from now")
	return cmd
}

func (c *verbs) get() *cobra.Command {
	var reveal, pending, previous, expired bool
	cmd := &cobra.Command{
		Use: "get NAME", Short: "Show an entry; its value only with --reveal", Args: entryOrProvider,
		Long: `Show an entry. provider/PROVIDER is the entry that stands for a provider: its
default, or, without one that has not expired, the oldest that has not.`,
		Example: `  portcullis wallet get openai
  portcullis wallet get openai --reveal --output json
  portcullis wallet get provider/openai --reveal`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case !reveal && (pending || previous || expired):
				return frame.Usagef("--pending, --previous and --expired are about the value: give --reveal")
			case pending && previous:
				return frame.Usagef("--pending and --previous exclude each other")
			case !reveal:
				return c.looking(cmd.Context(), func(w *wallet.Wallet) error {
					name, err := chosen(w, args[0])
					if err != nil {
						return err
					}
					e, err := w.Entry(name)
					if err != nil {
						return err
					}
					return c.show(e)
				})
			}
			which := wallet.Current
			if pending {
				which = wallet.Pending
			} else if previous {
				which = wallet.Previous
			}
			return c.recorded(cmd.Context(), func(w *wallet.Wallet) error {
				name, err := chosen(w, args[0])
				if err != nil {
					return err
				}
				v, e, err := w.Reveal(cmd.Context(), name, which, expired)
				if err != nil {
					return err
				}
				defer v.Wipe()
				return c.reveal(v, e)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&reveal, "reveal", false, "print the value, and record that in the audit journal")
	f.BoolVar(&pending, "pending", false, "the value that waits to be promoted")
	f.BoolVar(&previous, "previous", false, "the value before, while it is kept")
	f.BoolVar(&expired, "expired", false, "also of an entry that has expired")
	return cmd
}

// provider begins what stands for a provider instead of an entry.
const provider = "provider/"

// chosen returns the name of the entry that an argument means.
func chosen(w *wallet.Wallet, arg string) (string, error) {
	if p, ok := strings.CutPrefix(arg, provider); ok {
		return w.Provider(p)
	}
	return arg, nil
}

func entryOrProvider(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		args = []string{strings.TrimPrefix(args[0], provider)}
	}
	return entryName(cmd, args)
}

func (c *verbs) standard() *cobra.Command {
	return &cobra.Command{
		Use: "default NAME", Short: "Let an entry stand for its provider", Args: entryName,
		Long: `Let an entry stand for its provider: secret://wallet/provider/PROVIDER means it
from then on, as long as it has not expired.`,
		Example: "  portcullis wallet default openai-prod",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.recorded(cmd.Context(), func(w *wallet.Wallet) error {
				if err := w.SetDefault(cmd.Context(), args[0]); err != nil {
					return err
				}
				e, err := w.Entry(args[0])
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(e)
				}
				return c.Printf("%s stands for %s\n", e.Name, e.Provider)
			})
		},
	}
}

// reveal prints a value: as text it stands alone, for scripts.
func (c *verbs) reveal(v *wallet.Value, e wallet.Entry) error {
	if c.JSON() {
		out := struct {
			wallet.Entry
			Value       *string `json:"value,omitempty"`
			ValueBase64 []byte  `json:"value_base64,omitempty"` // of what is no text
		}{Entry: e}
		if text := v.Reveal(); utf8.ValidString(text) {
			out.Value = &text
		} else {
			out.ValueBase64 = v.Bytes()
		}
		return c.PrintJSON(out)
	}
	if _, err := c.Out.Write(append(bytes.Clone(v.Bytes()), '\n')); err != nil {
		return fmt.Errorf("printing the value: %w", err)
	}
	return nil
}

func (c *verbs) show(e wallet.Entry) error {
	if c.JSON() {
		return c.PrintJSON(e)
	}
	metadata := make([]string, 0, len(e.Metadata))
	for _, k := range slices.Sorted(maps.Keys(e.Metadata)) {
		metadata = append(metadata, k+"="+e.Metadata[k])
	}
	rows := [][]string{
		{"provider", orNone(e.Provider)}, {"permissions", orNone(strings.Join(e.Permissions, " "))}, {"metadata", orNone(strings.Join(metadata, " "))},
		{"created", e.Created.Format(time.RFC3339)}, {"rotated", frame.When(e.Rotated, "never")}, {"expires", expiry(e)}, {"version", fmt.Sprint(e.Version)},
	}
	if e.Default {
		rows = append(rows, []string{"default", "of " + e.Provider})
	}
	if e.Pending != 0 {
		rows = append(rows, []string{"pending", pending(e)})
	}
	if e.Previous != 0 {
		rows = append(rows, []string{"previous", fmt.Sprintf("version %d, kept until %s", e.Previous, frame.When(e.KeptUntil, ""))})
	}
	if e.Fingerprint != "" {
		rows = append(rows, []string{"replaced", "hmac:" + e.Fingerprint})
	}
	return c.Table([]string{"name", e.Name}, rows)
}

func pending(e wallet.Entry) string {
	text := fmt.Sprintf("version %d", e.Pending)
	if e.PendingSince != nil {
		text += ", since " + e.PendingSince.Format(time.RFC3339)
	}
	if e.Automatic {
		text += ", by the gateway"
	}
	return text
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func expiry(e wallet.Entry) string {
	text := frame.When(e.Expires, "never")
	if e.Expired(time.Now()) {
		text += " (expired)"
	}
	return text
}

func (c *verbs) list() *cobra.Command {
	var provider string
	cmd := &cobra.Command{
		Use: "list", Short: "List entries by name, without their values", Args: frame.None,
		Example: "  portcullis wallet list --provider openai --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.looking(cmd.Context(), func(w *wallet.Wallet) error {
				list, err := w.List()
				if err != nil {
					return err
				}
				if provider != "" {
					list = slices.DeleteFunc(list, func(e wallet.Entry) bool { return e.Provider != provider })
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, e := range list {
					rows[i] = []string{e.Name, orNone(e.Provider), fmt.Sprint(e.Version), state(e), frame.When(e.Rotated, "never"), expiry(e)}
				}
				return c.Table([]string{"NAME", "PROVIDER", "VERSION", "STATE", "ROTATED", "EXPIRES"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&provider, "provider", "", "only keys of this provider")
	return cmd
}

func state(e wallet.Entry) string {
	switch {
	case e.Expired(time.Now()):
		return "expired"
	case e.Pending != 0:
		return "pending"
	case e.Previous != 0:
		return "overlap"
	}
	return "active"
}

func (c *verbs) remove() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "remove NAME", Short: "Remove an entry with all its values, for good", Args: entryName,
		Example: "  portcullis wallet remove openai --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.sure(yes, args[0]); err != nil {
				return err
			}
			return c.recorded(cmd.Context(), func(w *wallet.Wallet) error {
				if err := w.Remove(cmd.Context(), args[0]); err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(map[string]string{"removed": args[0]})
				}
				return c.Printf("removed %s\n", args[0])
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// sure asks a person to type the name again.
func (c *verbs) sure(yes bool, name string) error {
	if yes {
		return nil
	}
	in, ok := c.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return frame.Usagef("wallet remove: the value is gone for good: give --yes")
	}
	if _, err := fmt.Fprintf(c.Err, "This drops all values of %s for good. Type its name: ", name); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	typed, err := c.SecretLine("wallet remove")
	if err != nil {
		return err
	}
	if typed != name {
		return frame.Usagef("wallet remove: that was another name: nothing is removed")
	}
	return nil
}
