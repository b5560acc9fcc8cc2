package hint_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/cli/hint"
)

func TestNewFolder(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	hint.NewFolder(&out, dir)
	if out.Len() > 0 {
		t.Errorf("a folder that is there: %q", &out)
	}
	missing := filepath.Join(dir, "typo")
	if hint.NewFolder(&out, missing); !strings.Contains(out.String(), missing) || !strings.Contains(out.String(), "--data") {
		t.Errorf("a missing folder: %q", &out)
	}
}
