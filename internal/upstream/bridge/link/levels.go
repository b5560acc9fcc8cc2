package link

import (
	"slices"

	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

// MaxWatched bounds the resources one client watches.
const MaxWatched = 256

// levels of log messages, least severe first.
var levels = [...]string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// Severity returns the rank of a raw log level, 0 if it is none.
func Severity(raw []byte) int {
	return slices.Index(levels[:], wire.Text(raw)) + 1
}

// LevelName returns the log level of a rank that [Severity] returned.
func LevelName(rank int) string { return levels[rank-1] }
