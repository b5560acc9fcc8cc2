package app

import (
	"context"
	"net/http"

	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/gateway/a2a"
	"github.com/portcullis-dev/portcullis/internal/app/servers"
)

// agents are what routes to A2A agents need.
func (a *App) agents(ups servers.Set) a2a.Deps {
	return a2a.Deps{
		Owners: a.core.owners, Ring: a.core.ring, Recorder: a.core.journal, Log: a.log,
		Transport: func(route string) http.RoundTripper {
			if s := ups[route]; s != nil {
				return s.Documents
			}
			return nil
		},
	}
}

// followCards keeps the cards of a table current instead of those of the one
// before.
func (a *App) followCards(t *gateway.Table) {
	if a.endCards != nil {
		a.endCards()
	}
	var ctx context.Context
	ctx, a.endCards = context.WithCancel(a.life)
	a.tasks.Go(func() { t.Run(ctx) })
}
