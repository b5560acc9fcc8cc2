// Package privacy is the section [privacy] of the configuration: the rights of
// those whom the gateway knows something about.
package privacy

import "errors"

// Privacy is [privacy].
type Privacy struct {
	Rights Rights `toml:"rights" doc:"What persons may do by themselves about what the gateway holds of them."`
	Hooks  []Hook `toml:"erasure_hook" doc:"Upstreams that are told when a person is erased. Repeat the table for each one."`
}

// Default returns the defaults of [privacy].
func Default() Privacy { return Privacy{Rights: DefaultRights()} }

// Validate checks [privacy].
func (p Privacy) Validate() error { return errors.Join(p.validateHooks()) }
