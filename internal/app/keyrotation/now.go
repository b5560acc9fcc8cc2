package keyrotation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/app/secrets/opener"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/secrets/rotation"
	"github.com/portcullis-dev/portcullis/internal/secrets/rotation/mint"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

// Entry is an entry of the wallet that a rotation of everything is about.
type Entry struct {
	Name     string
	Version  uint32
	ByItself bool // a hook or the provider gives a new value; else a person must
}

// ErrManual says that a person has to give the new value.
var ErrManual = errors.New("a person has to give the new value: portcullis wallet rotate")

// wallet opens the wallet, nil if there is none.
func (p *Part) wallet(ctx context.Context) (*wallet.Wallet, secrets.Secrets, run, error) {
	p.mu.Lock()
	cfg, get := p.cfg, p.get
	p.mu.Unlock()
	o := opener.Opener{Config: cfg, DataDir: p.env.Dir.Path(), Getenv: p.env.Getenv}
	if _, err := os.Lstat(o.Path()); errors.Is(err, fs.ErrNotExist) {
		return nil, cfg, run{}, nil
	}
	w, err := o.Open(ctx, wallet.Options{Recorder: p.env.Journal, Actor: portcullis.Actor{ID: actor, Method: "rotate-all"}, Clock: p.now})
	return w, cfg, run{p, cfg, get, w}, err
}

// Entries lists the entries that hold keys of providers. Of a wallet that does
// not open without a person nobody can say what it holds: the error wraps
// wallet.ErrLocked.
func (p *Part) Entries(ctx context.Context) ([]Entry, error) {
	w, cfg, _, err := p.wallet(ctx)
	if err != nil || w == nil {
		return nil, err
	}
	defer w.Close()
	list, err := w.List()
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, e := range list {
		c := cfg.Rotation.Entry(e.Name)
		byItself := len(c.Hook) > 0 || c.Mint.Kind != mint.None
		if e.Provider != "" || byItself || cfg.Rotation.Named(e.Name) {
			out = append(out, Entry{e.Name, e.Version, byItself})
		}
	}
	return out, nil
}

// Now rotates an entry whatever its schedule says, unless it has another version
// than from: then that was done. It returns the version that serves. A value
// that waits, of an earlier try, is gone on with.
func (p *Part) Now(ctx context.Context, name string, from uint32, overlap time.Duration) (uint32, error) {
	w, _, r, err := p.wallet(ctx)
	if err != nil {
		return 0, err
	}
	if w == nil {
		return 0, errors.New("there is no wallet any more")
	}
	defer w.Close()
	e, err := w.Entry(name)
	if err != nil {
		return 0, err
	}
	c := r.cfg.Rotation.Entry(name)
	c.Overlap = overlap
	switch {
	case e.Version != from: // promoted before the process died, or by somebody else
	case e.Pending != 0:
		err = r.do(ctx, rotation.StepFinish, c, e)
	case len(c.Hook) == 0 && c.Mint.Kind == mint.None:
		return e.Version, fmt.Errorf("%w %s", ErrManual, name)
	default:
		err = r.do(ctx, rotation.StepRotate, c, e)
	}
	if err != nil {
		return e.Version, err
	}
	if e, err = w.Entry(name); err == nil && overlap == 0 && e.Previous != 0 {
		err = w.Purge(ctx, name)
	}
	return e.Version, err
}
