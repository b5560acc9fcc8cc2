package chronicle

import (
	"time"

	"github.com/portcullis-dev/portcullis/internal/chronicle/sample"
)

// WriteSample writes a made-up Chromium profile into dir, for demonstrations on
// machines without a history, and returns the path of its History file: set it
// as Config.Paths["chrome"]. The same now gives the same rows.
func WriteSample(dir string, now time.Time) (path string, err error) { return sample.Write(dir, now) }
