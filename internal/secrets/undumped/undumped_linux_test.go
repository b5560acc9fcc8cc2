package undumped_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/portcullis-dev/portcullis/internal/secrets/undumped"
)

func TestProcess(t *testing.T) {
	if os.Getenv("UNDUMPED") == "" { // in a process of its own: there is no way back
		cmd := exec.Command(os.Args[0], "-test.run=^TestProcess$", "-test.v")
		cmd.Env = append(os.Environ(), "UNDUMPED=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestProcess") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := undumped.Process(); err != nil {
		t.Fatal(err)
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil || core.Cur != 0 || core.Max != 0 {
		t.Errorf("core files up to %d (%d), %v", core.Cur, core.Max, err)
	}
	if v, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || v != 0 {
		t.Errorf("dumpable %d, %v", v, err)
	}
}
