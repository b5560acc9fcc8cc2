package retention

import (
	"context"

	"github.com/portcullis-dev/portcullis/internal/app/part"
	rights "github.com/portcullis-dev/portcullis/internal/privacy/subject"
)

var _ part.Holding = (*Part)(nil)

// Holders implements part.Holding.
func (k *Part) Holders() []rights.Holder {
	return []rights.Holder{{
		Place: rights.Place{
			Name: "holds", Title: "Legal holds", Where: "audit/holds.json", Data: []string{"operator who set one", "reason, as the operator wrote it"},
			Source: "operators", Purpose: "to keep evidence (legal obligation)", Retention: "until lifted, or until they end", Erasure: "the hold stays; the name is replaced by " + rights.Erased,
		},
		Collect: func(_ context.Context, who *rights.Person) (out []any, err error) {
			holds, err := k.keeper.Holds()
			for _, h := range holds {
				if _, named := who.Nameless(h.Reason); named || who.Is(h.By) {
					out = append(out, h)
				}
			}
			return out, err
		},
		Erase: func(_ context.Context, who *rights.Person) (rights.Done, error) {
			n, err := k.keeper.Forget(func(by, reason *string) (changed bool) {
				if *reason, changed = who.Nameless(*reason); who.Is(*by) {
					*by, changed = rights.Erased, true
				}
				return changed
			})
			return rights.Done{Count: n}, err
		},
	}}
}
