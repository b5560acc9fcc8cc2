package admin

import (
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
)

// CreateKey asks for a new key.
type CreateKey struct {
	Name     string   `json:"name" minLength:"1" maxLength:"100" doc:"For people"`
	Scopes   []string `json:"scopes,omitempty" maxItems:"100" doc:"tools:NAME, tools:*, prompts:…, resources:…, manage"`
	Roles    []string `json:"roles,omitempty" maxItems:"100" doc:"Roles of the configuration; what they grant is decided at each call"`
	Routes   []string `json:"routes,omitempty" maxItems:"100" doc:"Routes the key is good for; empty = all"`
	Owner    string   `json:"owner,omitempty" maxLength:"200" doc:"Principal the key speaks for; empty = its own"`
	Schedule string   `json:"schedule,omitempty" enum:"daily,weekly,monthly,quarterly,never" doc:"How often it is to be rotated"`
	Expires  string   `json:"expires_at,omitempty" doc:"RFC 3339; empty = what the schedule gives"`
}

func (c CreateKey) request() (apikey.CreateRequest, error) {
	req := apikey.CreateRequest{Name: c.Name, Scopes: c.Scopes, Roles: c.Roles, Routes: c.Routes, Owner: c.Owner, Schedule: apikey.Schedule(c.Schedule)}
	if c.Expires != "" {
		t, err := time.Parse(time.RFC3339, c.Expires)
		if err != nil {
			return req, fmt.Errorf("expires_at %q: want RFC 3339, such as 2026-12-31T00:00:00Z", c.Expires)
		}
		req.Expires = t
	}
	return req, nil
}
