// Package agents is what the process does for routes to A2A agents: it lets
// the gateway ask the agents for their cards, and keeps those current.
package agents

import (
	"context"
	"net/http"
	"sync"

	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/internal/app/servers"
)

// Documents returns what asks the agent behind a route for documents.
func Documents(ups servers.Set) func(route string) http.RoundTripper {
	return func(route string) http.RoundTripper {
		if s := ups[route]; s != nil {
			return s.Documents
		}
		return nil
	}
}

// Cards are those of the table in force. The zero value follows none.
type Cards struct{ end context.CancelFunc }

// Follow keeps the cards of a table current, until life ends, in place of those
// of the one before. tasks holds what runs.
func (c *Cards) Follow(life context.Context, tasks *sync.WaitGroup, t *gateway.Table) {
	if c.end != nil {
		c.end()
	}
	var ctx context.Context
	ctx, c.end = context.WithCancel(life)
	tasks.Go(func() { t.Run(ctx) })
}
