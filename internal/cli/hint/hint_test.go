package hint_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/cli/hint"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/conn"
)

func TestNothingListens(t *testing.T) {
	err := fmt.Errorf("asking the gateway: %w", syscall.ECONNREFUSED)
	if got := hint.For(err); !strings.Contains(got, "running") {
		t.Errorf("hint %q", got)
	}
	if got := hint.For(fmt.Errorf("database: %w", conn.ErrCorrupt)); !strings.Contains(got, "copy") {
		t.Errorf("hint %q", got)
	}
	if got := hint.For(fmt.Errorf("some other mistake")); got != "" {
		t.Errorf("hint %q for what nobody knows", got)
	}
}

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
