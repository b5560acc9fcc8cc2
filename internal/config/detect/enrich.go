package detect

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/enrich"
)

// Enrich is [detect.enrich].
type Enrich struct {
	GeoIP   string        `toml:"geoip" example:"\"/usr/share/GeoIP/GeoLite2-City.mmdb\"" doc:"A MaxMind DB file, of any vendor, that tells where an address is. It is read again when it changes."`
	TorFile string        `toml:"tor_file" example:"\"/var/lib/tor/exits.txt\"" doc:"A list of Tor exits, one address a line. It is read again when it changes."`
	TorURL  string        `toml:"tor_url" example:"\"https://check.torproject.org/torbulkexitlist\"" doc:"A feed of such a list, by https. The last good list is kept, also across restarts."`
	Refresh time.Duration `toml:"refresh" doc:"How often the feed is asked."`
	Stale   time.Duration `toml:"stale" doc:"A list that is older says nothing any more."`
}

// DefaultEnrich returns the defaults of [detect.enrich].
func DefaultEnrich() Enrich { return Enrich{Refresh: time.Hour, Stale: 48 * time.Hour} }

// Validate checks [detect.enrich]. Whether files can be read is found out when
// they are.
func (e Enrich) Validate() error {
	var errs []error
	if e.TorFile != "" && e.TorURL != "" {
		errs = append(errs, errors.New("tor_url: there is a tor_file: want one of them"))
	}
	if e.TorURL != "" {
		u, err := url.Parse(e.TorURL)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
			errs = append(errs, fmt.Errorf("tor_url: %q: want an https URL without a password", redacted(u)))
		}
	}
	if e.Refresh < time.Minute {
		errs = append(errs, fmt.Errorf("refresh: %q: want at least \"1m\"", e.Refresh))
	}
	if e.Stale < e.Refresh {
		errs = append(errs, errors.New("stale: want at least as long as refresh"))
	}
	return errors.Join(errs...)
}

func redacted(u *url.URL) string {
	if u == nil {
		return "…"
	}
	return u.Redacted()
}

// Reader returns the settings as what reads the files takes them.
func (e Enrich) Reader() enrich.Config {
	return enrich.Config{GeoIP: e.GeoIP, TorFile: e.TorFile, TorURL: e.TorURL, Refresh: e.Refresh, Stale: e.Stale}
}
