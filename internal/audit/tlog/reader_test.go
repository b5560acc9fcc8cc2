package tlog

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/offline"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// TestAnotherReaderAcceptsTheLog reads a log with filippo.io/torchwood, a
// c2sp.org/tlog-tiles client that has no code in common with the writer above
// the tree arithmetic: the checkpoint, every tile and every entry bundle.
func TestAnotherReaderAcceptsTheLog(t *testing.T) {
	b := newBench(t)
	b.write(700, 1)
	b.cover()
	b.write(1, auditlog.MaxString)
	big := bytes.Repeat([]byte("x"), auditlog.MaxLeaf+1000)
	b.writeBig(string(big))
	b.write(70000-b.n, 1)
	b.cover()

	out := t.TempDir()
	n, err := offline.Export(t.Context(), b.dir, out, offline.ExportOptions{Key: b.key.Verifier()})
	if err != nil || n.Size != 70000 {
		t.Fatalf("exported %d records, %v", n.Size, err)
	}
	signed, err := os.ReadFile(out + "/checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(b.key.Text())
	if err != nil {
		t.Fatal(err)
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy("example.com/log"), torchwood.SingleVerifierPolicy(verifier))
	c, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil || c.N != 70000 {
		t.Fatalf("checkpoint of %d, %v", c.N, err)
	}
	tiles, err := torchwood.NewTileFS(os.DirFS(out))
	if err != nil {
		t.Fatal(err)
	}
	client, err := torchwood.NewClient(tiles, torchwood.WithTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	ours := journal.NewReader(b.dir, journal.Cursor{})
	read := int64(0)
	for i, entry := range client.AllEntries(context.Background(), c.Tree, 0) {
		line, err := ours.Next()
		if err != nil || int64(line.Seq) != i || !bytes.Equal(auditlog.Leaf(line.Entry), entry) {
			t.Fatalf("record %d: %v: %.100q, the reader has %.100q", i, err, line.Entry, entry)
		}
		read++
	}
	if err := client.Err(); err != nil || read != c.N {
		t.Fatalf("the reader read %d entries: %v", read, err)
	}
	// The audit folder is a prefix of the same log, without bundles.
	inPlace, err := torchwood.NewTileFS(os.DirFS(b.dir))
	if err != nil {
		t.Fatal(err)
	}
	if h, err := torchwood.TileHashReaderWithContext(t.Context(), c.Tree, inPlace).ReadHashes([]int64{tlog.StoredHashIndex(0, 69999)}); err != nil || len(h) != 1 {
		t.Error(err)
	}
}

// writeBig records an event with an entry longer than a leaf may be.
func (b *bench) writeBig(text string) {
	b.t.Helper()
	e := bigEvent(text)
	if err := b.journal.Record(context.Background(), &e); err != nil {
		b.t.Fatal(err)
	}
	b.n++
}

func TestAnotherReaderAcceptsAProof(t *testing.T) {
	b := newBench(t)
	b.write(300, 1)
	b.cover()
	verifier, err := note.NewVerifier(b.key.Text())
	if err != nil {
		t.Fatal(err)
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy("example.com/log"), torchwood.SingleVerifierPolicy(verifier))
	for line, err := range journal.All(b.dir, journal.Cursor{}) {
		if err != nil {
			t.Fatal(err)
		}
		head, err := os.ReadFile(b.path("checkpoint"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := auditlog.OpenCheckpoint(head, b.key.Verifier())
		if err != nil {
			t.Fatal(err)
		}
		p, err := auditlog.Prove(b.dir, c, line.Seq, line.Entry)
		if err != nil {
			t.Fatal(err)
		}
		text := p.Append(nil)
		if err := torchwood.VerifyProof(policy, tlog.RecordHash(line.Entry), text); err != nil {
			t.Fatalf("record %d: %v", line.Seq, err)
		}
		again, err := auditlog.ParseProof(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.Verify(b.key.Verifier()); err != nil {
			t.Fatal(err)
		}
		again.Entry = append([]byte(" "), again.Entry...)
		if _, err := again.Verify(b.key.Verifier()); err == nil {
			t.Fatal("a proof of another entry was taken")
		}
	}
}
