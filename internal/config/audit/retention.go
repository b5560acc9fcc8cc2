package audit

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
)

const day = 24 * time.Hour

// The shortest times that are taken without insecure_short_retention.
const (
	minAccess   = 90 * day
	minSecurity = 365 * day
	minAudit    = 7 * 365 * day
)

// Retention is [audit.retention].
type Retention struct {
	Access        time.Duration `toml:"access" doc:"How long records of calls that went well are kept."`
	Security      time.Duration `toml:"security" doc:"How long records of refusals, failures and oddities are kept, and rotated files of security.log."`
	Audit         time.Duration `toml:"audit" doc:"How long records of changes by people, and all others, are kept."`
	InsecureShort bool          `toml:"insecure_short_retention" doc:"INSECURE: takes times shorter than 90d, 1y and 7y. What an attacker did may be forgotten before anyone looks."`
	DivideAfter   time.Duration `toml:"divide_after" doc:"How long an ended segment of the journal stays as it is before it is divided by class and compressed."`
	ConsumerWait  time.Duration `toml:"consumer_wait" doc:"How long a sink, or another reader that lags, keeps records beyond their time. The proofs of the log are waited for without end."`
	Compression   string        `toml:"compression" enum:"zstd|none" doc:"Of divided segments."`
}

// DefaultRetention returns the defaults of [audit.retention].
func DefaultRetention() Retention {
	return Retention{
		Access: minAccess, Security: minSecurity, Audit: minAudit,
		DivideAfter: time.Hour, ConsumerWait: 30 * day, Compression: "zstd",
	}
}

// Validate checks [audit.retention].
func (r Retention) Validate() error {
	var errs []error
	for _, t := range []struct {
		name      string
		keep, min time.Duration
		text      string
	}{{"access", r.Access, minAccess, "90d"}, {"security", r.Security, minSecurity, "1y"}, {"audit", r.Audit, minAudit, "7y"}} {
		switch {
		case t.keep < time.Hour:
			errs = append(errs, fmt.Errorf("%s: want 1h or more", t.name))
		case t.keep < t.min && !r.InsecureShort:
			errs = append(errs, fmt.Errorf("%s: want %s or more; insecure_short_retention = true takes less", t.name, t.text))
		case t.keep > 100*365*day:
			errs = append(errs, fmt.Errorf("%s: want 100y or less", t.name))
		}
	}
	if r.DivideAfter < 0 || r.DivideAfter > 30*day {
		errs = append(errs, errors.New("divide_after: want 0s to 30d"))
	}
	if r.ConsumerWait < time.Hour || r.ConsumerWait > 10*365*day {
		errs = append(errs, errors.New("consumer_wait: want 1h to 10y"))
	}
	return errors.Join(errs...)
}

// Archive is [audit.archive].
type Archive struct {
	When      string `toml:"when" enum:"sealed|expired" doc:"sealed archives records as soon as their segment is divided, expired before they are removed."`
	Directory string `toml:"directory" example:"\"/mnt/archive/portcullis\"" doc:"Folder for the archive; it must exist. Empty, and no bucket: there is no archive."`
	S3        S3     `toml:"s3" doc:"A bucket for the archive, of AWS or any store that speaks S3."`
}

// S3 is [audit.archive.s3].
type S3 struct {
	Endpoint  string `toml:"endpoint" example:"\"https://s3.eu-central-1.amazonaws.com\"" doc:"URL of the store, https except on this machine."`
	Region    string `toml:"region" example:"\"eu-central-1\"" doc:"Region in signatures."`
	Bucket    string `toml:"bucket" example:"\"audit-archive\"" doc:"Name of the bucket."`
	Prefix    string `toml:"prefix" example:"\"portcullis/prod\"" doc:"Text before the names of objects."`
	PathStyle bool   `toml:"path_style" doc:"Put the bucket into the path of the URL instead of the name of the host, as many stores want it."`
	KeyID     string `toml:"access_key_id" secret:"true" example:"\"secret://env/ARCHIVE_KEY_ID\"" doc:"Reference to the id of the access key."`
	Secret    string `toml:"secret_access_key" secret:"true" example:"\"secret://file/run/secrets/archive\"" doc:"Reference to the access key."`
	Session   string `toml:"session_token" secret:"true" example:"\"secret://env/ARCHIVE_SESSION\"" doc:"Reference to the session token of a temporary key."`
}

// DefaultArchive returns the defaults of [audit.archive]: there is none.
func DefaultArchive() Archive { return Archive{When: "expired", S3: S3{Region: "us-east-1"}} }

// Validate checks [audit.archive].
func (a Archive) Validate() error {
	switch {
	case a.Directory != "" && a.S3.On():
		return errors.New("directory: there is a bucket too: name one of them")
	case a.Directory != "" && !filepath.IsAbs(a.Directory):
		return fmt.Errorf("directory: %q: want a path from the root", a.Directory)
	}
	return nil
}

// On reports whether there is a bucket.
func (s S3) On() bool { return s.Endpoint != "" || s.Bucket != "" }

// References lists the secrets that the bucket needs.
func (s S3) References() []secrets.Reference {
	if !s.On() {
		return nil
	}
	refs := []secrets.Reference{{Field: "access_key_id", Text: s.KeyID}, {Field: "secret_access_key", Text: s.Secret}}
	if s.Session != "" {
		refs = append(refs, secrets.Reference{Field: "session_token", Text: s.Session})
	}
	return refs
}

// Validate checks [audit.archive.s3].
func (s S3) Validate() error {
	if !s.On() {
		return nil
	}
	var errs []error
	if err := httpapi.CheckURL(s.Endpoint); err != nil {
		errs = append(errs, fmt.Errorf("endpoint: %w", err))
	}
	if s.Bucket == "" || len(s.Bucket) > 63 || strings.Trim(s.Bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || strings.Trim(s.Bucket, ".-") == "" {
		errs = append(errs, fmt.Errorf("bucket: %q: want small letters, digits, dots and dashes, at most 63", s.Bucket))
	}
	if s.Region == "" || strings.Trim(s.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		errs = append(errs, fmt.Errorf("region: %q: want a name such as \"eu-central-1\"", s.Region))
	}
	for _, part := range strings.Split(s.Prefix, "/") {
		if s.Prefix != "" && (part == "" || part == "." || part == ".." || len(s.Prefix) > 500) {
			errs = append(errs, fmt.Errorf("prefix: %q: want names with single slashes between them", s.Prefix))
			break
		}
	}
	for _, r := range s.References() {
		if _, err := source.Parse(r.Text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.Field, err))
		}
	}
	return errors.Join(errs...)
}
