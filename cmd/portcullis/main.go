// Command portcullis is the hardened front door for AI agents.
package main

import (
	"context"
	"os"

	"github.com/portcullis-dev/portcullis/internal/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	os.Exit(cli.Run(context.Background(), version, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
