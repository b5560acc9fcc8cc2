package evidence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/bundle"
	"github.com/portcullis-dev/portcullis/auditlog/evidence"
	api "github.com/portcullis-dev/portcullis/internal/admin/evidence"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
	"github.com/portcullis-dev/portcullis/internal/audit/tlog"
)

// unfinished ends the name of an archive that is being written.
const unfinished = ".part"

const privateDir = 0o700

// order says what to preserve.
type order struct {
	api.Request
	by         portcullis.Actor
	recipients []age.Recipient
}

// order checks a request.
func (p *Part) order(in api.Request, by portcullis.Actor) (order, error) {
	o := order{Request: in, by: by}
	if in.Hours <= 0 {
		o.Hours = api.DefaultHours
	}
	if len(in.Recipients) > 0 {
		var err error
		if o.recipients, err = age.ParseRecipients(strings.NewReader(strings.Join(in.Recipients, "\n"))); err != nil {
			return o, fmt.Errorf("%w: recipients: %w", api.ErrInvalid, err)
		}
	}
	return o, nil
}

// Make writes one archive and returns when it is on disk, recorded and noted on
// the incidents it is about.
func (p *Part) Make(ctx context.Context, o order, progress func(done, all int64)) (_ api.Archive, err error) {
	now := time.Now().UTC()
	name := "evidence-" + now.Format("20060102T150405Z") + "-" + hex.EncodeToString(random()) + ".tar.gz"
	if len(o.recipients) > 0 {
		name += ".age"
	}
	if err := p.record(ctx, &o, name, portcullis.OutcomePending); err != nil {
		return api.Archive{}, fmt.Errorf("recording that evidence is preserved: %w", err)
	}
	a, err := p.write(ctx, &o, name, now, progress)
	if err != nil {
		return a, errors.Join(err, p.record(ctx, &o, name, portcullis.OutcomeFailure))
	}
	err = p.record(ctx, &o, name, portcullis.OutcomeSuccess, slog.String("sha256", a.SHA256), slog.Int64("bytes", a.Bytes),
		slog.Uint64("records", a.Counts.Records), slog.Bool("encrypted", a.Encrypted), slog.Bool("opened", o.OpenPersonal))
	if err != nil {
		return a, fmt.Errorf("recording that evidence is preserved: %w", err)
	}
	return a, p.mark(ctx, &o, a)
}

// mark notes the archive on the incident it is about, or on all that are open.
func (p *Part) mark(ctx context.Context, o *order, a api.Archive) error {
	ids := []string{o.Incident}
	if o.Incident == "" {
		open, err := p.env.Response.Cases.List(ctx, false, maxIncidents)
		if err != nil {
			return fmt.Errorf("noting the evidence on incidents: %w", err)
		}
		ids = ids[:0]
		for i := range open {
			ids = append(ids, open[i].ID)
		}
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, p.env.Response.Cases.Preserve(context.WithoutCancel(ctx), id, a.Name, a.SHA256, o.by))
	}
	return errors.Join(errs...)
}

// write writes the file under its name when it is whole.
func (p *Part) write(ctx context.Context, o *order, name string, now time.Time, progress func(done, all int64)) (_ api.Archive, err error) {
	if err := os.MkdirAll(p.folder(), privateDir); err != nil {
		return api.Archive{}, fmt.Errorf("making the folder of evidence: %w", err)
	}
	path := filepath.Join(p.folder(), name)
	f, err := os.OpenFile(path+unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return api.Archive{}, fmt.Errorf("making the archive: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(path+unfinished))
		}
	}()
	sum := sha256.New()
	whole := io.MultiWriter(f, sum)
	var out io.Writer = whole
	var sealed io.WriteCloser
	if len(o.recipients) > 0 {
		if sealed, err = age.Encrypt(whole, o.recipients...); err != nil {
			return api.Archive{}, fmt.Errorf("encrypting the archive: %w", err)
		}
		out = sealed
	}
	found, err := p.fill(ctx, o, out, now, progress)
	if err != nil {
		return api.Archive{}, err
	}
	if sealed != nil {
		if err = sealed.Close(); err != nil {
			return api.Archive{}, fmt.Errorf("encrypting the archive: %w", err)
		}
	}
	info, err := f.Stat()
	if err != nil {
		return api.Archive{}, err
	}
	if err = errors.Join(f.Sync(), f.Close()); err != nil {
		return api.Archive{}, fmt.Errorf("writing the archive: %w", err)
	}
	if err = errors.Join(os.Rename(path+unfinished, path), durable.SyncDir(p.folder())); err != nil {
		return api.Archive{}, fmt.Errorf("writing the archive: %w", err)
	}
	return api.Archive{
		State: api.Finished, Name: name, Path: path, Bytes: info.Size(), SHA256: hex.EncodeToString(sum.Sum(nil)), Key: p.key.Load().Text(),
		Encrypted: sealed != nil, Counts: api.Counts(found),
	}, nil
}

