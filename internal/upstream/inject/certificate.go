package inject

import (
	"crypto/tls"
	"errors"
	"sync"
)

// Certificate is a client certificate whose chain and key are secrets, both in
// PEM. A replaced pair is used by the next handshake.
type Certificate struct {
	Chain, Key Secret

	mu         sync.Mutex
	last       *tls.Certificate
	chain, key uint64 // readings that last was made of
}

// Get returns the certificate for a handshake. A pair that does not belong
// together, as half of a rotation may leave for a moment, is not used: the last
// good one stays. Without a pair the handshake fails.
func (c *Certificate) Get(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	chain, cn, err := c.Chain.Get()
	if err != nil {
		return nil, Unavailable(err)
	}
	key, kn, err := c.Key.Get()
	if err != nil {
		return nil, Unavailable(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil && c.chain == cn && c.key == kn {
		return c.last, nil
	}
	pair, err := tls.X509KeyPair([]byte(chain), []byte(key))
	if err == nil {
		c.last, c.chain, c.key = &pair, cn, kn
	}
	if c.last == nil {
		// What the library says about a key could hold some of it.
		return nil, Unavailable(errors.New("the client certificate and its key are no PEM, or do not belong together"))
	}
	return c.last, nil
}
