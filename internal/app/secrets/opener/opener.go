// Package opener opens the wallet as the configuration says, without a person:
// with a password, age identities, a transit key, or the key management of a
// cloud. What opens a wallet, its file says; where that is, the configuration.
package opener

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/secrets/kms/awskms"
	"github.com/portcullis-dev/portcullis/internal/secrets/kms/azurekms"
	"github.com/portcullis-dev/portcullis/internal/secrets/kms/gcpkms"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/env"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/file"
	"github.com/portcullis-dev/portcullis/internal/secrets/transit"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

// Opener opens one wallet.
type Opener struct {
	Config  secrets.Secrets
	DataDir string // where the wallet is by default
	Getenv  func(string) (string, bool)
}

// Path is the file of the wallet.
func (o Opener) Path() string {
	if o.Config.Wallet.File != "" {
		return o.Config.Wallet.File
	}
	return filepath.Join(o.DataDir, wallet.FileName)
}

// Open unlocks the wallet. Where it cannot get what opens it, the error wraps
// [wallet.ErrLocked] and names the setting.
func (o Opener) Open(ctx context.Context, opts wallet.Options) (*wallet.Wallet, error) {
	st, err := wallet.Inspect(o.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no wallet; 'portcullis wallet init' makes one: %w", err)
	} else if err != nil {
		return nil, err
	}
	u, err := o.unlocker(ctx, st)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", wallet.ErrLocked, err)
	}
	return wallet.Open(ctx, o.Path(), u, opts)
}

func (o Opener) unlocker(ctx context.Context, st wallet.Status) (wallet.Unlocker, error) {
	switch st.Kind {
	case wallet.KindPassword:
		text, err := o.near(ctx, o.Config.Wallet.Password)
		return wallet.Password{Secret: []byte(text)}, err
	case wallet.KindAge:
		if o.Config.Wallet.Identity == "" {
			return nil, errors.New("secrets.wallet.identity: needed for a wallet that opens with an age identity")
		}
		text, err := o.near(ctx, o.Config.Wallet.Identity)
		if err != nil {
			return nil, err
		}
		ids, err := age.ParseIdentities(strings.NewReader(text))
		if err != nil {
			return nil, errors.New("secrets.wallet.identity: holds no age identities")
		}
		return wallet.AgeIdentities(ids), nil
	case wallet.KindTransit:
		return o.transit(ctx)
	}
	return Service(ctx, o.Config.Wallet, st.Kind)
}

func (o Opener) transit(ctx context.Context) (wallet.Unlocker, error) {
	t := o.Config.Wallet.Transit
	if t.Key == "" {
		return nil, errors.New("secrets.wallet.transit.key: needed for a wallet whose key a transit engine keeps")
	}
	token, err := o.near(ctx, t.Token)
	if err != nil {
		return nil, err
	}
	w, err := transit.New(transit.Config{Address: t.Address, Mount: t.Mount, Key: t.Key, Token: obs.Secret(token)})
	return wallet.Service{Name: t.Key, Wrapper: w}, err
}

// Service returns the key management of a cloud that keeps wallets of a kind.
func Service(ctx context.Context, cfg secrets.WalletSection, kind string) (wallet.Service, error) {
	missing := func(setting string) (wallet.Service, error) {
		return wallet.Service{}, fmt.Errorf("secrets.wallet.%s.key: needed for a wallet whose key is kept by %s", setting, kind)
	}
	switch kind {
	case wallet.KindAWS:
		c := cfg.AWSKMS
		if c.Key == "" {
			return missing("aws_kms")
		}
		w, err := awskms.New(ctx, awskms.Config{Key: c.Key, Region: c.Region, Endpoint: c.Endpoint, CAFile: c.CA})
		return wallet.Service{Kind: kind, Name: c.Key, Wrapper: w}, err
	case wallet.KindGCP:
		c := cfg.GCPKMS
		if c.Key == "" {
			return missing("gcp_kms")
		}
		w, err := gcpkms.New(gcpkms.Config{Key: c.Key, Endpoint: c.Endpoint, CAFile: c.CA})
		return wallet.Service{Kind: kind, Name: c.Key, Wrapper: w}, err
	case wallet.KindAzure:
		c := cfg.AzureKey
		if c.Key == "" {
			return missing("azure_key")
		}
		w, err := azurekms.New(azurekms.Config{Key: c.Key, Endpoint: c.Endpoint, CAFile: c.CA})
		return wallet.Service{Kind: kind, Name: c.Key, Wrapper: w}, err
	}
	return wallet.Service{}, fmt.Errorf("%w: its key is kept in a way this version does not know", wallet.ErrDamaged)
}

// near reads a secret in the environment or a file, anew each time, so that a
// replaced one is found.
func (o Opener) near(ctx context.Context, text string) (string, error) {
	ref, err := source.Parse(text)
	if err != nil {
		return "", err
	}
	var from source.Source
	switch ref.Source {
	case secrets.Env:
		from = env.New(o.Getenv)
	case secrets.File:
		from = file.New(file.Config{InsecureWorldReadable: o.Config.File.InsecureWorldReadable})
	default:
		return "", errors.New("want a reference to env or file")
	}
	s, err := from.Fetch(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("%s: %w", ref, err)
	}
	return s.Pick(ref.Field)
}
