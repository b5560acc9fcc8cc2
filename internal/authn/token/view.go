package token

import (
	"context"
	"fmt"
	"time"
)

// SessionView is a session as operators see it.
type SessionView struct {
	ID        string    `json:"id"`
	Subject   string    `json:"subject"`
	Name      string    `json:"name,omitempty"`
	Method    string    `json:"method"`
	Scopes    []string  `json:"scopes"`
	Roles     []string  `json:"roles"`
	IP        string    `json:"ip,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Issued    bool      `json:"issued"` // by an operator: it has no refresh token
}

// List returns the sessions that may be used now, oldest first: all, or those of
// a subject.
func (s *Service) List(ctx context.Context, subject string) ([]SessionView, error) {
	list, err := s.store.Sessions(ctx, subject, s.now())
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	out := make([]SessionView, 0, len(list))
	for i := range list {
		sn := &list[i]
		if s.lives(sn) != nil {
			continue
		}
		out = append(out, SessionView{
			ID: sn.ID, Subject: sn.Subject, Name: sn.Name, Method: sn.Method, Scopes: sn.Scopes, Roles: sn.Roles, IP: sn.IP,
			CreatedAt: sn.CreatedAt, UsedAt: sn.UsedAt, ExpiresAt: sn.ExpiresAt, Issued: !sn.Refreshes(),
		})
	}
	return out, nil
}
