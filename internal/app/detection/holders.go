package detection

import (
	"context"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/app/part"
	rights "github.com/portcullis-dev/portcullis/internal/privacy/subject"
)

var _ part.Holding = (*Part)(nil)

// Holders implements part.Holding.
func (p *Part) Holders() []rights.Holder {
	names := func(who *rights.Person) []string { return slices.Concat([]string{who.ID}, who.Keys, who.Addresses) }
	return []rights.Holder{{
		Place: rights.Place{
			Name: "profile", Title: "What is usual for a caller", Where: "detect/baselines", Data: []string{"principal, key, address", "when and how much they call"},
			Source: "the audit log", Purpose: "to notice what is unlike before", Retention: "until unused for long, bounded", Erasure: "removed",
		},
		Collect: func(_ context.Context, who *rights.Person) (out []any, _ error) {
			for _, name := range names(who) {
				for _, v := range p.Baselines(name) {
					out = append(out, v)
				}
			}
			return out, nil
		},
		Erase: func(_ context.Context, who *rights.Person) (done rights.Done, _ error) {
			for _, name := range names(who) {
				done.Count += len(p.Baselines(name))
				if err := p.Forget(name); err != nil {
					return done, err
				}
			}
			return done, nil
		},
	}}
}
