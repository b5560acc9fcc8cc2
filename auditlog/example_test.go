package auditlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/auditlog"
)

func ExampleReader() {
	segment := strings.NewReader("" +
		`3b0fb983 {"id":"1","time":"2026-11-22T06:15:19.123Z","type":"AUTH_FAILURE","severity":"WARN","outcome":"failure"}` + "\n" +
		`3b0fb983 {"id":"1","time":"2026-11-22T06:15:19.1`)
	r := auditlog.NewReader(segment, "00000000000000000000.log", 0, 0)
	for {
		entry, err := r.Next()
		var corrupt *auditlog.CorruptError
		switch {
		case errors.As(err, &corrupt):
			fmt.Println("damaged:", err)
			continue
		case errors.Is(err, auditlog.ErrTorn):
			fmt.Println("the writer was cut off at byte", r.Offset())
			return
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			log.Fatal(err)
		}
		e, err := auditlog.ParseEntry(entry)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Time, e.Type, e.Outcome)
	}
	// Output:
	// 2026-11-22 06:15:19.123 +0000 UTC AUTH_FAILURE failure
	// the writer was cut off at byte 114
}

// TestDocumentedLine: the line in the documentation is a line.
func TestDocumentedLine(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "audit-log.md"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^[0-9a-f]{8} \{.*\}$`).Find(text)
	entry, err := auditlog.ParseLine(line)
	if err != nil {
		t.Fatal(err)
	}
	e, err := auditlog.ParseEntry(entry)
	if err != nil {
		t.Fatal(err)
	}
	if again := auditlog.AppendRecord(nil, &e); !bytes.Equal(bytes.TrimSpace(again), line) {
		t.Errorf("the gateway would write\n%s", again)
	}
}
