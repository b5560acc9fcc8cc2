// Package backup holds the verbs that copy a data folder and make one of a copy
// again.
package backup

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/app/backup"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/config/audit"
)

type verbs struct{ *frame.Frame }

// Command returns the verbs below "backup".
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("backup", "Copy the data folder, and make one of a copy", c.create(), c.verify(), c.restore(), c.drill())
}

// opening is what opens a backup.
type opening struct {
	identity   string
	passphrase bool
	key        string
}

func (o *opening) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.identity, "identity", "", "`file` with the age identity that opens the backup")
	f.BoolVar(&o.passphrase, "passphrase", false, "the backup opens with a passphrase, the first line of standard input")
	f.StringVar(&o.key, "key", "", "the `key` of the audit log that it must be of: NAME+HASH+KEY")
}

// minPassphrase keeps out what can be guessed from the file.
const minPassphrase = 16

func (c verbs) passphrase(verb string, fresh bool) (string, error) {
	text, err := bufio.NewReader(c.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	text = strings.TrimRight(text, "\r\n")
	if text == "" || fresh && len(text) < minPassphrase {
		return "", frame.Usagef("backup %s: --passphrase: want a line of at least %d characters on standard input", verb, minPassphrase)
	}
	return text, nil
}

func (c verbs) identities(verb string, o *opening) ([]age.Identity, error) {
	switch {
	case o.passphrase == (o.identity != ""):
		return nil, frame.Usagef("backup %s: name what opens the backup: --identity FILE or --passphrase", verb)
	case o.passphrase:
		text, err := c.passphrase(verb, false)
		if err != nil {
			return nil, err
		}
		id, err := age.NewScryptIdentity(text)
		return []age.Identity{id}, err
	}
	f, err := os.Open(o.identity)
	if err != nil {
		return nil, frame.Usagef("backup %s: --identity: %v", verb, err)
	}
	defer func() { _ = f.Close() }() // it was only read
	ids, err := age.ParseIdentities(f)
	if err != nil {
		return nil, frame.Usagef("backup %s: --identity: it holds no age identity", verb)
	}
	return ids, nil
}

// known is the key that was named, else nil: then the backup is held to the root
// key in it, and the user is told what that proves.
func (c verbs) known(verb string, o *opening) (note.Verifier, error) {
	if o.key != "" {
		key, err := auditlog.NewVerifier(o.key)
		if err != nil {
			return nil, frame.Usagef("backup %s: --key: %v; 'portcullis audit checkpoint --show-key' prints it", verb, err)
		}
		return key, nil
	}
	if !o.passphrase {
		fmt.Fprintln(c.Err, "note: whoever knows the age recipient could have made this backup: name the key of your audit log with --key")
	}
	return nil, nil
}

// restoring is what restore and drill take from their flags.
type restoring struct {
	opening
	checkpoints []string
	erasures    string
}

func (r *restoring) flags(cmd *cobra.Command) {
	r.opening.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&r.checkpoints, "checkpoint", nil, "a checkpoint of the log that was kept elsewhere: a `file`; repeatable")
	f.StringVar(&r.erasures, "erasures", "", "`file` with the persons erased since the backup: ids, subjects or DATA_ERASED events, one per line")
}

func (c verbs) options(verb string, r *restoring) (o backup.Restoring, err error) {
	cfg, _, err := c.LoadConfig()
	if err != nil {
		return o, err
	}
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	o = backup.Restoring{
		DataDir: c.DataDir, Kept: map[string][]byte{}, By: portcullis.Actor{ID: "local:" + name, Method: "command"},
		Journal: journal.Default(), Plain: cfg.Audit.Personal != audit.Sealed, Log: slog.New(slog.NewTextHandler(c.Err, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	o.Journal.Durability, o.Journal.OnFailure = cfg.Audit.Durability, cfg.Audit.OnFailure
	if o.Key, err = c.known(verb, &r.opening); err != nil {
		return o, err
	}
	if len(r.checkpoints) > 0 && o.Key == nil {
		return o, frame.Usagef("backup %s: --checkpoint: name the key that signed it with --key", verb)
	}
	for _, file := range r.checkpoints {
		if o.Kept[file], err = os.ReadFile(file); err != nil {
			return o, frame.Usagef("backup %s: --checkpoint: %v", verb, err)
		}
	}
	if r.erasures != "" {
		if o.Erased, err = erased(r.erasures); err != nil {
			return o, frame.Usagef("backup %s: --erasures: %v", verb, err)
		}
	}
	o.Identities, err = c.identities(verb, &r.opening)
	return o, err
}

// erased reads who was erased: a line is an id, a subject, or an event of the
// audit log as `audit export` writes it.
func erased(file string) ([]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	var out []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		switch {
		case text == "" || text[0] == '#':
			continue
		case text[0] != '{':
			out = append(out, strings.TrimPrefix(text, "subject:"))
			continue
		}
		var e struct {
			Subject string `json:"subject"`
			Details struct {
				Subject string `json:"subject"`
			} `json:"details"`
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil || e.Subject == "" && e.Details.Subject == "" {
			return nil, fmt.Errorf("%q names nobody", text)
		}
		for _, s := range []string{e.Subject, e.Details.Subject} {
			if s != "" {
				out = append(out, strings.TrimPrefix(s, "subject:"))
			}
		}
	}
	return out, lines.Err()
}

// open opens the file of a backup.
func open(verb, file string) (*os.File, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, frame.Usagef("backup %s: there is no file %q", verb, file)
	}
	return f, err
}

// no says why a backup is none.
func (c verbs) no(err error) error {
	if !errors.Is(err, backup.ErrWrong) && !errors.Is(err, backup.ErrLocked) {
		return err
	}
	fmt.Fprintln(c.Err, "portcullis:", frame.Printable(err.Error()))
	return frame.ErrNo
}

// folder returns the data folder, which must be there.
func (c verbs) folder() (string, error) {
	if _, err := os.Stat(filepath.Join(c.DataDir, "root.key")); err != nil {
		return "", frame.Usagef("backup create: %q is no data folder: name it with --data", c.DataDir)
	}
	return c.DataDir, nil
}
