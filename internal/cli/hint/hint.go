// Package hint knows what is known to go wrong on a command line and says how
// to mend it, in one line.
package hint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/conn"
)

// For returns the hint for an error, "" where there is none.
func For(err error) string {
	var locked *datadir.LockedError
	var refused *admin.RefusedError
	switch {
	case errors.As(err, &locked):
		return "stop it first, or name another data folder with --data"
	case errors.Is(err, syscall.EADDRINUSE):
		return "name another address with --listen or --admin-listen; port 0 takes a free one"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: is the gateway running, and is that its address?"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine does not have that address: see --listen and --admin-listen"
	case errors.Is(err, exec.ErrNotFound):
		return "give the command with its path, or install it"
	case errors.As(err, &refused) && refused.Status == 404 && refused.Text == "no such user":
		return "'portcullis user list' shows the names"
	case errors.As(err, &refused) && refused.Status == 404 && refused.Text == "no such key":
		return "'portcullis key list' shows the ids"
	case errors.Is(err, conn.ErrCorrupt):
		return "keep the file for a look later, and put back a copy of the data folder; the audit log in it does not need the database"
	case errors.Is(err, fs.ErrPermission):
		return "run it as the owner, or name another folder with --data"
	}
	return ""
}

// NewFolder says on w that a verb is about to make the data folder dir, if it
// is not there: a key made beside the gateway's folder opens nothing, and a list
// read there is empty.
func NewFolder(w io.Writer, dir string) {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	// A note that cannot be written changes nothing about what the verb does.
	_, _ = fmt.Fprintf(w, "hint: making a new data folder, %q; --data names the one of a gateway elsewhere\n", dir)
}
