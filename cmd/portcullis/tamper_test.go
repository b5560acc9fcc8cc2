package main

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// cmdTamper changes one byte of the first record in an audit folder, and the
// checksum of its line with it, as somebody who knows the format would.
func cmdTamper(ts *testscript.TestScript, _ bool, args []string) {
	names, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "journal", "*.log"))
	ts.Check(err)
	data, err := os.ReadFile(names[0])
	ts.Check(err)
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	entry, err := auditlog.ParseLine(line)
	ts.Check(err)
	entry[len(entry)/2] ^= 1
	ts.Check(os.Chmod(names[0], 0o600))
	ts.Check(os.WriteFile(names[0], append(auditlog.AppendLine(nil, entry), rest...), 0o600))
}
