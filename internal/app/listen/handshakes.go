package listen

import (
	"bytes"
	"io"
	"log"
	"log/slog"
)

// handshakes stands between an HTTP server and the log: a TLS handshake that
// failed is no call, so nothing else counts it.
type handshakes struct {
	io.Writer
	failed func()
}

// ErrorLog returns the log of a server. failed is called for each handshake
// that failed.
func ErrorLog(to *slog.Logger, failed func()) *log.Logger {
	return log.New(handshakes{slog.NewLogLogger(to.Handler(), slog.LevelDebug).Writer(), failed}, "", 0)
}

// Write implements io.Writer.
func (h handshakes) Write(line []byte) (int, error) {
	if bytes.HasPrefix(line, []byte("http: TLS handshake error")) {
		h.failed()
	}
	return h.Writer.Write(line)
}
