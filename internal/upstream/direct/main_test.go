//go:build unix

package direct

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(serverEnv) != "" {
		os.Exit(serveBench())
	}
	goleak.VerifyTestMain(m)
}
