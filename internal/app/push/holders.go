package push

import (
	"context"

	"github.com/portcullis-dev/portcullis/internal/app/part"
	rights "github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/wishbook"
)

var _ part.Holding = (*Part)(nil)

// Holders implements part.Holding.
func (p *Part) Holders() []rights.Holder {
	db := wishbook.New(p.env.DB, nil) // rows only
	return []rights.Holder{{
		Place: rights.Place{
			Name: "notifications", Title: "Notifications of agents", Where: "portcullis.db: push_registrations, push_deliveries", Data: []string{"principal", "target and bodies, encrypted"},
			Source: "the person, by calling agents; the agents", Purpose: "to deliver what the person asked for", Retention: "until they end; what failed is bounded", Erasure: "removed, with what is on its way",
		},
		Collect: func(ctx context.Context, who *rights.Person) ([]any, error) {
			return db.Rows(ctx, `SELECT id, route, task, name, origin, created_at, until,
				(SELECT count(*) FROM push_deliveries d WHERE d.registration = r.id) AS deliveries
				FROM push_registrations r WHERE principal = ?1 ORDER BY created_at, id`, who.ID)
		},
		Erase: func(ctx context.Context, who *rights.Person) (rights.Done, error) {
			n, err := db.Forget(ctx, []string{"DELETE FROM push_registrations WHERE principal = ?1"}, who.ID) // deliveries go with them
			return rights.Done{Count: n}, err
		},
	}}
}
