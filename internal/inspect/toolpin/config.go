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

// Config is [route.pins]: how the pins of one route are used.
type Config struct {
	Policy      string `toml:"policy" enum:"block|warn|trust" doc:"What happens to a tool that changed, came later, takes another's name, hides characters or gives orders: it is held until an operator approves it (block), it passes and leaves an event (warn), or it is approved by itself and leaves an event (trust). A tool in quarantine is held in any case."`
	First       string `toml:"first" enum:"trust|hold" doc:"Whether the tools of a route's first list are approved by themselves, if nothing is wrong with them."`
	Unseen      string `toml:"unseen" enum:"allow|hold" doc:"Whether tools may be called before the server has listed any. Once it has, a tool that was in no list is held."`
	OtherRoutes bool   `toml:"other_routes" doc:"Whether a tool is held whose name is, or looks like, that of a different tool on another route."`
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
