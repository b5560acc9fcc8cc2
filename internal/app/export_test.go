package app

import (
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Tokens are the sessions of a gateway, for tests that log in.
func (a *App) Tokens() *token.Service { return a.core.tokens }

// Metrics are what a gateway counts.
func (a *App) Metrics() *obs.Metrics { return a.core.metrics }
