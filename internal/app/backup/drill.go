package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/offline"
	"github.com/portcullis-dev/portcullis/internal/app/personal"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
)

// Grade is what one check of a drill says.
type Grade struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// Drilled is what a drill found.
type Drilled struct {
	Restored
	OK      bool          `json:"ok"`
	Grades  []Grade       `json:"grades"`
	Took    time.Duration `json:"-"`
	Seconds float64       `json:"seconds"` // until a gateway could have started
}

// SigningPurpose is what the key that seals signing keys is derived for.
const signingPurpose = "token/signing/v1"

// Drill restores a backup into a scratch folder, which it removes, and uses
// everything in it once: what cannot be used would be missed on the day it is
// needed. It does not say that the gateway's configuration is there.
func Drill(ctx context.Context, in io.Reader, o Restoring) (out Drilled, err error) {
	top, err := os.MkdirTemp(filepath.Dir(o.DataDir), ".drill-*")
	if err != nil {
		return out, fmt.Errorf("making a scratch folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(top)) }()
	o.DataDir = filepath.Join(top, "data")
	begun := time.Now()
	out.Restored, err = Restore(ctx, in, o)
	out.Took = time.Since(begun)
	out.Seconds = out.Took.Seconds()
	if errors.Is(err, ErrWrong) || errors.Is(err, ErrLocked) {
		out.Grades = []Grade{{"restore", false, err.Error()}}
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.add("restore", nil, fmt.Sprintf("%d files, %d bytes", out.Files, out.Bytes))
	out.use(ctx, &o)
	out.OK = true
	for _, g := range out.Grades {
		out.OK = out.OK && g.OK
	}
	return out, nil
}

func (d *Drilled) add(check string, err error, detail string) {
	g := Grade{check, err == nil, detail}
	if err != nil {
		g.Detail = err.Error()
	}
	d.Grades = append(d.Grades, g)
}

// use opens what was restored as a gateway would.
func (d *Drilled) use(ctx context.Context, o *Restoring) {
	dir, err := datadir.Open(o.DataDir)
	d.add("data folder", err, "opens, its root key is whole")
	if err != nil {
		return
	}
	defer func() { d.closed(dir.Close()) }()
	report, err := offline.Verify(ctx, dir.AuditDir(), offline.VerifyOptions{Key: o.Key})
	if err == nil && !report.OK() {
		err = fmt.Errorf("%s", report.Problems[0])
	}
	detail := ""
	if err == nil {
		detail = fmt.Sprintf("%d records verified", report.Size)
	}
	d.add("audit log", err, detail)
	db, err := sqlite.Open(ctx, filepath.Join(dir.Path(), filepath.FromSlash(d.About.Database)))
	d.add("database", err, "opens with this version's schema")
	if err != nil {
		return
	}
	defer func() { d.closed(db.Close()) }()
	d.keys(ctx, dir, db)
	d.events(ctx, dir, db)
	if d.About.Wallet {
		st, err := wallet.Inspect(filepath.Join(dir.Path(), wallet.FileName))
		d.add("wallet", err, "is whole on its outside; what opens it ("+st.Kind+") is not in the backup")
	}
}

func (d *Drilled) closed(err error) {
	if err != nil {
		d.add("close", err, "")
	}
}

// keys reads the keys of callers, and opens those that sign tokens.
func (d *Drilled) keys(ctx context.Context, dir *datadir.Dir, db *sqlite.DB) {
	list, err := db.APIKeys().List(ctx, apikey.Page{})
	d.add("API keys", err, fmt.Sprintf("%d read", len(list)))
	seal, err := dir.Derive(signingPurpose, signing.SealKeySize)
	if err == nil {
		_, err = signing.New(ctx, db.Sessions(), seal, nil)
	}
	d.add("signing keys", err, "open under the root key")
}

// events opens the personal data of one event.
func (d *Drilled) events(ctx context.Context, dir *datadir.Dir, db *sqlite.DB) {
	book, err := personal.New(dir, db.Subjects())
	if err != nil {
		d.add("personal data", err, "")
		return
	}
	sealed, opened := 0, 0
	for line, err := range journal.All(dir.AuditDir(), journal.Cursor{}) {
		if err != nil || opened > 0 || sealed >= 1000 {
			if err == nil {
				break
			}
			continue
		}
		e, perr := auditlog.ParseEntry(line.Entry)
		if perr != nil || e.Actor.Sealed == "" {
			continue
		}
		sealed++
		if book.Open(ctx, &e) == nil && e.Actor.Sealed == "" {
			opened++
		}
	}
	if sealed > 0 && opened == 0 {
		err = errors.New("none of the sealed events that were tried opens: their persons are erased, or their keys are not there")
	}
	d.add("personal data", err, fmt.Sprintf("%d of %d sealed events tried open", opened, sealed))
}
