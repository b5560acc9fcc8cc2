package consents

import (
	"context"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	rights "github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/wishbook"
)

var _ part.Holding = (*Part)(nil)

// Holders implements part.Holding.
func (p *Part) Holders() []rights.Holder {
	db := wishbook.New(p.db, nil) // rows only
	by := portcullis.Actor{ID: "portcullis", Method: "privacy"}
	return []rights.Holder{{
		Place: rights.Place{
			Name: "consents", Title: "Consents", Where: "portcullis.db: consents", Data: []string{"principal", "what they agreed to, and what shows it"},
			Source: "the person, or an operator for them", Purpose: "to prove consent (legal obligation)", Retention: "until erased", Erasure: "ended and removed, with their history",
		},
		Collect: func(ctx context.Context, who *rights.Person) (out []any, err error) {
			list, err := p.book.History(ctx, who.ID)
			for _, c := range list {
				out = append(out, c)
			}
			return out, err
		},
		Erase: func(ctx context.Context, who *rights.Person) (rights.Done, error) {
			list, err := p.book.History(ctx, who.ID)
			if err == nil {
				err = p.book.Forget(ctx, who.ID)
			}
			if err != nil {
				return rights.Done{}, err
			}
			n, err := db.Forget(ctx, []string{
				"UPDATE consents SET granted_by = '" + rights.Erased + "' WHERE granted_by = ?1",
				"UPDATE consents SET withdrawn_by = '" + rights.Erased + "' WHERE withdrawn_by = ?1",
			}, who.ID)
			return rights.Done{Count: len(list) + n}, err
		},
	}, {
		Place: rights.Place{
			Name: "emergencies", Title: "Access in emergencies", Where: "portcullis.db: break_glass", Data: []string{"principal", "who granted it", "reason"},
			Source: "operators", Purpose: "to account for reading health information (legal obligation)", Retention: "until erased", Erasure: "ended and removed; the audit log keeps the event, sealed",
		},
		Collect: func(ctx context.Context, who *rights.Person) ([]any, error) {
			return db.Rows(ctx, "SELECT id, reason, at, until, ended_at FROM break_glass WHERE principal = ?1 ORDER BY at", who.ID)
		},
		Erase: func(ctx context.Context, who *rights.Person) (rights.Done, error) {
			if err := p.glass.Forget(ctx, who.ID, by); err != nil {
				return rights.Done{}, err
			}
			n, err := db.Forget(ctx, []string{
				"DELETE FROM break_glass WHERE principal = ?1",
				"UPDATE break_glass SET granted_by = '" + rights.Erased + "' WHERE granted_by = ?1",
				"UPDATE break_glass SET ended_by = '" + rights.Erased + "' WHERE ended_by = ?1",
			}, who.ID)
			return rights.Done{Count: n}, err
		},
	}}
}
