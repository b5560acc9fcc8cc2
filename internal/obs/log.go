package obs

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
)

// LogOptions are what few loggers need.
type LogOptions struct {
	Module string   // attribute "module" of every line; "" for none
	Source bool     // add file and line
	Redact []string // more names whose values are secrets
}

// NewLogger returns a logger that writes lines of at least that level to w, in
// format "json" or "text"; any other format is taken for "json". Credentials
// never reach w: values of sensitive names (at any depth, whatever their case
// and separators) and credentials inside strings, errors, maps and structs
// read "[redacted]" (requirement S3-35). A value is cut at 4 KiB, and nothing
// in it can begin a line of its own. The logger is safe for concurrent use if
// w is written whole lines at a time, which it is.
func NewLogger(w io.Writer, level slog.Leveler, format string, opts LogOptions) *slog.Logger {
	ho := &slog.HandlerOptions{Level: level, AddSource: opts.Source, ReplaceAttr: fit}
	var inner slog.Handler
	if format == "text" {
		inner = slog.NewTextHandler(w, ho)
	} else {
		inner = slog.NewJSONHandler(w, ho)
	}
	log := slog.New(&handler{Handler: inner, r: newRedactor(opts.Redact)})
	if opts.Module != "" {
		log = Module(log, opts.Module)
	}
	return log
}

// fit writes the time of a line in UTC with milliseconds, in both formats, and
// leaves out a trace that there is none of.
func fit(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == traceKey && a.Value.Kind() == slog.KindString && a.Value.String() == "" {
		return slog.Attr{}
	}
	if len(groups) > 0 || a.Key != slog.TimeKey || a.Value.Kind() != slog.KindTime {
		return a
	}
	return slog.String(a.Key, a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
}

// Module returns a logger whose lines say which part of the gateway speaks.
func Module(log *slog.Logger, name string) *slog.Logger {
	return log.With(slog.String("module", name))
}

// moduleOf names the part of the gateway that a place in its code belongs to:
// its package, as in "app/secrets". What is written by others, or by nobody
// known, is the program's.
func moduleOf(pc uintptr) string {
	const own = "github.com/portcullis-dev/portcullis/"
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	name, ok := strings.CutPrefix(frame.Function, own)
	if !ok {
		return "portcullis"
	}
	name = strings.TrimPrefix(name, "internal/")
	folder := strings.LastIndexByte(name, '/') + 1
	last, _, _ := strings.Cut(name[folder:], ".")
	return name[:folder] + last
}

// ParseLevel reads "debug", "info", "warn" or "error", in any case.
func ParseLevel(s string) (slog.Level, error) {
	switch strings.ToLower(s) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log level %q: want debug, info, warn or error", s)
}
