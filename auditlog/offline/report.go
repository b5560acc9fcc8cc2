package offline

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// What a [Problem] can be.
const (
	ProblemKey        = "key"        // the key in the folder is not the one that is trusted
	ProblemCheckpoint = "checkpoint" // a checkpoint is missing, damaged or not signed
	ProblemHistory    = "history"    // a kept checkpoint speaks of another history, or of more records
	ProblemTile       = "tile"       // a tile is missing or does not fit the checkpoint
	ProblemChanged    = "changed"    // a record is not the one that was signed
	ProblemMoved      = "moved"      // records were taken out, put in or put elsewhere before this one
	ProblemMissing    = "missing"    // records are gone, and no record says that they were removed
	ProblemDamaged    = "damaged"    // a line does not hold what was written
	ProblemWitness    = "witness"    // a witness has not signed
)

// maxProblems is how many problems a report lists.
const maxProblems = 1000

// Problem is one thing that is wrong with a log.
type Problem struct {
	Kind   string  `json:"kind"`
	File   string  `json:"file,omitempty"`   // below the audit folder
	Line   int64   `json:"line,omitempty"`   // of a segment, the first is 1
	Offset int64   `json:"offset,omitempty"` // of the line, in bytes
	First  *uint64 `json:"first,omitempty"`  // number of the record
	Last   *uint64 `json:"last,omitempty"`   // number of the last record, if there are more
	Text   string  `json:"text"`
}

// String returns the problem on one line.
func (p Problem) String() string {
	where := p.File
	if p.Line > 0 {
		where += fmt.Sprintf(" line %d", p.Line)
	}
	switch {
	case p.First != nil && p.Last != nil && *p.Last != *p.First:
		where += fmt.Sprintf(" records %d to %d", *p.First, *p.Last)
	case p.First != nil:
		where += fmt.Sprintf(" record %d", *p.First)
	}
	if where == "" {
		return p.Kind + ": " + p.Text
	}
	return fmt.Sprintf("%s: %s: %s", p.Kind, where, p.Text)
}

// Report is what [Verify] found.
type Report struct {
	Origin  string `json:"origin,omitempty"`
	Key     string `json:"key,omitempty"` // name and id of the key that was trusted
	Size    uint64 `json:"size"`          // records that the checkpoint covers
	Root    string `json:"root,omitempty"`
	Checked uint64 `json:"checked"` // records compared with the tree
	// Trusted counts records older than was asked for: they were not read, but
	// their hashes in the tree were checked.
	Trusted uint64 `json:"trusted,omitempty"`
	Removed uint64 `json:"removed,omitempty"` // records that retention removed, as other records say
	// Uncovered counts records behind the checkpoint: nothing is signed about
	// them yet.
	Uncovered   uint64              `json:"not_yet_covered"`
	HalfLine    bool                `json:"half_line,omitempty"` // the newest segment ends in half a line, as a crash leaves it
	Checkpoints int                 `json:"checkpoints"`         // kept checkpoints that were checked
	Witnesses   []auditlog.Cosigner `json:"witnesses,omitempty"`
	Problems    []Problem           `json:"problems"`
	More        int                 `json:"more_problems,omitempty"` // problems that are not listed
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

// findings collects problems from many goroutines.
type findings struct {
	mu   sync.Mutex
	list []Problem
	more int
	told map[string]bool // files whose one problem was told
}

func (f *findings) add(p Problem) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) >= maxProblems {
		f.more++
		return
	}
	f.list = append(f.list, p)
}

// addOnce adds a problem of a file unless it has one.
func (f *findings) addOnce(p Problem) {
	f.mu.Lock()
	if f.told == nil {
		f.told = map[string]bool{}
	}
	known := f.told[p.File]
	f.told[p.File] = true
	f.mu.Unlock()
	if !known {
		f.add(p)
	}
}

// sorted returns the problems in the order of the records and files.
func (f *findings) sorted() []Problem {
	slices.SortStableFunc(f.list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(firstOf(a), firstOf(b)), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return f.list
}

func firstOf(p Problem) uint64 {
	if p.First == nil {
		return 0
	}
	return *p.First
}
