package link

import (
	"fmt"
	"time"
)

// Config bounds a bridge.
type Config struct {
	MaxChildren     int           `toml:"max_children"`      // servers running at once
	MaxPerPrincipal int           `toml:"max_per_principal"` // of these, for one principal
	MaxPending      int           `toml:"max_pending"`       // calls in flight per server
	IdleTimeout     time.Duration `toml:"idle_timeout"`      // a server nobody uses is ended after this
	StartTimeout    time.Duration `toml:"start_timeout"`     // start and handshake
	ProbeTimeout    time.Duration `toml:"probe_timeout"`     // silence taken for "does not know server/discover"
	CallTimeout     time.Duration `toml:"call_timeout"`      // longest call, also one whose client has gone
	InputTimeout    time.Duration `toml:"input_timeout"`     // how long a server's question to the user stays open
	KeepAlive       time.Duration `toml:"keep_alive"`        // silence on an event stream before a comment is sent
	Grace           time.Duration `toml:"grace"`             // for a server to end, before force
	QueueBytes      int           `toml:"queue_bytes"`       // queued for one client that reads slowly; one message always fits
	ReplayBytes     int           `toml:"replay_bytes"`      // kept for one session's GET stream
	BackoffMin      time.Duration `toml:"backoff_min"`       // pause after the second failure in a row
	BackoffMax      time.Duration `toml:"backoff_max"`       // longest pause
}

// Default returns the defaults.
func Default() Config {
	return Config{
		MaxChildren:     32,
		MaxPerPrincipal: 8,
		MaxPending:      64,
		IdleTimeout:     5 * time.Minute,
		StartTimeout:    time.Minute,
		ProbeTimeout:    3 * time.Second,
		CallTimeout:     10 * time.Minute,
		InputTimeout:    5 * time.Minute,
		KeepAlive:       15 * time.Second,
		Grace:           15 * time.Second,
		QueueBytes:      1 << 20,
		ReplayBytes:     1 << 20,
		BackoffMin:      500 * time.Millisecond,
		BackoffMax:      30 * time.Second,
	}
}

// Validate reports the first field that cannot be used.
func (c Config) Validate() error {
	for _, f := range []struct {
		name string
		n    int
	}{
		{"max_children", c.MaxChildren},
		{"max_per_principal", c.MaxPerPrincipal},
		{"max_pending", c.MaxPending},
		{"queue_bytes", c.QueueBytes},
		{"replay_bytes", c.ReplayBytes},
	} {
		if f.n < 1 {
			return fmt.Errorf("%s: %d: want at least 1", f.name, f.n)
		}
	}
	for _, f := range []struct {
		name string
		d    time.Duration
	}{
		{"idle_timeout", c.IdleTimeout},
		{"start_timeout", c.StartTimeout},
		{"probe_timeout", c.ProbeTimeout},
		{"call_timeout", c.CallTimeout},
		{"input_timeout", c.InputTimeout},
		{"keep_alive", c.KeepAlive},
		{"grace", c.Grace},
		{"backoff_min", c.BackoffMin},
		{"backoff_max", c.BackoffMax},
	} {
		if f.d <= 0 {
			return fmt.Errorf("%s: %v: want a positive duration", f.name, f.d)
		}
	}
	if c.BackoffMax < c.BackoffMin {
		return fmt.Errorf("backoff_max: %v: want at least backoff_min, %v", c.BackoffMax, c.BackoffMin)
	}
	return nil
}