// about stands first in an archive.
type about struct {
	What     string    `json:"what"`
	At       time.Time `json:"at"`
	Since    time.Time `json:"since"`
	By       string    `json:"by"`
	Reason   string    `json:"reason,omitempty"`
	Incident string    `json:"incident,omitempty"`
	Version  string    `json:"version"`
	Origin   string    `json:"origin"`
	Personal string    `json:"personal"`
}

const readme = `Evidence of a Portcullis gateway.

Nothing in this archive can be changed unseen: it ends in a signature by the key
of the audit log over every byte. Verify it with the key you know, on any
machine:

  portcullis audit verify --evidence FILE --key NAME+HASH+KEY

or from a Go program with the package auditlog/evidence. SHA256SUMS lists the
files for sha256sum -c, which proves nothing about who wrote them.

audit/records-*.txt  the records of the log, each with its number; a "-" and a
                     hash where retention had removed one
audit/range.json     the hashes that lead from them to the signed checkpoint
audit/uncovered.txt  records that no checkpoint covered yet
audit/refused-*      those of calls that ended with 401, 403 or 5xx
personal/opened-*    the records with personal data opened, if that was asked for
`

// fill writes the contents.
func (p *Part) fill(ctx context.Context, o *order, out io.Writer, now time.Time, progress func(done, all int64)) (Counts, error) {
	since := now.Add(-time.Duration(o.Hours) * time.Hour)
	key := p.key.Load()
	if key == nil {
		return Counts{}, errors.New("the gateway has no configuration yet")
	}
	head, err := p.covered(ctx, key)
	if err != nil {
		return Counts{}, err
	}
	w := bundle.NewWriter(out, evidence.Kind, now)
	a := about{
		What: "evidence", At: now, Since: since, By: o.by.ID, Reason: o.Reason, Incident: o.Incident,
		Version: p.env.Version, Origin: head.Origin, Personal: "sealed",
	}
	if p.env.Subject == nil {
		a.Personal = "in clear, as in the log"
	} else if o.OpenPersonal {
		a.Personal = "opened"
	} else {
		a.By = p.sealed(o.by.ID)
	}
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return Counts{}, fmt.Errorf("about.json: %w", err)
	}
	if err := errors.Join(w.AddBytes("README.txt", []byte(readme)), w.AddBytes("about.json", append(text, '\n')),
		w.AddBytes(evidence.KeyName, []byte(key.Text()+"\n"))); err != nil {
		return Counts{}, err
	}
	if err := p.inventory(ctx, w, o.OpenPersonal); err != nil {
		return Counts{}, err
	}
	s := &slice{dir: p.env.Dir.AuditDir(), head: head, out: w, progress: progress}
	if o.OpenPersonal {
		s.open = p.env.Open
	}
	found, err := s.write(ctx, since)
	if err != nil {
		return found, err
	}
	_, err = w.Close(key.Sign)
	return found, err
}

// coverWait is how long is waited for a checkpoint over what was just recorded:
// one is signed every second by default.
const coverWait = 5 * time.Second

// covered returns a checkpoint of the log that covers what is written by now, if
// one comes soon, else the newest.
func (p *Part) covered(ctx context.Context, key *tlog.Key) (auditlog.Checkpoint, error) {
	if !p.running.Load() { // only the command line is served: nobody else signs
		f := tlog.NewFollower(tlog.Options{
			Dir: p.env.Dir.AuditDir(), Key: key, Journal: p.env.Journal, Interval: time.Second, Keep: time.Hour, Log: p.env.Log, Observer: nobody{},
		})
		if err := f.Finish(ctx); err != nil {
			p.env.Log.Warn("what was recorded last is not signed", "error", err)
		}
	}
	want := p.env.Journal.End().Seq
	deadline := time.Now().Add(coverWait)
	for {
		c, err := head(p.env.Dir.AuditDir(), key)
		if err == nil && c.Size >= want || !time.Now().Before(deadline) || !p.running.Load() {
			return c, err
		}
		select {
		case <-ctx.Done():
			return c, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func head(dir string, key *tlog.Key) (auditlog.Checkpoint, error) {
	data, err := os.ReadFile(filepath.Join(dir, auditlog.CheckpointFile))
	if err != nil {
		return auditlog.Checkpoint{}, fmt.Errorf("the log is not signed yet: %w", err)
	}
	return auditlog.OpenCheckpoint(data, key.Verifier())
}

// nobody watches the follower of a command.
type nobody struct{}

func (nobody) Signed(uint64) {}
func (nobody) Failed(string) {}
