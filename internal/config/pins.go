package config

import "github.com/portcullis-dev/portcullis/internal/inspect/toolpin"

// Pins is [route.pins].
type Pins struct {
	Policy      string `toml:"policy" enum:"block|warn|trust" doc:"What happens to a tool that changed, came later, takes another's name, hides characters or gives orders: it is held until an operator approves it (block), it passes and leaves an event (warn), or it is approved by itself and leaves an event (trust). A tool in quarantine is held in any case."`
	First       string `toml:"first" enum:"trust|hold" doc:"Whether the tools of a route's first list are approved by themselves, if nothing is wrong with them."`
	Unseen      string `toml:"unseen" enum:"allow|hold" doc:"Whether tools may be called before the server has listed any. Once it has, a tool that was in no list is held."`
	OtherRoutes bool   `toml:"other_routes" doc:"Whether a tool is held whose name is, or looks like, that of a different tool on another route."`
}

// Guard returns the settings as the guard takes them.
func (p Pins) Guard() toolpin.Config {
	return toolpin.Config{Policy: p.Policy, First: p.First, Unseen: p.Unseen, OtherRoutes: p.OtherRoutes}
}

// Validate asks the guard that will use the settings.
func (p Pins) Validate() error {
	if p.Policy == "" || p.First == "" || p.Unseen == "" {
		return nil // refused as unknown words already
	}
	return p.Guard().Validate()
}

func defaultPins() Pins {
	d := toolpin.Default()
	return Pins{Policy: d.Policy, First: d.First, Unseen: d.Unseen, OtherRoutes: d.OtherRoutes}
}
