package a2a_test

import (
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/a2a"
)

func TestCard(t *testing.T) {
	for want, change := range map[string]func(*a2a.Card){
		"":                       func(*a2a.Card) {},
		"path: \"agent.json\"":   func(c *a2a.Card) { c.Path = "agent.json" },
		"path: \"//evil/x\"":     func(c *a2a.Card) { c.Path = "//evil/x" },
		"path: \"/a/../b\"":      func(c *a2a.Card) { c.Path = "/a/../b" },
		"path: \"/a?b\"":         func(c *a2a.Card) { c.Path = "/a?b" },
		"path: \"/a%2e\"":        func(c *a2a.Card) { c.Path = "/a%2e" },
		"signature: \"maybe\"":   func(c *a2a.Card) { c.Signature = "maybe" },
		"signature: \"require\"": func(c *a2a.Card) { c.Signature = "require" },
		"signature: \"verify\"":  func(c *a2a.Card) { c.Signature = "verify" },
		"keys: have no effect":   func(c *a2a.Card) { c.Keys = []string{"x"} },
		"keys[1]: want the name": func(c *a2a.Card) { c.Signature, c.Keys = "verify", []string{"x", ""} },
		"refresh":                func(c *a2a.Card) { c.Refresh = time.Second },
		"timeout":                func(c *a2a.Card) { c.Timeout = time.Hour },
		"max_age":                func(c *a2a.Card) { c.MaxAge = -1 },
	} {
		c := a2a.DefaultCard()
		change(&c)
		if err := c.Validate(); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
