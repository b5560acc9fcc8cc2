package auditlog

import "log/slog"

// AppendString appends s as a JSON string, in the form in which entries hold
// strings: valid UTF-8 of at most [MaxString] bytes, with everything escaped
// that ends a line or changes how a terminal shows what follows. Who writes
// events in another form of JSON uses it to stay as safe as an entry.
func AppendString(dst []byte, s string) []byte { return appendString(dst, s) }

// AppendDetails appends details as one JSON object, as entries hold them.
func AppendDetails(dst []byte, details []slog.Attr) []byte { return appendAttrs(dst, details, 1) }
