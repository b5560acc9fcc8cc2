package app

import "github.com/portcullis-dev/portcullis/internal/authn/token"

// Tokens are the sessions of a gateway, for tests that log in.
func (a *App) Tokens() *token.Service { return a.core.tokens }
