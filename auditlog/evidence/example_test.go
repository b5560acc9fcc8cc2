package evidence_test

import (
	"bytes"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/bundle"
	"github.com/portcullis-dev/portcullis/auditlog/evidence"
)

// This program verifies an archive on another machine: it knows the key of the
// log, which it got from elsewhere, and the file. A file that is no archive, or
// that anybody has changed, is not what was signed.
func ExampleVerify() {
	key, err := auditlog.NewVerifier("portcullis/example+1079b448+AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g")
	if err != nil {
		fmt.Println(err)
		return
	}
	file := bytes.NewReader([]byte("what somebody sent in place of the archive"))
	report, err := evidence.Verify(file, key)
	switch {
	case errors.Is(err, bundle.ErrTampered):
		fmt.Println("do not trust it")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(report.Records, "records of", report.Origin)
	}
	// Output: do not trust it
}

// TestImports: who verifies evidence needs the packages of auditlog and nothing
// of the gateway.
func TestImports(t *testing.T) {
	const module = "github.com/portcullis-dev/portcullis/"
	for _, dir := range []string{".", "../bundle", ".."} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") && !strings.HasSuffix(name, "example_test.go") {
				continue
			}
			seen++
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				path, err := strconv.Unquote(i.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if rest, ours := strings.CutPrefix(path, module); ours && rest != "auditlog" && !strings.HasPrefix(rest, "auditlog/") {
					t.Errorf("%s imports %s", name, path)
				}
			}
		}
		if seen == 0 {
			t.Errorf("%s: no files", dir)
		}
	}
}
