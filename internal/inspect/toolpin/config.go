package toolpin

import (
	"errors"
	"fmt"
)

// Policies of a route: what happens to a tool that is held.
const (
	Block = "block" // it is cut from lists and its calls are refused
	Warn  = "warn"  // it passes, and leaves an event
	Trust = "trust" // what the server shows is approved by itself, and leaves an event
)

// Config is how the pins of one route are used.
type Config struct {
	Policy      string // Block, Warn or Trust
	First       string // "trust" or "hold": the first list of a route
	Unseen      string // "allow" or "hold": calls of tools before any list was seen
	OtherRoutes bool   // names are compared with those of other routes, too
}

// Default returns the defaults.
func Default() Config {
	return Config{Policy: Block, First: "trust", Unseen: "allow", OtherRoutes: true}
}

// Validate checks the words.
func (c Config) Validate() error {
	var errs []error
	if c.Policy != Block && c.Policy != Warn && c.Policy != Trust {
		errs = append(errs, fmt.Errorf(`policy: %q: want "block", "warn" or "trust"`, c.Policy))
	}
	if c.First != "trust" && c.First != "hold" {
		errs = append(errs, fmt.Errorf(`first: %q: want "trust" or "hold"`, c.First))
	}
	if c.Unseen != "allow" && c.Unseen != "hold" {
		errs = append(errs, fmt.Errorf(`unseen: %q: want "allow" or "hold"`, c.Unseen))
	}
	return errors.Join(errs...)
}
