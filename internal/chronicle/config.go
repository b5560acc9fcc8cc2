package chronicle

import (
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/chronicle/browser"
	"github.com/portcullis-dev/portcullis/internal/chronicle/history"
	"github.com/portcullis-dev/portcullis/internal/chronicle/sanitize"
)

// Config says which histories are served. Start from [Default].
type Config struct {
	// DefaultBrowser answers when a call names none: "firefox" or
	// "chrome:Profile 1". "" = chrome if present, else the first one found.
	DefaultBrowser string `toml:"default_browser"`
	// Discover looks for the browsers of this machine.
	Discover bool `toml:"discover"`
	// Paths names the history database (or profile folder) of a browser and
	// replaces what Discover finds for it. Absolute paths.
	Paths map[string]string `toml:"paths"`
	// BookmarkPaths names a Chromium browser's Bookmarks file where it does
	// not lie beside the history.
	BookmarkPaths map[string]string `toml:"bookmark_paths"`
	// CustomSensitiveParams are parameter names that are hidden besides the
	// built-in ones (S1-8).
	CustomSensitiveParams []string `toml:"custom_sensitive_params"`
	// CacheTTL is how long sanitized rows stay in memory, at most 24h; a
	// database that changed is read again at once. 0 = read it for each call.
	CacheTTL time.Duration `toml:"cache_ttl"`
	// CacheEntries is how many databases stay in memory, 1 to 64.
	CacheEntries int `toml:"cache_entries"`
	// MaxDatabaseBytes is the largest database that is read, with its log.
	MaxDatabaseBytes int64 `toml:"max_database_bytes"`
	// MaxPages is how many pages of a history are kept, newest first.
	MaxPages int `toml:"max_pages"`
	// SearchTimeout bounds one regular-expression or fuzzy search.
	SearchTimeout time.Duration `toml:"search_timeout"`
	// TempDir is where the private copy is made; "" = the system's.
	TempDir string `toml:"temp_dir"`
	// AllowedHosts are host names, besides localhost and addresses, that HTTP
	// requests may be addressed to: others are DNS rebinding.
	AllowedHosts []string `toml:"allowed_hosts"`

	// Token, if set, must be sent as "Authorization: Bearer …" over HTTP.
	Token string `toml:"-"`
	// Version is reported to MCP clients.
	Version string `toml:"-"`
	// Env is where browsers are looked for; the zero Env is this machine.
	Env browser.Env `toml:"-"`
	// Location is the time zone of dates and timestamps; nil = local.
	Location *time.Location `toml:"-"`
	// Now is the clock; nil = time.Now.
	Now func() time.Time `toml:"-"`
	// Logger receives what callers are not told; nil = nothing is logged.
	Logger *slog.Logger `toml:"-"`
}

// Default returns the configuration for this machine's browsers.
func Default() Config {
	l := history.DefaultLimits()
	return Config{
		Discover: true, CacheTTL: 300 * time.Second, CacheEntries: 8,
		MaxDatabaseBytes: l.Bytes, MaxPages: l.Pages, SearchTimeout: 5 * time.Second,
	}
}

// Validate reports the first field that cannot be used.
func (c Config) Validate() error {
	if c.DefaultBrowser != "" {
		if _, _, err := parseBrowser(c.DefaultBrowser); err != nil {
			return fmt.Errorf("default_browser: %w", err)
		}
	}
	for _, field := range []struct {
		name  string
		paths map[string]string
	}{{"paths", c.Paths}, {"bookmark_paths", c.BookmarkPaths}} {
		for _, name := range slices.Sorted(maps.Keys(field.paths)) {
			if _, ok := browser.FamilyOf(name); !ok {
				return fmt.Errorf("%s: %q: want one of %s", field.name, name, strings.Join(browser.Names(), ", "))
			}
			if !filepath.IsAbs(field.paths[name]) {
				return fmt.Errorf("%s.%s: %q: want an absolute path", field.name, name, field.paths[name])
			}
		}
	}
	if _, err := sanitize.New(c.CustomSensitiveParams); err != nil {
		return fmt.Errorf("custom_sensitive_params: %w", err)
	}
	switch {
	case c.CacheTTL < 0 || c.CacheTTL > 24*time.Hour:
		return fmt.Errorf("cache_ttl: %v: want 0s to 24h", c.CacheTTL)
	case c.CacheEntries < 1 || c.CacheEntries > 64:
		return fmt.Errorf("cache_entries: %d: want 1 to 64", c.CacheEntries)
	case c.MaxDatabaseBytes < 1<<20:
		return fmt.Errorf("max_database_bytes: %d: want at least 1048576", c.MaxDatabaseBytes)
	case c.MaxPages < 100 || c.MaxPages > 5_000_000:
		return fmt.Errorf("max_pages: %d: want 100 to 5000000", c.MaxPages)
	case c.SearchTimeout <= 0 || c.SearchTimeout > time.Minute:
		return fmt.Errorf("search_timeout: %v: want more than 0s, at most 1m", c.SearchTimeout)
	case c.TempDir != "" && !filepath.IsAbs(c.TempDir):
		return fmt.Errorf("temp_dir: %q: want an absolute path", c.TempDir)
	}
	return nil
}
