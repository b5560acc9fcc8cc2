package ending_test

import (
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/cli/ending"
)

func raise(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		t.Fatal(err)
	}
}

// heed makes the process listen to a signal even if it was started to ignore
// it, or an earlier test ignored it.
func heed(s os.Signal) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, s)
	signal.Stop(c)
}

func TestHangupEndsWithoutReload(t *testing.T) {
	heed(syscall.SIGHUP)
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT} {
		ctx, stop := ending.Context(t.Context(), false)
		raise(t, s)
		<-ctx.Done()
		stop()
	}
}

func TestHangupBelongsToReload(t *testing.T) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	ctx, stop := ending.Context(t.Context(), true)
	defer stop()
	raise(t, syscall.SIGHUP)
	<-hup
	if ctx.Err() != nil {
		t.Error("SIGHUP ended a gateway that reads its configuration again at it")
	}
}

func TestIgnoredHangupStaysIgnored(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	ctx, stop := ending.Context(t.Context(), false)
	defer stop()
	if !signal.Ignored(syscall.SIGHUP) {
		t.Error("SIGHUP is no longer ignored")
	}
	raise(t, syscall.SIGHUP)
	raise(t, syscall.SIGTERM)
	<-ctx.Done()
}
