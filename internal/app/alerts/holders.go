package alerts

import (
	"context"

	"github.com/portcullis-dev/portcullis/internal/app/part"
	rights "github.com/portcullis-dev/portcullis/internal/privacy/subject"
)

var _ part.Holding = (*Part)(nil)

// Holders implements part.Holding.
func (p *Part) Holders() []rights.Holder {
	return []rights.Holder{{
		Place: rights.Place{
			Name: "alerts", Title: "Alerts", Where: "alerts/state", Data: []string{"operator who looked after one or silenced it", "whom it is about, sealed"},
			Source: "the audit log, operators", Purpose: "to wake people once", Retention: "an hour after they are over", Erasure: "the operator is replaced by " + rights.Erased + "; the rest goes with the key of the audit log",
		},
		Collect: func(_ context.Context, who *rights.Person) (out []any, _ error) {
			for _, a := range p.List(true) {
				if who.Is(a.AckedBy) {
					out = append(out, a)
				}
			}
			for _, s := range p.Silences() {
				if who.Is(s.By) {
					out = append(out, s)
				}
			}
			return out, nil
		},
		Erase: func(_ context.Context, who *rights.Person) (done rights.Done, _ error) {
			done.Count = p.engine.Forget(who.ID)
			return done, p.store()
		},
	}}
}
