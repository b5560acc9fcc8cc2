package app

import (
	"context"

	"github.com/portcullis-dev/portcullis/gateway/access"
)

// lookAtPolicies takes changed policy files into force, whole or not at all: a
// mistake in one keeps all that run.
func (a *App) lookAtPolicies(ctx context.Context) {
	a.applying.Lock() // whoever holds it is the only one to change what is in force
	defer a.applying.Unlock()
	now := access.Digest(a.cfg)
	if !a.policies.Due(now) {
		return
	}
	if err := a.use(a.cfg); err != nil {
		a.policies.Refuse(now)
		a.rejected(ctx, err)
		return
	}
	a.core.metrics.Reloaded(nil)
	a.log.Info("policy files reloaded")
}
