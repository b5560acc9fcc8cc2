package compliance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/app/transparency"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/edge"
	"github.com/portcullis-dev/portcullis/internal/privacy/evidence"
)

// plainElsewhere reports whether a server is spoken to in plain text on another
// machine.
func plainElsewhere(upstream string) bool {
	u, err := url.Parse(upstream)
	if err != nil || u.Scheme != "http" {
		return false
	}
	host := u.Host
	if u.Port() == "" {
		host += ":80"
	}
	return !edge.IsLoopback(host)
}

// signedLog is what a report says of the audit log.
type signedLog struct {
	top             auditlog.Checkpoint
	checkpoint, key string
	records         map[portcullis.EventType]evidence.Record
}

// found is the newest record of a type that is signed.
type found struct {
	seq   uint64
	entry []byte
	count int
}

// readLog reads the audit log once, and proves the newest record of each type.
// Of a log that nobody signed yet it says nothing.
func (p *Part) readLog(ctx context.Context, types []portcullis.EventType) (signedLog, error) {
	out := signedLog{records: map[portcullis.EventType]evidence.Record{}}
	dir := p.env.Dir.AuditDir()
	data, err := os.ReadFile(filepath.Join(dir, auditlog.CheckpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("reading the newest checkpoint: %w", err)
	}
	key, err := transparency.Key(p.env.Dir, "")
	if err != nil {
		return out, err
	}
	if out.top, err = auditlog.OpenCheckpoint(data, key.Verifier()); err != nil {
		return out, fmt.Errorf("the newest checkpoint: %w", err)
	}
	out.checkpoint = string(data)
	if text, err := os.ReadFile(filepath.Join(dir, auditlog.KeyFile)); err == nil {
		out.key = strings.TrimSpace(string(text))
	}
	newest, err := scan(ctx, dir, out.top.Size, types)
	if err != nil {
		return out, err
	}
	for t, x := range newest {
		proof, err := auditlog.Prove(dir, out.top, x.seq, x.entry)
		if err != nil {
			return out, fmt.Errorf("proving record %d: %w", x.seq, err)
		}
		var e struct {
			ID   string    `json:"id"`
			Time time.Time `json:"time"`
		}
		if err := json.Unmarshal(x.entry, &e); err != nil {
			return out, fmt.Errorf("reading record %d: %w", x.seq, err)
		}
		out.records[t] = evidence.Record{Type: string(t), ID: e.ID, Time: e.Time, Sequence: x.seq, Count: x.count, Proof: string(proof.Append(nil))}
	}
	return out, nil
}

// scan finds the newest record of each type among the first size ones. Damage
// is for 'audit verify' to tell.
func scan(ctx context.Context, dir string, size uint64, types []portcullis.EventType) (map[portcullis.EventType]found, error) {
	out := map[portcullis.EventType]found{}
	wanted := map[string]portcullis.EventType{}
	for _, t := range types {
		wanted[string(t)] = t
	}
	for line, err := range journal.All(dir, journal.Cursor{}) {
		if err != nil {
			if journal.IsDamage(err) || journal.IsExpired(err) {
				continue
			}
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		if line.Seq >= size {
			break
		}
		if line.Seq&0xfff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if t, ok := wanted[typeOf(line.Entry)]; ok {
			out[t] = found{line.Seq, append(out[t].entry[:0], line.Entry...), out[t].count + 1}
		}
	}
	return out, nil
}

// typeOf returns the type of an entry. It stands among the first members,
// before anything that a caller wrote.
func typeOf(entry []byte) string {
	_, rest, ok := bytes.Cut(entry, []byte(`"type":"`))
	if !ok {
		return ""
	}
	name, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(name)
}
