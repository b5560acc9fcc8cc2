package offline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// VerifyOptions say what [Verify] trusts and how much it reads.
type VerifyOptions struct {
	// Key is the key of the log. nil takes the one in the folder: that finds
	// every change by somebody who does not have the log's key and did not put
	// another in its place.
	Key note.Verifier
	// Kept are checkpoints from elsewhere, by name: the log must be a
	// continuation of each.
	Kept map[string][]byte
	// Witnesses must have signed the newest checkpoint or one that is kept.
	Witnesses []note.Verifier
	// Since leaves out the records of segments that ended before it. Their
	// hashes in the tree are still checked.
	Since time.Time
	// Workers is how many goroutines hash; 0 is one per processor.
	Workers int
	// Progress is told how many bytes of all are read. It is called from one
	// goroutine at a time.
	Progress func(done, all int64)
}

// Verify checks the log in the audit folder dir and returns what it found. It
// reads files only, and takes little memory however large the log is. The log
// may be written meanwhile.
//
// It proves that the records which the newest checkpoint covers are those that
// were signed, that each is there once and in its place unless a record of the
// log says that retention removed it, that every tile belongs to that tree, and
// that every checkpoint kept in the folder or given is an earlier state of it.
// An error means that the log could not be checked; what is wrong with the log
// is in the report.
func Verify(ctx context.Context, dir string, opts VerifyOptions) (*Report, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%q is not a folder", dir)
	}
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	v := &verifier{dir: dir, opts: opts}
	// Checkpoints are kept after they were the newest: read in this order, none
	// is newer than the newest.
	kept, err := v.readKept()
	if err != nil {
		return nil, err
	}
	if err := v.checkpoint(); err != nil {
		return nil, err
	}
	if v.key != nil {
		v.tree = newTree(auditlog.Tiles(dir), v.head, &v.found)
		if err := v.history(ctx, kept); err != nil {
			return nil, err
		}
		if err := v.partialTiles(); err != nil {
			return nil, err
		}
	}
	if err := v.journal(ctx); err != nil {
		return nil, err
	}
	v.report.Problems, v.report.More = v.found.sorted(), v.found.more
	if v.report.Problems == nil {
		v.report.Problems = []Problem{}
	}
	return &v.report, nil
}

type verifier struct {
	dir    string
	opts   VerifyOptions
	key    note.Verifier // nil: nothing signed can be checked
	head   auditlog.Checkpoint
	tree   *tree
	found  findings
	report Report
}

// checkpoint reads the key and the newest checkpoint.
func (v *verifier) checkpoint() error {
	v.key = v.opts.Key
	text, err := readFile(filepath.Join(v.dir, auditlog.KeyFile), maxNote)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var own note.Verifier
	if err == nil {
		if own, err = parseKeyFile(text); err != nil {
			v.found.add(Problem{Kind: ProblemKey, File: auditlog.KeyFile, Text: err.Error()})
		}
	} else if v.key == nil {
		v.found.add(Problem{Kind: ProblemKey, File: auditlog.KeyFile, Text: "the key of the log is not there"})
	}
	switch {
	case v.key == nil:
		v.key = own
	case own != nil && keyID(own) != keyID(v.key):
		v.found.add(Problem{Kind: ProblemKey, File: auditlog.KeyFile, Text: fmt.Sprintf("is the key %s, the trusted one is %s", keyID(own), keyID(v.key))})
	}
	if v.key == nil {
		return nil
	}
	v.report.Origin, v.report.Key = v.key.Name(), keyID(v.key)
	data, err := readFile(filepath.Join(v.dir, auditlog.CheckpointFile), maxNote)
	if err == nil {
		v.head, err = auditlog.OpenCheckpoint(data, v.key, v.opts.Witnesses...)
	}
	if err != nil {
		v.key = nil
		text := err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			text = "it is not there: nothing says what the records must be (a gateway that runs signs one)"
		}
		v.found.add(Problem{Kind: ProblemCheckpoint, File: auditlog.CheckpointFile, Text: text})
		return nil
	}
	v.report.Size, v.report.Root, v.report.Witnesses = v.head.Size, v.head.Root.String(), v.head.Witnesses
	return nil
}

func parseKeyFile(text []byte) (note.Verifier, error) {
	key, err := auditlog.NewVerifier(string(text))
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(string(text), "\n") {
		return nil, errors.New("verifier key: its line has no end")
	}
	return key, nil
}

func keyID(v note.Verifier) string { return fmt.Sprintf("%s+%08x", v.Name(), v.KeyHash()) }

// readKept reads the checkpoints in the folder, and adds those given.
func (v *verifier) readKept() (map[string][]byte, error) {
	kept := map[string][]byte{}
	for name, data := range v.opts.Kept {
		kept[name] = data
	}
	files, err := os.ReadDir(filepath.Join(v.dir, auditlog.KeptFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".new") { // being written
			continue
		}
		name := auditlog.KeptFolder + "/" + f.Name()
		data, err := readFile(filepath.Join(v.dir, auditlog.KeptFolder, f.Name()), maxNote)
		if err != nil {
			v.found.add(Problem{Kind: ProblemCheckpoint, File: name, Text: err.Error()})
			continue
		}
		kept[name] = data
	}
	return kept, nil
}

// history checks that the log is a continuation of every kept checkpoint.
func (v *verifier) history(ctx context.Context, kept map[string][]byte) error {
	hashes := auditlog.Tiles(v.dir).Hashes(v.head)
	signed := v.head.Witnesses
	names := make([]string, 0, len(kept))
	for name := range kept {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		c, err := auditlog.OpenCheckpoint(kept[name], v.key, v.opts.Witnesses...)
		if err != nil {
			v.found.add(Problem{Kind: ProblemCheckpoint, File: name, Text: err.Error()})
			continue
		}
		v.report.Checkpoints++
		signed = append(signed, c.Witnesses...)
		if size, ok := strings.CutPrefix(name, auditlog.KeptFolder+"/"); ok && size != auditlog.KeptName(c.Size) {
			v.found.add(Problem{Kind: ProblemCheckpoint, File: name, Text: fmt.Sprintf("holds a checkpoint of %d records", c.Size)})
		}
		v.continues(name, c, hashes)
	}
	for _, w := range v.opts.Witnesses {
		if !slices.ContainsFunc(signed, func(c auditlog.Cosigner) bool { return c.Name == w.Name() }) {
			v.found.add(Problem{Kind: ProblemWitness, Text: fmt.Sprintf("%q has signed no checkpoint of this log", w.Name())})
		}
	}
	return nil
}

// continues checks that the log is a continuation of c.
func (v *verifier) continues(name string, c auditlog.Checkpoint, hashes tlog.HashReader) {
	if c.Size > v.head.Size {
		first, last := v.head.Size, c.Size-1
		v.found.add(Problem{Kind: ProblemHistory, File: name, First: &first, Last: &last,
			Text: fmt.Sprintf("rolled back: the log has %d records, this checkpoint covers %d", v.head.Size, c.Size)})
		return
	}
	root := v.head.Root
	if c.Size < v.head.Size {
		var err error
		if root, err = tlog.TreeHash(int64(c.Size), hashes); err != nil {
			v.found.add(Problem{Kind: ProblemHistory, File: name, Text: "cannot be compared with the log: " + err.Error()})
			return
		}
	}
	if root != c.Root {
		v.found.add(Problem{Kind: ProblemHistory, File: name, Text: fmt.Sprintf("the first %d records of the log are not those that it covers", c.Size)})
	}
}
