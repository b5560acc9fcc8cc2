package ipfilter

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/portcullis-dev/portcullis"
)

// Filter lets addresses in or keeps them out. It is a [portcullis.EdgeGuard],
// immutable and safe for concurrent use.
type Filter struct{ allow, deny *Prefixes }

var _ portcullis.EdgeGuard = (*Filter)(nil)

// NewFilter compiles the lists of c. It returns nil if both are empty.
func NewFilter(c Config) (*Filter, error) {
	allow, err := ParsePrefixes(c.Allow)
	if err != nil {
		return nil, fmt.Errorf("allow_ips%w", err)
	}
	deny, err := ParsePrefixes(c.Deny)
	if err != nil {
		return nil, fmt.Errorf("deny_ips%w", err)
	}
	if allow.Len()+deny.Len() == 0 {
		return nil, nil
	}
	return &Filter{allow: allow, deny: deny}, nil
}

// Allows reports whether a may call: deny wins, an empty allow list allows
// everyone else. An address that carries IPv4 addresses is denied by any of
// them, but allowed only as itself: anyone can make up an address of a
// transition mechanism. The zero Addr is not allowed.
func (f *Filter) Allows(a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	if f.deny.Len() > 0 {
		if f.deny.Contains(a) {
			return false
		}
		var room [embeddedMax]netip.Addr
		for _, v4 := range embedded(a, &room) {
			if f.deny.Contains(v4) {
				return false
			}
		}
	}
	return f.allow.Len() == 0 || f.allow.Contains(a)
}

// Name returns "ip".
func (*Filter) Name() string { return "ip" }

// CheckConn refuses clients that [Filter.Allows] does not allow, with
// [portcullis.KindForbidden].
func (f *Filter) CheckConn(_ context.Context, c *portcullis.Conn) error {
	if f.Allows(c.Client) {
		return nil
	}
	detail := "client address not allowed"
	if !c.Client.IsValid() {
		detail = "client address not known"
	}
	return &portcullis.Error{
		Kind:   portcullis.KindForbidden,
		Reason: "forbidden",
		Public: "IP not allowed",
		Event:  portcullis.EventUnauthorizedAccess,
		Detail: detail,
	}
}
