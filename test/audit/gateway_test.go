package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/app/personal"
	"github.com/portcullis-dev/portcullis/internal/app/transparency"
	"github.com/portcullis-dev/portcullis/internal/audit/index"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/retention"
	"github.com/portcullis-dev/portcullis/internal/audit/retention/archive"
	"github.com/portcullis-dev/portcullis/internal/audit/sealed"
	"github.com/portcullis-dev/portcullis/internal/audit/subject"
	"github.com/portcullis-dev/portcullis/internal/audit/tlog"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
)

const day = 24 * time.Hour

// gateway is what of a gateway works on the audit log. Its clock is ahead of
// that of the machine.
type gateway struct {
	dir     *datadir.Dir
	db      *sqlite.DB
	book    *subject.Book
	journal *journal.Journal
	tree    *tlog.Follower
	keeper  *retention.Keeper
	ahead   time.Duration
	ran     time.Duration // what the keeper is told: its clock may follow at once
	stop    context.CancelFunc
	stopped chan struct{}
}

type silent struct{}

func (silent) Signed(uint64) {}
func (silent) Failed(string) {}

func policy(folder string) retention.Policy {
	return retention.Policy{
		Access: 90 * day, Security: 365 * day, Audit: 7 * 365 * day, Compression: sealed.Zstd,
		ConsumerWait: 30 * day, Essential: []retention.Essential{{Name: "tiles", Folder: "tile"}},
		Archive: archive.Directory{Path: filepath.Join(folder, "archive")}, ArchiveWhen: retention.WhenSealed,
	}
}

// start starts a gateway over the data folder.
func start(folder string, ahead time.Duration) (*gateway, error) {
	ctx, cancel := context.WithCancel(context.Background())
	g := &gateway{ahead: ahead, stop: cancel, stopped: make(chan struct{})}
	var err error
	if g.dir, err = datadir.Open(filepath.Join(folder, "data")); err != nil {
		return nil, err
	}
	if g.db, err = sqlite.Open(ctx, g.dir.DB()); err != nil {
		return nil, err
	}
	if g.book, err = personal.New(g.dir, g.db.Subjects()); err != nil {
		return nil, err
	}
	cfg := journal.Default()
	cfg.SegmentBytes = 1 << 20
	if g.journal, err = journal.Open(g.dir.AuditDir(), cfg, journal.Options{Personal: g.book}); err != nil {
		return nil, err
	}
	key, err := transparency.Key(g.dir, "example.com/audit")
	if err != nil {
		return nil, err
	}
	g.tree = tlog.NewFollower(tlog.Options{
		Dir: g.dir.AuditDir(), Key: key, Journal: g.journal, Interval: 20 * time.Millisecond, Keep: 100 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), Observer: silent{},
	})
	g.keeper = retention.New(retention.Options{
		Dir: g.dir.AuditDir(), Recorder: late{g}, Sync: g.journal.Sync, End: func() uint64 { return g.journal.End().Seq },
		EraseDays: func(ctx context.Context, t time.Time) error { _, err := g.book.EraseDays(ctx, t); return err },
		Now:       g.now, Elapsed: func() time.Duration { g.ran += 400 * day; return g.ran },
	}, policy(folder))
	go func() {
		defer close(g.stopped)
		g.tree.Run(ctx)
	}()
	return g, nil
}

func (g *gateway) now() time.Time { return time.Now().Add(g.ahead) }

// late records with the time of the gateway's clock.
type late struct{ *gateway }

func (l late) Record(ctx context.Context, e *portcullis.Event) error {
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	return l.journal.Record(ctx, e)
}

// busy records calls of many people, and what else happens.
func (g *gateway) busy(n int) error {
	for range n {
		e := &portcullis.Event{
			Type: portcullis.EventCallStarted, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess,
			Actor:    portcullis.Actor{ID: fmt.Sprint("person-", rand.IntN(50)), Method: "api_key", IP: netip.MustParseAddr("203.0.113.9"), UserAgent: "spy/1"},
			Resource: "tool:echo", Details: []slog.Attr{slog.String("noise", hex.EncodeToString(fmt.Append(nil, rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64())))},
		}
		switch rand.IntN(20) {
		case 0, 1:
			e.Type, e.Severity, e.Outcome = portcullis.EventAuthFailure, portcullis.SeverityWarn, portcullis.OutcomeFailure
			e.Actor.ID = "claimed"
		case 2:
			e.Type = portcullis.EventConfigChanged
		}
		if err := (late{g}).Record(context.Background(), e); err != nil {
			return err
		}
	}
	return nil
}

// pass lets the tree catch up and retention do what is due.
func (g *gateway) pass() error {
	for g.tree.Log() == nil || g.tree.Log().Head().Size < g.journal.End().Seq {
		time.Sleep(5 * time.Millisecond) //nolint:forbidigo // another process's clock is not to be had here
	}
	// The first pass of a process believes no jump of the clock.
	return errors.Join(g.keeper.Pass(context.Background()), g.keeper.Pass(context.Background()))
}

func (g *gateway) close() error {
	g.stop()
	<-g.stopped
	return errors.Join(g.tree.Finish(context.Background()), g.journal.Close(context.Background()), g.db.Close(), g.dir.Close())
}

func (g *gateway) index() *index.Index {
	return index.New(g.dir.AuditDir(), index.Options{Subject: g.book.Name, Open: func(e *portcullis.Event) { _ = g.book.Open(context.Background(), e) }})
}

// Environment of the test binary as the process that is killed.
const (
	envFolder = "PORTCULLIS_TEST_AUDIT_FOLDER"
	envAhead  = "PORTCULLIS_TEST_AUDIT_AHEAD"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(envFolder); folder != "" {
		fmt.Fprintln(os.Stderr, forEver(folder))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func forEver(folder string) error {
	ahead, err := time.ParseDuration(os.Getenv(envAhead))
	if err != nil {
		return err
	}
	g, err := start(folder, ahead)
	if err != nil {
		return err
	}
	for {
		if err := g.busy(1500); err != nil {
			return err
		}
		if err := g.pass(); err != nil {
			return err
		}
	}
}

func ownKey(t *testing.T, dir string) note.Verifier {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, auditlog.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	key, err := auditlog.NewVerifier(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return key
}
