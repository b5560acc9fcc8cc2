package app

import (
	"bytes"
	"io"
	"log"
)

// handshakes stands between an HTTP server and the log: a TLS handshake that
// failed is no call, so nothing else counts it.
type handshakes struct {
	io.Writer
	failed func()
}

// errorLog returns the log of a server.
func errorLog(w io.Writer, failed func()) *log.Logger {
	return log.New(handshakes{w, failed}, "", 0)
}

// Write implements io.Writer.
func (h handshakes) Write(line []byte) (int, error) {
	if bytes.HasPrefix(line, []byte("http: TLS handshake error")) {
		h.failed()
	}
	return h.Writer.Write(line)
}
