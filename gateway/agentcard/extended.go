package agentcard

import (
	"errors"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

// Extended returns the card that an agent shows to a caller who is known, as
// that caller may see it: with the skills that may says and that are not held.
// version is that of the caller, "1.0" or "0.3". The texts of such a card are
// searched like those of pinned ones, but the card is not pinned: it may differ
// from caller to caller. The error is a *portcullis.Error.
func (k *Keeper) Extended(raw []byte, version string, may func(skill string) bool) ([]byte, error) {
	out, err := k.extended(raw, version, may)
	if err != nil {
		return nil, &portcullis.Error{Kind: portcullis.KindUpstream, Reason: "upstream", Event: portcullis.EventCardRefused, Detail: "the agent's extended card is refused", Err: err}
	}
	return out, nil
}

func (k *Keeper) extended(raw []byte, version string, may func(string) bool) ([]byte, error) {
	if !k.o.Face.Extended {
		return nil, errors.New("extended cards are off")
	}
	c, _, err := k.read(raw)
	if err != nil {
		return nil, err
	}
	if k.o.Pins != nil {
		why, err := k.o.Pins.Flaws(raw)
		if err != nil {
			return nil, err
		}
		if len(why) > 0 {
			return nil, errors.New("its texts: " + toolpin.JoinReasons(why))
		}
	}
	f := k.o.Face
	f.Skill = func(id string) bool {
		return may(id) && (k.o.Face.Skill == nil || k.o.Face.Skill(id)) && (k.o.Pins == nil || !k.o.Pins.Holds(id))
	}
	b, err := c.Behind(f)
	if err != nil {
		return nil, err
	}
	form := card.V1
	if version != "1.0" {
		form = card.V03
	}
	return k.document(b, form)
}
