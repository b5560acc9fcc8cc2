package tlog

import (
	"fmt"
	"log/slog"

	"github.com/portcullis-dev/portcullis"
)

// bigEvent is an event with an entry of many details that hold text.
func bigEvent(text string) portcullis.Event {
	e := portcullis.Event{Type: portcullis.EventCallStarted, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomePending}
	for i := 0; len(text) > 0; i++ {
		n := min(len(text), 4000)
		e.Details = append(e.Details, slog.String(fmt.Sprint("part", i), text[:n]))
		text = text[n:]
	}
	return e
}

func removedDetails(first, last uint64, class string, records uint64) []slog.Attr {
	return []slog.Attr{
		slog.Uint64("first", first), slog.Uint64("last", last), slog.String("class", class), slog.Uint64("records", records),
	}
}
