package privacy

import (
	"errors"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

// TestRestrictedIsRefused: whose processing is restricted is refused, nobody
// else is, and the ways to log in, to rights and to administration stay open.
func TestRestrictedIsRefused(t *testing.T) {
	g := newGuard()
	alice, bob := portcullis.Principal{ID: "alice"}, portcullis.Principal{ID: "bob"}
	check := func(c portcullis.Container, who portcullis.Principal) error {
		return c.CheckContained(t.Context(), nil, who)
	}
	g.set("alice", true)
	var e *portcullis.Error
	if err := check(g, alice); !errors.As(err, &e) || e.Kind != portcullis.KindForbidden || e.Reason != ReasonRestricted {
		t.Errorf("restricted: %v", err)
	}
	for what, err := range map[string]error{
		"bob": check(g, bob), "nobody": check(g, portcullis.Principal{}),
		"at the login": check(g.Login(), alice), "as an operator": check(g.Admin(), alice),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	g.set("alice", false)
	if err := check(g, alice); err != nil {
		t.Errorf("lifted: %v", err)
	}
}
