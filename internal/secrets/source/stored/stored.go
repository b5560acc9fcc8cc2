// Package stored reads secrets from the gateway's own wallet:
// secret://wallet/NAME.
package stored

import (
	"context"
	"errors"
	"fmt"
	"strconv"
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

// Fetch reads the current value of an entry. One that expires is not used
// beyond that.
func (s *Source) Fetch(ctx context.Context, ref source.Ref) (source.Secret, error) {
	value, entry, err := s.wallet.Get(ctx, ref.Path)
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
	out := source.Secret{Text: value.Reveal(), Version: version, Poll: poll}
	if entry.Expires != nil {
		if out.Lease.For = time.Until(*entry.Expires); out.Lease.For <= 0 {
			return source.Secret{}, wallet.ErrExpired
		}
	}
	return out, nil
}
