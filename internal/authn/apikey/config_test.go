package apikey

import (
	"strings"
	"testing"
	"time"
)

func TestConfigNamesTheField(t *testing.T) {
	for want, change := range map[string]func(*Config){
		`prefix: "": `:             func(c *Config) { c.Prefix = "" },
		`prefix: "Mcp_": `:         func(c *Config) { c.Prefix = "Mcp_" },
		`prefix: "claim_": `:       func(c *Config) { c.Prefix = "claim_" },
		`schedule: "yearly": `:     func(c *Config) { c.Schedule = "yearly" },
		"overlap: 0s: want 1m0s ":  func(c *Config) { c.Overlap = 0 },
		"overlap: 721h0m0s: want ": func(c *Config) { c.Overlap = 721 * time.Hour },
	} {
		c := Default()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}
