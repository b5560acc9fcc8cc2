package tlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// maxReply is how much of the reply of a witness is read.
const maxReply = 16 << 10

// Witness is somebody who sees that the log only grows, and signs that
// (c2sp.org/tlog-witness). It is used by one goroutine.
type Witness struct {
	url    string
	key    note.Verifier
	client *http.Client
	seen   uint64 // how many records it has signed for, as far as is known
}

// NewWitness returns the witness behind a URL: the submission prefix, without
// "/add-checkpoint". key is its verifier key as text.
func NewWitness(url, key string, client *http.Client) (*Witness, error) {
	v, err := auditlog.NewVerifier(key)
	if err != nil {
		return nil, err
	}
	return &Witness{url: strings.TrimSuffix(url, "/"), key: v, client: client}, nil
}

// Name is the name of the witness's key.
func (w *Witness) Name() string { return w.key.Name() }

// errBehind says that the witness has signed for another number of records
// than was thought.
var errBehind = errors.New("the witness has seen another size")

// Cosign asks for the signature under checkpoint c of the log in dir and returns
// its line.
func (w *Witness) Cosign(ctx context.Context, dir string, c auditlog.Checkpoint, log note.Verifier) ([]byte, error) {
	for range 2 { // the first answer may be what the witness has seen
		line, err := w.ask(ctx, dir, c, log)
		if !errors.Is(err, errBehind) {
			return line, err
		}
		if w.seen > c.Size {
			return nil, fmt.Errorf("witness %q has signed for %d records, the log has %d: it was rolled back", w.Name(), w.seen, c.Size)
		}
	}
	if w.seen == c.Size {
		return nil, w.forked(c)
	}
	return nil, fmt.Errorf("witness %q changes what it has seen", w.Name())
}

// forked says that a witness has signed records that this log does not have.
func (w *Witness) forked(c auditlog.Checkpoint) error {
	return fmt.Errorf("witness %q has signed another history of the first %d records: the log was forked", w.Name(), min(w.seen, c.Size))
}

func (w *Witness) ask(ctx context.Context, dir string, c auditlog.Checkpoint, log note.Verifier) ([]byte, error) {
	proof, err := auditlog.ProveConsistency(dir, c, w.seen)
	if err != nil {
		return nil, err
	}
	body := fmt.Appendf(nil, "old %d\n", w.seen)
	for _, h := range proof {
		body = append(append(body, h.String()...), '\n')
	}
	body = append(append(body, '\n'), c.Note...)
	reply, status, err := post(ctx, w.client, w.url+"/add-checkpoint", "text/plain; charset=utf-8", body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("witness %q: %w", w.Name(), err)
	case status == http.StatusConflict:
		text, ended := strings.CutSuffix(string(reply), "\n")
		size, err := strconv.ParseUint(text, 10, 64)
		if err != nil || !ended {
			return nil, fmt.Errorf("witness %q: answers 409 without a size", w.Name())
		}
		w.seen = size
		return nil, errBehind
	case status == http.StatusUnprocessableEntity && w.seen > 0: // what leads from there to here is no proof to it
		return nil, w.forked(c)
	case status != http.StatusOK:
		return nil, fmt.Errorf("witness %q: answers %d", w.Name(), status)
	}
	for line := range bytes.Lines(reply) {
		signed := append(bytes.Clone(c.Note), line...)
		got, err := auditlog.OpenCheckpoint(signed, log, w.key)
		if err == nil && len(got.Witnesses) > 0 {
			w.seen = c.Size
			return bytes.Clone(line), nil
		}
	}
	return nil, fmt.Errorf("witness %q: the reply holds no signature of it", w.Name())
}

// post sends a body and returns the beginning of the reply.
func post(ctx context.Context, client *http.Client, url, kind string, body []byte) (reply []byte, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Content-Type", kind)
	res, err := client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	reply, err = io.ReadAll(io.LimitReader(res.Body, maxReply))
	return reply, res.StatusCode, err
}

// Publisher puts checkpoints where the owner of this machine cannot take them
// back.
type Publisher interface {
	// Publish publishes a checkpoint. An error says that it has to be tried again.
	Publish(ctx context.Context, c auditlog.Checkpoint) error
	// String says where to, without secrets.
	String() string
}

// Outside is what the world hears of the log. A new one replaces it when the
// configuration changes.
type Outside struct {
	Every      time.Duration
	Witnesses  []*Witness
	Publishers []Publisher
}

// attempt is the longest that one witness or publisher may take.
const attempt = 30 * time.Second

// Tell asks the witnesses and publishes the newest checkpoint, and returns how
// many records it covers. What fails is told, and tried again with the next
// checkpoint.
func (f *Follower) Tell(ctx context.Context, o Outside) uint64 {
	l := f.Log()
	if l == nil {
		return 0
	}
	c := l.Head()
	c = f.cosign(ctx, l, c, o.Witnesses)
	var publishing sync.WaitGroup
	for _, p := range o.Publishers {
		publishing.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, attempt)
			defer cancel()
			if err := p.Publish(ctx, c); err != nil {
				f.opts.Observer.Failed("publish")
				f.opts.Log.Warn("a checkpoint of the audit log was not published", "to", p.String(), "error", err)
			}
		})
	}
	publishing.Wait()
	return c.Size
}

// cosign returns c with the signatures of the witnesses that gave one, and
// keeps it.
func (f *Follower) cosign(ctx context.Context, l *Log, c auditlog.Checkpoint, witnesses []*Witness) auditlog.Checkpoint {
	lines := make([][]byte, len(witnesses))
	var asking sync.WaitGroup
	for i, w := range witnesses {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, attempt)
			defer cancel()
			var err error
			if lines[i], err = w.Cosign(ctx, f.opts.Dir, c, f.opts.Key.verifier); err != nil {
				f.opts.Observer.Failed("witness")
				f.opts.Log.Warn("a witness did not sign the checkpoint of the audit log", "witness", w.Name(), "records", c.Size, "error", err)
			}
		})
	}
	asking.Wait()
	signed := bytes.Clone(c.Note)
	for _, line := range lines {
		if !bytes.Contains(signed, line) {
			signed = append(signed, line...)
		}
	}
	if len(signed) == len(c.Note) {
		return c
	}
	c.Note = signed
	if err := l.Cosigned(c); err != nil {
		f.opts.Observer.Failed("witness")
		f.opts.Log.Error("a checkpoint with signatures of witnesses cannot be kept", "error", err)
	}
	return c
}
