package a2a

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/a2aclient"
	"github.com/portcullis-dev/portcullis/internal/cli/ending"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

// cardView is what scripts get of a card.
type cardView struct {
	URL        string          `json:"url"`
	Form       string          `json:"form"`
	Interfaces []interfaceView `json:"interfaces"`
	Wants      []string        `json:"wants"`
	Signatures int             `json:"signatures"`
	SignedBy   string          `json:"signed_by,omitempty"`
	Card       json.RawMessage `json:"card"`
}

type interfaceView struct {
	URL     string `json:"url"`
	Binding string `json:"binding"`
	Version string `json:"version"`
	Usable  bool   `json:"usable"`
}

func (c verbs) card() *cobra.Command {
	t := &target{}
	cmd := &cobra.Command{
		Use: "card URL", Short: "Fetch an agent's card, check it and show it", Args: frame.One("the URL of an agent or of its card"),
		Long: `Fetch an agent's card, check it and show it. It is looked for at
/.well-known/agent-card.json, then at /.well-known/agent.json. No credential is
sent. With --trust the card must be signed by one of the keys: the exit code is 3
if it is not.`,
		Example: `  portcullis a2a card https://agent.example
  portcullis a2a card https://agent.example --trust keys.json --output json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := ending.Context(cmd.Context(), false)
			defer stop()
			opts, err := t.options()
			if err != nil {
				return err
			}
			card, err := a2aclient.Discover(ctx, args[0], opts)
			if err != nil {
				return c.explain(args[0], err)
			}
			return c.showCard(card)
		},
	}
	t.flags(cmd)
	return cmd
}

func (c verbs) showCard(card *a2aclient.Card) error {
	if c.JSON() {
		v := cardView{
			URL: card.URL, Form: card.Form, Wants: card.Requirements, Signatures: card.Signatures, SignedBy: card.SignedBy, Card: card.Raw(),
			Interfaces: []interfaceView{},
		}
		for _, i := range card.Interfaces {
			v.Interfaces = append(v.Interfaces, interfaceView{i.URL, i.Binding, i.Version, i.Usable})
		}
		return c.PrintJSON(v)
	}
	lines := [][2]string{{"agent", card.Name + " " + card.Version}, {"says", card.Description}, {"found at", card.URL}, {"form", card.Form}}
	if card.Provider != "" {
		lines = append(lines, [2]string{"provider", card.Provider})
	}
	for _, i := range card.Interfaces {
		text := fmt.Sprintf("%s %s %s", i.Binding, i.Version, i.URL)
		if !i.Usable {
			text += " (not used)"
		}
		lines = append(lines, [2]string{"interface", text})
	}
	lines = append(lines, [2]string{"wants", wants(card)}, [2]string{"offers", offers(card)}, [2]string{"signature", signature(card)})
	for _, s := range card.Skills {
		lines = append(lines, [2]string{"skill", s.ID + ": " + s.Description})
	}
	for _, l := range lines {
		if err := c.Printf("%-10s %s\n", l[0], frame.Printable(shortened(l[1]))); err != nil {
			return err
		}
	}
	return nil
}

// shortened keeps one line of a text one line of a screen or three.
func shortened(s string) string {
	const most = 300
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func wants(card *a2aclient.Card) string {
	if len(card.Requirements) == 0 {
		return "no credential"
	}
	return strings.Join(card.Requirements, ", or ")
}

func offers(card *a2aclient.Card) string {
	var out []string
	if card.Streaming {
		out = append(out, "streaming")
	}
	if card.Push {
		out = append(out, "push notifications")
	}
	if card.Extended {
		out = append(out, "an extended card")
	}
	if len(out) == 0 {
		return "single answers"
	}
	return strings.Join(out, ", ")
}

func signature(card *a2aclient.Card) string {
	switch {
	case card.SignedBy != "":
		return "by the trusted key " + card.SignedBy
	case card.Signatures > 0:
		return fmt.Sprintf("%d, not checked: --trust names the keys", card.Signatures)
	}
	return "none"
}
