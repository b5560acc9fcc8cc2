// Package token keeps the sessions of people and agents who logged in: a
// short-lived access token that this gateway signs, and a refresh token that
// is good for one use.
package token

import (
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Login is what a login method has proved.
type Login struct {
	Subject string           // stable id of the caller; becomes Principal.ID
	Name    string           // for people
	Method  string           // how it was proved: "basic", "zkp", …; a route admits the session only where it admits the method
	Roles   []string         // granted roles
	Scopes  []string         // granted scopes
	By      portcullis.Actor // the request that logged in, for the audit log
	Until   time.Time        // the session ends here at the latest; zero = the configured end
}

// Grant is a new session as its holder gets it. The texts are secrets: they are
// shown once and logged never.
type Grant struct {
	AccessToken  string
	RefreshToken string
	ExpiresIn    time.Duration // of the access token
	SessionID    string        // names the session in events and in `token list`
}
