package backup

import (
	"context"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/backups"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// recording lets the command line, which copies, record what it does.
type recording struct{ env part.Env }

// New returns the part. It has no task of its own.
func New(env part.Env) (part.Part, error) { return recording{env}, nil }

// Next implements part.Part.
func (recording) Next(context.Context, *config.Config, part.Secrets) (func(), error) {
	return func() {}, nil
}

// Run implements part.Part.
func (recording) Run(ctx context.Context) { <-ctx.Done() }

// Groups implements part.Administered.
func (r recording) Groups() []admin.Group { return []admin.Group{backups.Group(r.env.Journal)} }
