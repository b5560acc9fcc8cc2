// Package trust decides whether a client certificate counts: it leads to an
// authority of the bundle, is in force, is meant for clients, has keys that are
// strong enough, and nobody has revoked it.
//
// The bundle and the revocation lists are files. They are read again when they
// change, whole or not at all. What was found out about a certificate is
// remembered until the files change or something it rests on ends, so that the
// next call of the same caller costs one hash; and so that a certificate that
// is revoked, or whose authority is gone, is refused on the next call of a
// connection that has been open all the time.
package trust

import (
	"errors"
	"fmt"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/authn/mtls/ocsp"
)

// What happens to certificates whose revocation list has ended.
const (
	StaleRefuse = "refuse"
	StaleAllow  = "insecure_allow"
)

// Config says whom to trust.
type Config struct {
	Bundle     string   // PEM file with the authorities of clients
	Lists      []string // files with revocation lists, PEM or DER
	ListNeeded bool     // refuse certificates whose issuer has no list
	StaleLists string   // StaleRefuse or StaleAllow
	OCSP       ocsp.Config
}

// Default returns a Config without a bundle.
func Default() Config { return Config{StaleLists: StaleRefuse, OCSP: ocsp.Default()} }

// Equal reports whether two configurations are the same.
func (c Config) Equal(d Config) bool {
	return c.Bundle == d.Bundle && slices.Equal(c.Lists, d.Lists) && c.ListNeeded == d.ListNeeded &&
		c.StaleLists == d.StaleLists && c.OCSP == d.OCSP
}

// Validate reports the first mistake. It reads no file.
func (c Config) Validate() error {
	switch {
	case c.Bundle == "":
		return errors.New("no bundle of authorities")
	case c.StaleLists != StaleRefuse && c.StaleLists != StaleAllow:
		return fmt.Errorf("stale lists: %q: want %q or %q", c.StaleLists, StaleRefuse, StaleAllow)
	case c.ListNeeded && len(c.Lists) == 0:
		return errors.New("lists are needed and none is named")
	}
	return c.OCSP.Validate()
}
