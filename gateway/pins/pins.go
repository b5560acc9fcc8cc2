// Package pins puts the guard of tool pins on a route.
package pins

import (
	"context"
	"fmt"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
)

// Guard returns the guard of a route: an Authorizer, to stand behind the
// others so that only who may use a tool learns that it is refused otherwise,
// and an Inspector, to stand before lists are filtered. Without a book the
// table keeps its pins to itself.
func Guard(ctx context.Context, book *toolpin.Book, recorder portcullis.Recorder, rc *config.Route) (*toolpin.Guard, error) {
	var err error
	if book == nil {
		if book, err = toolpin.NewBook(ctx, nil, recorder, nil); err != nil {
			return nil, fmt.Errorf("pins: %w", err)
		}
	}
	g, err := book.Guard(rc.Name, rc.Pins)
	if err != nil {
		return nil, fmt.Errorf("pins: %w", err)
	}
	return g, nil
}
