package edge

import (
	"context"

	"github.com/portcullis-dev/portcullis"
)

// Host refuses requests for hosts that are not ours, so that a page cannot
// reach a local server by pointing its own name at it.
type Host struct{ hosts *Hosts }

var _ portcullis.EdgeGuard = (*Host)(nil)

// NewHost returns the guard for a list that is not empty.
func NewHost(hosts *Hosts) (*Host, error) {
	if hosts == nil || len(hosts.entries) == 0 {
		return nil, errNoHosts
	}
	return &Host{hosts: hosts}, nil
}

// Name returns "host".
func (*Host) Name() string { return "host" }

// CheckConn refuses with [portcullis.KindForbidden] a Host that is missing,
// malformed, given twice or not on the list.
func (g *Host) CheckConn(_ context.Context, c *portcullis.Conn) error {
	r := c.HTTP
	// net/http moves Host out of the header. One that is still there came
	// beside an :authority of HTTP/2 and must say the same.
	if extra, ok := r.Header["Host"]; ok && (len(extra) != 1 || extra[0] != r.Host) {
		return forbid("contradicting host headers")
	}
	if !g.hosts.Match(r.Host, c.Secure) {
		return forbid("host not allowed")
	}
	return nil
}
