package tlog

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/offline"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// BenchmarkAppend adds records to the tree: reading the journal, hashing,
// writing and syncing the tiles, one checkpoint for each batch.
func BenchmarkAppend(b *testing.B) {
	l := newBench(b)
	l.write(b.N, 250)
	f := l.follower()
	b.ResetTimer()
	for f.log.Load() == nil || f.log.Load().Size() < uint64(b.N) {
		if err := f.follow(ended()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkVerify verifies a log of 200,000 records of about 400 bytes.
func BenchmarkVerify(b *testing.B) {
	l := newBench(b)
	const records = 200_000
	l.write(records, 250)
	for range records/maxBatch + 1 {
		l.cover()
	}
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := offline.Verify(context.Background(), l.dir, offline.VerifyOptions{Key: l.key.Verifier(), Workers: workers})
				if err != nil || !r.OK() || r.Checked != records {
					b.Fatal(r, err)
				}
			}
			b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkProve makes a proof of one record of a log of 100,000.
func BenchmarkProve(b *testing.B) {
	l := newBench(b)
	l.write(100_000, 1)
	l.cover()
	c, err := Open(l.dir, l.key, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	r := journal.NewReader(l.dir, journal.Cursor{})
	line, err := r.Next()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := auditlog.Prove(l.dir, c.Head(), 0, line.Entry); err != nil {
			b.Fatal(err)
		}
	}
}
