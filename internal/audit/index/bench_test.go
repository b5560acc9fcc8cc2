package index

import (
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// BenchmarkIndex measures on a log of INDEX_RECORDS records (100 000 when it is
// not set) what is told of in docs/performance.md. INDEX_DIR keeps the log for
// the next time.
func BenchmarkIndex(b *testing.B) {
	records := 100_000
	if s := os.Getenv("INDEX_RECORDS"); s != "" {
		var err error
		if records, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	dir := os.Getenv("INDEX_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	if _, err := os.Stat(dir + "/journal"); err != nil {
		fill(b, dir, 0, records, 150_000)
	}
	x := New(dir, Options{})
	b.Cleanup(func() { _ = x.Close() })
	began := time.Now()
	if err := x.Update(b.Context(), nil); err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	s, err := x.Status(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d records indexed in %v: %.0f records/s, %.1f bytes of index per record", s.Indexed, took, float64(s.Indexed)/took.Seconds(), float64(s.Bytes)/float64(s.Indexed))
	middle := makeEvent(records / 3)
	for name, q := range map[string]Query{
		"newest":                      {},
		"actor":                       {Actor: "user:007"},
		"actor,tool,type":             {Actor: middle.Actor.ID, Resource: middle.Resource, Types: []portcullis.EventType{portcullis.EventAuthzDenied}},
		"request id":                  {RequestID: middle.RequestID},
		"nobody":                      {Actor: "user:999"},
		"two that never meet":         {Types: []portcullis.EventType{portcullis.EventCallFinished}, Reason: "forbidden"},
		"critical":                    {Severity: portcullis.SeverityCritical},
		"hour,actor":                  {Since: middle.Time, Until: middle.Time.Add(time.Hour), Actor: "user:101"},
		"network":                     {Address: netip.MustParsePrefix("10.0.3.0/24"), Outcomes: []portcullis.Outcome{portcullis.OutcomeFailure}},
		"rare word":                   {Text: "needle secret"},
		"no such word":                {Text: "absent"},
		"oldest page of a busy actor": {Actor: "user:007", Before: 10_000},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := x.Search(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
