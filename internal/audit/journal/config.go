package journal

import (
	"fmt"
	"time"
)

// The values of [Config.Durability].
const (
	// Grouped returns when the record is written to the file. It survives the
	// death of the process at once; that of the machine after at most
	// [SyncInterval], security events sooner: they are synced at once.
	Grouped = "grouped"
	// Strict returns when the record is synced to the device.
	Strict = "strict"
)

// The values of [Config.OnFailure].
const (
	// Refuse returns the error, so that the call is refused: not recorded, not done.
	Refuse = "refuse"
	// Allow logs and counts the lost event and lets the call pass.
	Allow = "allow"
)

// SyncInterval is the longest time that a written record waits for its fsync.
const SyncInterval = 100 * time.Millisecond

// Config is the part of section [audit] that the journal owns.
type Config struct {
	// Durability is "grouped" or "strict".
	Durability string `toml:"durability"`
	// OnFailure is "refuse" or "allow": what to do with a call that cannot be
	// recorded.
	OnFailure string `toml:"on_failure"`
	// SegmentBytes is the size at which a segment is sealed, in bytes.
	SegmentBytes int64 `toml:"segment_bytes"`
	// SegmentAge is the age at which a segment is sealed.
	SegmentAge time.Duration `toml:"segment_age"`
	// MaxPending is how many bytes may wait for a write before callers wait too.
	MaxPending int `toml:"max_pending_bytes"`
	// SecurityLog says whether security.log is written.
	SecurityLog bool `toml:"security_log"`
	// SecurityBytes is the size at which security.log is rotated, in bytes.
	SecurityBytes int64 `toml:"security_log_bytes"`
	// SecurityAge is the age of its first event at which it is rotated.
	SecurityAge time.Duration `toml:"security_log_age"`
}

// Default returns the configuration of a gateway that was told nothing.
func Default() Config {
	return Config{
		Durability:   Grouped,
		OnFailure:    Refuse,
		SegmentBytes: 64 << 20,
		SegmentAge:   24 * time.Hour,
		MaxPending:   8 << 20,
		SecurityLog:  true,

		SecurityBytes: 64 << 20,
		SecurityAge:   30 * 24 * time.Hour,
	}
}

// Validate returns an error that names the first wrong field.
func (c Config) Validate() error {
	switch {
	case c.Durability != Grouped && c.Durability != Strict:
		return fmt.Errorf("durability: %q: want %q or %q", c.Durability, Grouped, Strict)
	case c.OnFailure != Refuse && c.OnFailure != Allow:
		return fmt.Errorf("on_failure: %q: want %q or %q", c.OnFailure, Refuse, Allow)
	case c.SegmentBytes < 1<<20 || c.SegmentBytes > 1<<40:
		return fmt.Errorf("segment_bytes: %d: want 1 MiB (1048576) to 1 TiB", c.SegmentBytes)
	case c.SegmentAge < time.Minute || c.SegmentAge > 366*24*time.Hour:
		return fmt.Errorf("segment_age: %q: want 1m to 366d", c.SegmentAge)
	case c.MaxPending < 64<<10 || c.MaxPending > 1<<30:
		return fmt.Errorf("max_pending_bytes: %d: want 64 KiB (65536) to 1 GiB", c.MaxPending)
	case c.SecurityLog && c.SecurityBytes < 64<<10:
		return fmt.Errorf("security_log_bytes: %d: want 64 KiB (65536) or more", c.SecurityBytes)
	case c.SecurityLog && c.SecurityAge < time.Minute:
		return fmt.Errorf("security_log_age: %q: want 1m or more", c.SecurityAge)
	}
	return nil
}
