package access

import (
	"context"
	"time"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/tokens"
	"github.com/portcullis-dev/portcullis/internal/admin/users"
	adminzkp "github.com/portcullis-dev/portcullis/internal/admin/zkp"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
)

// holders are those whose rights are stored here, and their open sessions.
type holders struct {
	keys     []apikey.View
	users    []basic.User
	provers  []zkp.Enrolment
	sessions []token.SessionView
}

func ask(ctx context.Context, a *admin.Client) (h holders, err error) {
	if h.keys, err = a.Keys(ctx); err != nil {
		return h, err
	}
	if h.users, err = users.List(ctx, a); err != nil {
		return h, err
	}
	if h.provers, err = adminzkp.List(ctx, a); err != nil {
		return h, err
	}
	h.sessions, err = tokens.List(ctx, a, "")
	return h, err
}

func (h holders) userEntry(u basic.User) entry {
	e := entry{Kind: "user", ID: u.ID, Name: u.Name, Status: "active", LastUsed: h.lastUse(u.ID)}
	if u.Disabled {
		e.Status = "disabled"
	}
	return e
}

// lastUse is when an open session of a subject was last opened or refreshed;
// nil if there is none. Sessions that are over are in the audit log.
func (h holders) lastUse(subject string) *time.Time {
	var last *time.Time
	for i := range h.sessions {
		if s := &h.sessions[i]; s.Subject == subject && (last == nil || s.UsedAt.After(*last)) {
			last = &s.UsedAt
		}
	}
	return last
}
