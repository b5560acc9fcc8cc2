package audit

import (
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/tlog"
)

// Tree is the part of [audit] that makes the journal a transparency log.
type Tree struct {
	Origin             string        `toml:"origin" example:"\"audit.example.com/gateway\"" doc:"Name of the audit log in its checkpoints, unique in the world. It is fixed when the log begins. Empty: a name made of the log's key."`
	CheckpointInterval time.Duration `toml:"checkpoint_interval" doc:"How often the audit log is signed while it grows."`
	CheckpointKeep     time.Duration `toml:"checkpoint_keep" doc:"How often a checkpoint is kept, beside the newest, so that a folder rolled back behind it is found."`
	PublishInterval    time.Duration `toml:"publish_interval" doc:"How often the newest checkpoint is shown to the witnesses and published."`
	Publish            []string      `toml:"publish" list:"text" example:"[\"file:/mnt/checkpoints\", \"syslog+tls://siem.example.com:6514\"]" doc:"Where checkpoints are published, out of reach of who owns this machine: file:/FOLDER, https://… (POST), syslog+tls://HOST:PORT, syslog://HOST:PORT or syslog+udp://HOST:PORT."`
	Witnesses          []Witness     `toml:"witnesses" doc:"Witnesses (c2sp.org/tlog-witness) that sign checkpoints after they have seen that the log only grew."`
}

// Witness is one of [[audit.witnesses]].
type Witness struct {
	URL string `toml:"url" required:"true" example:"\"https://witness.example.com/prefix\"" doc:"Address of the witness: what stands before /add-checkpoint."`
	Key string `toml:"key" required:"true" example:"\"witness.example.com+5a6b7c8d+BA…\"" doc:"Verifier key of the witness, as it publishes it: NAME+HASH+KEY."`
}

// DefaultTree returns the defaults of the transparency log.
func DefaultTree() Tree {
	return Tree{CheckpointInterval: time.Second, CheckpointKeep: time.Hour, PublishInterval: time.Minute}
}

// Validate checks the settings of the transparency log.
func (t Tree) Validate() error {
	var errs []error
	if t.Origin != "" {
		if err := tlog.CheckOrigin(t.Origin); err != nil {
			errs = append(errs, fmt.Errorf("origin: %w", err))
		}
	}
	for _, d := range []struct {
		name     string
		value    time.Duration
		min, max time.Duration
		want     string
	}{
		{"checkpoint_interval", t.CheckpointInterval, 100 * time.Millisecond, time.Hour, "100ms to 1h"},
		{"checkpoint_keep", t.CheckpointKeep, time.Minute, 31 * 24 * time.Hour, "1m to 31d"},
		{"publish_interval", t.PublishInterval, time.Second, 24 * time.Hour, "1s to 24h"},
	} {
		if d.value < d.min || d.value > d.max {
			errs = append(errs, fmt.Errorf("%s: %q: want %s", d.name, d.value, d.want))
		}
	}
	for i, target := range t.Publish {
		if _, err := tlog.ParseTarget(target); err != nil {
			errs = append(errs, fmt.Errorf("publish[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// Validate checks one witness.
func (w Witness) Validate() error {
	var errs []error
	if err := tlog.CheckWitnessURL(w.URL); err != nil {
		errs = append(errs, fmt.Errorf("url: %w", err))
	}
	if _, err := auditlog.NewVerifier(w.Key); err != nil {
		errs = append(errs, fmt.Errorf("key: %w", err))
	}
	return errors.Join(errs...)
}
