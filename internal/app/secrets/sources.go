package secrets

import (
	"context"
	"fmt"
	"sync"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/app/secrets/opener"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/aws"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/azure"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/env"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/file"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/gcp"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/kubernetes"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/stored"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/vault"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

// open makes a source. It may read files and asks nobody.
func (k *Keeper) open(ctx context.Context, cfg secrets.Secrets, name string) (source.Source, error) {
	switch name {
	case secrets.Wallet:
		return k.openWallet(cfg), nil
	case secrets.Env:
		return env.New(k.opts.Getenv), nil
	case secrets.File:
		return file.New(file.Config{InsecureWorldReadable: cfg.File.InsecureWorldReadable}), nil
	case secrets.Vault:
		return k.openVault(ctx, cfg)
	case secrets.AWS:
		return orNil(aws.New(ctx, aws.Config{Region: cfg.AWS.Region, Endpoint: cfg.AWS.Endpoint, CAFile: cfg.AWS.CA}))
	case secrets.GCP:
		return orNil(gcp.New(gcp.Config{Project: cfg.GCP.Project, Endpoint: cfg.GCP.Endpoint}))
	case secrets.Azure:
		return orNil(azure.New(azure.Config{Vault: cfg.Azure.Vault, Suffix: cfg.Azure.Suffix, Endpoint: cfg.Azure.Endpoint}))
	case secrets.Kubernetes:
		c := cfg.Kubernetes
		return orNil(kubernetes.New(kubernetes.Config{
			Server: c.Server, CAFile: c.CA, TokenFile: c.TokenFile, Namespace: c.Namespace, Lookup: k.opts.Getenv,
		}))
	}
	return nil, fmt.Errorf("there is no source %q", name)
}

// orNil keeps a nil pointer from becoming a source that is not nil.
func orNil[S source.Source](s S, err error) (source.Source, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// openWallet returns the wallet, which unlocks when it is first asked.
func (k *Keeper) openWallet(cfg secrets.Secrets) source.Source {
	o := opener.Opener{Config: cfg, DataDir: k.opts.DataDir, Getenv: k.opts.Getenv}
	records := &once{to: k.opts.Recorder, last: map[string]string{}}
	unlock := func(ctx context.Context) (*wallet.Wallet, error) {
		return o.Open(ctx, wallet.Options{Recorder: records, Actor: portcullis.Actor{ID: "portcullis"}})
	}
	return stored.New(wallet.NewKeeper(unlock, wallet.DefaultIdle))
}

// once passes an event about an entry on only if it says something else than
// the one before: the wallet is looked at every few seconds. A reading that
// cannot be recorded fails, as everywhere.
type once struct {
	to portcullis.Recorder // nil = a check, which shows nobody anything

	mu   sync.Mutex
	last map[string]string // what was recorded last, by entry; as many as references
}

func (o *once) Record(ctx context.Context, e *portcullis.Event) error {
	if o.to == nil {
		return nil
	}
	what := fmt.Sprint(e.Type, e.Outcome, e.Reason, e.Details)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last[e.Resource] == what {
		return nil
	}
	if err := o.to.Record(ctx, e); err != nil {
		return err
	}
	o.last[e.Resource] = what
	return nil
}

func (k *Keeper) openVault(ctx context.Context, cfg secrets.Secrets) (source.Source, error) {
	v := cfg.Vault
	auth := vault.Auth{Method: v.Auth, Mount: v.Mount, Role: v.Role, RoleID: v.RoleID, JWTFile: v.JWTFile}
	var err error
	if v.Auth == vault.MethodToken {
		auth.Token, err = k.near(ctx, cfg, v.Token)
	}
	if v.Auth == vault.MethodAppRole {
		auth.SecretID, err = k.near(ctx, cfg, v.SecretID)
	}
	if err != nil {
		return nil, err
	}
	return orNil(vault.New(vault.Config{Address: v.Address, Namespace: v.Namespace, CAFile: v.CA, Auth: auth}))
}

// near returns what reads a secret that another source needs: from env or file,
// anew each time, so that a replaced one is found.
func (k *Keeper) near(ctx context.Context, cfg secrets.Secrets, text string) (func(context.Context) (string, error), error) {
	ref, err := source.Parse(text)
	if err != nil {
		return nil, err
	}
	from, err := k.open(ctx, cfg, ref.Source)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (string, error) {
		s, err := from.Fetch(ctx, ref)
		if err != nil {
			return "", fmt.Errorf("%s: %w", ref, err)
		}
		return s.Pick(ref.Field)
	}, nil
}
