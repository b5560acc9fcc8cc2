package direct

import (
	"errors"
	"net/http"
)

var errElsewhere = errors.New("not the upstream's scheme and host")

// RoundTripper carries requests for documents beside the calls, such as the card of
// an agent, to the upstream's own host and no other, by the same checks of
// addresses and certificates. They travel without the upstream's credential.
func (c *Client) RoundTripper() http.RoundTripper { return documents{c} }

type documents struct{ client *Client }

func (d documents) RoundTrip(req *http.Request) (*http.Response, error) {
	u := d.client.target.url
	if req.URL.Scheme != u.Scheme || req.URL.Host != u.Host || req.Host != "" && req.Host != u.Host {
		return nil, errElsewhere
	}
	if d.client.closed.Load() {
		return nil, errClosed
	}
	return d.client.transport.RoundTrip(req)
}
