package direct

import "net/http"

// Transport carries requests for documents beside the calls, such as the card
// of an agent, to the upstream's own host, by the same checks of addresses and
// certificates, and without the upstream's credential.
func (c *Client) Transport() http.RoundTripper { return c.transport }
