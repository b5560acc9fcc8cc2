package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/access"
)

// policyPoll is how often policy files are looked at. They are few and small,
// and a look finds what file systems report nothing about.
const policyPoll = 2 * time.Second

// followPolicies takes changed policy files into force, whole or not at all: a
// mistake in one keeps all that run.
func (a *App) followPolicies(ctx context.Context) {
	tick := time.NewTicker(policyPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.lookAtPolicies(ctx)
		}
	}
}

// policies is what is known of the policy files, guarded by mu.
type policies struct {
	inForce string // digest of the files in force
	refused string // digest of the files that were refused last
}

// lookAtPolicies builds the routes again if the files are others than those in
// force. A content that was refused is not tried, and not reported, again.
func (a *App) lookAtPolicies(ctx context.Context) {
	a.applying.Lock()
	defer a.applying.Unlock()
	a.mu.Lock()
	cfg, was := a.cfg, a.policies
	a.mu.Unlock()
	now := access.Digest(cfg)
	if now == was.refused {
		return
	}
	if now == was.inForce {
		a.refuse("")
		return
	}
	if err := a.use(cfg); err != nil {
		a.refuse(now)
		a.rejected(ctx, err)
		return
	}
	a.core.metrics.Reloaded(nil)
	a.notePolicies(ctx, was.inForce)
	a.log.Info("policy files reloaded")
}

func (a *App) refuse(digest string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.policies.refused = digest
}

// notePolicies records that other policy files came into force.
func (a *App) notePolicies(ctx context.Context, old string) {
	a.mu.Lock()
	now := a.policies.inForce
	a.mu.Unlock()
	if now != old {
		a.note(ctx, portcullis.EventConfigChanged, "", slog.String("field", "content of access.policy_files"), slog.String("old", old), slog.String("new", now))
	}
}
