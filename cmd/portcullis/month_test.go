package main

import (
	"context"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly"
	"github.com/portcullis-dev/portcullis/internal/detect/synthetic"
)

// cmdMonth writes the calls of a made-up month with attacks into the journal
// of a data folder: month FOLDER SEED CALLERS DAYS.
func cmdMonth(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: month FOLDER SEED CALLERS DAYS")
	}
	var n [3]int
	for i := range n {
		v, err := strconv.Atoi(args[i+1])
		ts.Check(err)
		n[i] = v
	}
	cfg := synthetic.Default(uint64(n[0]))
	cfg.Principals, cfg.Days, cfg.Attacks = n[1], n[2], 6
	j, err := journal.Open(ts.MkAbs(args[0])+"/audit", journal.Default(), journal.Options{})
	ts.Check(err)
	synthetic.New(cfg).Run(func(s *anomaly.Sample) {
		ts.Check(j.Record(context.Background(), synthetic.Event(s)))
	})
	ts.Check(j.Close(context.Background()))
}
