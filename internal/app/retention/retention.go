// Package retention runs the keeper of the audit log as a part of the process.
package retention

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/portcullis-dev/portcullis/internal/admin"
	api "github.com/portcullis-dev/portcullis/internal/admin/retention"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/retention"
	"github.com/portcullis-dev/portcullis/internal/audit/retention/archive"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/audit"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// Part implements part.Part.
type Part struct{ keeper *retention.Keeper }

// New returns the part. It does nothing before Run.
func New(env part.Env) (part.Part, error) {
	return &Part{retention.New(retention.Options{
		Dir: env.Dir.AuditDir(), Recorder: env.Journal, Sync: env.Journal.Sync, Log: env.Log, Observer: env.Metrics.Retention(),
		End: func() uint64 { return env.Journal.End().Seq }, EraseDays: env.EraseDays,
	}, retention.Policy{})}, nil
}

// Next implements part.Part.
func (k *Part) Next(_ context.Context, cfg *config.Config, secrets part.Secrets) (func(), error) {
	p, err := policy(cfg, secrets)
	if err != nil {
		return nil, err
	}
	return func() { k.keeper.SetPolicy(p) }, nil
}

// Run implements part.Part.
func (k *Part) Run(ctx context.Context) { k.keeper.Run(ctx) }

// Groups implements part.Administered.
func (k *Part) Groups() []admin.Group { return []admin.Group{api.Group(k.keeper)} }

func policy(cfg *config.Config, secrets part.Secrets) (retention.Policy, error) {
	r, a := cfg.Audit.Retention, cfg.Audit.Archive
	p := retention.Policy{
		Security: r.Security, Access: r.Access, Audit: r.Audit, Compression: r.Compression,
		DivideAfter: r.DivideAfter, ConsumerWait: r.ConsumerWait, Essential: essential(), ArchiveWhen: a.When,
	}
	switch {
	case a.Directory != "":
		p.Archive = archive.Directory{Path: a.Directory}
	case a.S3.On():
		bucket, err := newBucket(a.S3, secrets)
		if err != nil {
			return p, err
		}
		p.Archive = bucket
	}
	return p, nil
}

// essential are the consumers without whom nothing is removed: the Merkle tiles,
// which keep the hashes of what goes.
func essential() []retention.Essential {
	return []retention.Essential{{Name: "tiles", Folder: "tile"}}
}

func newBucket(s audit.S3, secrets part.Secrets) (*archive.S3, error) {
	var id, key, session inject.Secret
	for _, r := range []struct {
		to   *inject.Secret
		text string
	}{{&id, s.KeyID}, {&key, s.Secret}, {&session, s.Session}} {
		if r.text == "" {
			continue
		}
		got, err := secrets.Secret(r.text)
		if err != nil {
			return nil, err
		}
		*r.to = got
	}
	return archive.NewS3(archive.S3Config{
		Endpoint: s.Endpoint, Region: s.Region, Bucket: s.Bucket, Prefix: s.Prefix, PathStyle: s.PathStyle,
		Keys: func(context.Context) (keys aws.Credentials, err error) {
			if keys.AccessKeyID, _, err = id.Get(); err != nil {
				return keys, err
			}
			if keys.SecretAccessKey, _, err = key.Get(); err != nil {
				return keys, err
			}
			if session != nil {
				keys.SessionToken, _, err = session.Get()
			}
			return keys, err
		},
	})
}
