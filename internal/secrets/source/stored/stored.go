// Package stored reads secrets from the gateway's own wallet:
// secret://wallet/NAME, or secret://wallet/provider/PROVIDER for the entry that
// stands for a provider.
package stored

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

// Source reads entries. It is a [source.Source].
type Source struct{ wallet wallet.Reader }

var _ source.Source = (*Source)(nil)

// New returns a source.
func New(w wallet.Reader) *Source { return &Source{w} }

// poll is how often the wallet is asked again: it is a file near by, and a
// rotation is in force within seconds.
const poll = 5 * time.Second

// providers begins the path of a reference to a provider instead of an entry.
const providers = "provider/"

// Fetch reads the current value of an entry. One that expires is not used
// beyond that.
func (s *Source) Fetch(ctx context.Context, ref source.Ref) (source.Secret, error) {
	read, name := s.wallet.Get, ref.Path
	if provider, ok := strings.CutPrefix(ref.Path, providers); ok { // no name of an entry holds a slash
		read, name = s.wallet.ForProvider, provider
	}
	value, entry, err := read(ctx, name)
	switch {
	case errors.Is(err, wallet.ErrNotFound):
		return source.Secret{}, fmt.Errorf("%w: %w", err, source.ErrNotFound)
	case err != nil:
		return source.Secret{}, err
	}
	defer value.Wipe()
	version := strconv.FormatUint(uint64(entry.Version), 10)
	if ref.Version != "" && ref.Version != version {
		return source.Secret{}, fmt.Errorf("the current version is %s: %w", version, source.ErrNotFound)
	}
	if name != ref.Path { // which entry it is, matters too
		version = entry.Name + "." + version
	}
	out := source.Secret{Text: value.Reveal(), Version: version, Poll: poll}
	if entry.Expires != nil {
		if out.Lease.For = time.Until(*entry.Expires); out.Lease.For <= 0 {
			return source.Secret{}, wallet.ErrExpired
		}
	}
	return out, nil
}
