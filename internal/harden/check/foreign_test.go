package check_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// leastForeign is how many files of others, and files written as they are found
// in the wild, faults are planted into where the samples are.
const leastForeign = 39

// fault is something wrong that is put into a file, and the rule that is about
// it. Exactly one of tree and text is there; each returns false for a file that
// has no place for it.
type fault struct {
	kind rule.Kind
	name string
	rule string
	tree func(doc table) bool
	text func(text string) (string, bool)
	way  int // of several to do the same, from 1
}

type table = map[string]any

// strangers returns the files of others: those in testdata, and the samples if
// they are there.
func strangers(t *testing.T) (files []string, samples bool) {
	t.Helper()
	folders := []string{filepath.Join("testdata", "foreign"), filepath.Join("testdata", "wild")}
	root := os.Getenv("PORTCULLIS_SAMPLES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "samples")
	}
	for _, name := range []string{"ossa", "chrysalis", "a2a", "mcp"} {
		folder := filepath.Join(root, name)
		if _, err := os.Stat(folder); err != nil {
			t.Logf("%s is not here: set PORTCULLIS_SAMPLES to the folder of samples", folder)
			continue
		}
		folders, samples = append(folders, folder), true
	}
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && filepath.Ext(name) != ".md" {
				files = append(files, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files, samples
}

// stranger is a file and what it is.
type stranger struct {
	name string
	base string // in its tree
	data []byte
	tree *tree.Tree
	kind []rule.Kind

	before map[string]state // by rule
}

// state is what a rule says before anything is planted.
type state struct {
	verdict rule.Verdict
	found   int
}

func openStranger(t *testing.T, name string) stranger {
	t.Helper()
	tr, err := tree.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	s := stranger{name: name, base: tr.Files()[0].Path, tree: tr, before: map[string]state{}}
	if s.data, err = tr.Read(s.base); err != nil {
		t.Fatal(err)
	}
	found, err := check.Find(tr)
	if err != nil && !errors.Is(err, check.ErrUnknownTarget) {
		t.Fatal(err)
	}
	for _, target := range found {
		s.kind = append(s.kind, target.Kind)
	}
	return s
}

// says returns what a rule says of the file with other contents.
func (s stranger) says(t *testing.T, kind rule.Kind, id string, data []byte) (rule.Verdict, int) {
	t.Helper()
	target := check.Target{Kind: kind, Name: s.name, Tree: s.tree.With(map[string][]byte{s.base: data}), Path: s.base}
	report := check.Run(t.Context(), []check.Target{target}, check.Options{Only: func(m rule.Meta) bool { return m.ID == id }})
	if len(report.Targets) != 1 || len(report.Targets[0].Results) != 1 {
		t.Fatalf("%s: %s: %d targets", s.name, id, len(report.Targets))
	}
	r := report.Targets[0].Results[0]
	if report.Targets[0].Error != "" || strings.Contains(r.Reason, "crashed") {
		t.Errorf("%s: %s: %s %s", s.name, id, report.Targets[0].Error, r.Reason)
	}
	return r.Verdict, len(r.Findings)
}

// Files of others are read to the end: no rule crashes, and none passes on what
// could not be read.
func TestForeignFilesAreRead(t *testing.T) {
	files, _ := strangers(t)
	for _, name := range files {
		s := openStranger(t, name)
		found, err := check.Find(s.tree)
		if err != nil {
			continue // it is of no kind that there are rules for
		}
		for _, target := range check.Run(t.Context(), found, check.Options{}).Targets {
			if target.Error != "" {
				t.Errorf("%s (%s): %s", name, target.Kind, target.Error)
			}
			for _, r := range target.Results {
				if strings.Contains(r.Reason, "crashed") || strings.Contains(r.Reason, "took too long") || r.Verdict == rule.Pass && target.Error != "" {
					t.Errorf("%s (%s): %s: %s, %s", name, target.Kind, r.ID, r.Verdict, r.Reason)
				}
			}
		}
	}
}

// tally is what became of one fault in all files.
type tally struct{ planted, before, skipped int }

// A fault that is put into a file of somebody else is found by the rule that is
// about it, whatever else the file holds. A rule that failed before has to find
// one place more.
func TestPlantedFaultsAreFound(t *testing.T) {
	files, samples := strangers(t)
	faults := numbered(slices.Concat(agentFaults(), clientFaults(), cardFaults(), composeFaults(), clusterFaults(), pipelineFaults(), textFaults()))
	tallies := make([]tally, len(faults))
	used := map[string]bool{}
	for _, name := range files {
		s := openStranger(t, name)
		for i, f := range faults {
			if !slices.Contains(s.kind, f.kind) || f.way > 1 && !strings.HasPrefix(name, "testdata") {
				continue // one way is enough for each of the samples: there are many
			}
			if s.try(t, f, &tallies[i]) {
				used[name] = true
			}
		}
	}
	for i, f := range faults {
		n := tallies[i]
		t.Logf("%-14s %-34s %-34s planted %2d, of them %2d where the rule failed before; no place in %2d", f.kind, f.name, f.rule, n.planted, n.before, n.skipped)
		if n.planted == n.before {
			t.Errorf("%s: %s: is planted nowhere where %s had not failed before", f.kind, f.name, f.rule)
		}
	}
	t.Logf("%d faults in %d files", len(faults), len(used))
	if samples && len(used) < leastForeign {
		t.Errorf("faults were planted in %d files, want %d", len(used), leastForeign)
	}
}

// ofTheWhole are rules that have one finding at most: what is not there.
var ofTheWhole = regexp.MustCompile(`-(?:missing|undeclared|unbounded|unhandled|no-user|no-healthcheck|hsts|tls-versions|privilege-escalation|server-tokens|signed)$`)

// numbered tells faults of one name apart.
func numbered(faults []fault) []fault {
	seen := map[string]int{}
	for i, f := range faults {
		id := f.rule + f.name
		seen[id]++
		faults[i].way = seen[id]
		if seen[id] > 1 {
			faults[i].name = fmt.Sprintf("%s, way %d", f.name, seen[id])
		}
	}
	return faults
}

// try plants one fault.
func (s stranger) try(t *testing.T, f fault, n *tally) bool {
	t.Helper()
	clean, planted, ok := s.data, []byte(nil), false
	if f.text != nil {
		text := ""
		text, ok = f.text(string(s.data))
		planted = []byte(text)
	} else {
		clean = s.encode(t, s.decode(t))
		docs := s.decode(t)
		for _, doc := range docs {
			if d, is := doc.(table); is && f.tree(d) {
				ok = true
				break
			}
		}
		planted = s.encode(t, docs)
	}
	if !ok {
		n.skipped++
		return false
	}
	before, known := s.before[f.rule]
	if !known {
		before.verdict, before.found = s.says(t, f.kind, f.rule, clean)
		s.before[f.rule] = before
	}
	verdict, found := before.verdict, before.found
	n.planted++
	if verdict == rule.Fail {
		n.before++
	}
	after, more := s.says(t, f.kind, f.rule, planted)
	if after != rule.Fail || more <= found && !(verdict == rule.Fail && ofTheWhole.MatchString(f.rule)) {
		t.Errorf("%s: %s (%s): %s says %s with %d findings before, and %s with %d with it", s.name, f.name, f.kind, f.rule, verdict, found, after, more)
	}
	return true
}

var (
	lineComment = regexp.MustCompile(`(?m)^\s*//.*$|/\*.*\*/`)
	lastComma   = regexp.MustCompile(`,(\s*[}\]])`)
)

// decode reads the documents of a file.
func (s stranger) decode(t *testing.T) []any {
	t.Helper()
	if filepath.Ext(s.base) == ".json" {
		var doc any
		if err := json.Unmarshal(lastComma.ReplaceAll(lineComment.ReplaceAll(s.data, nil), []byte("$1")), &doc); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		return []any{doc}
	}
	var docs []any
	d := yaml.NewDecoder(bytes.NewReader(s.data))
	for {
		var doc any
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		docs = append(docs, doc)
	}
}

func (s stranger) encode(t *testing.T, docs []any) []byte {
	t.Helper()
	var out bytes.Buffer
	for i, doc := range docs {
		var data []byte
		var err error
		if filepath.Ext(s.base) == ".json" {
			data, err = json.MarshalIndent(doc, "", "  ")
		} else {
			data, err = yaml.Marshal(doc)
		}
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(data)
	}
	return out.Bytes()
}

// sub returns the table at a path, which is made where it is not there. What
// is there and no table is replaced.
func sub(m table, path ...string) table {
	for _, name := range path {
		next, ok := m[name].(table)
		if !ok {
			next = table{}
			m[name] = next
		}
		m = next
	}
	return m
}

// at returns the table at a path, or nil.
func at(m table, path ...string) table {
	for _, name := range path {
		m, _ = m[name].(table)
	}
	return m
}

// put appends to a list, which is made where it is not there.
func put(m table, name string, v ...any) bool {
	list, _ := m[name].([]any)
	m[name] = append(slices.Clone(list), v...)
	return true
}

// each calls f with every table in a value, until it returns true.
func eachTable(v any, f func(m table) bool) bool {
	switch v := v.(type) {
	case table:
		if f(v) {
			return true
		}
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if eachTable(v[name], f) {
				return true
			}
		}
	case []any:
		for _, item := range v {
			if eachTable(item, f) {
				return true
			}
		}
	}
	return false
}

// drop takes out every member of some names, and reports whether there was one.
func drop(v any, names ...string) bool {
	gone := false
	eachTable(v, func(m table) bool {
		for _, name := range names {
			if _, ok := m[name]; ok {
				delete(m, name)
				gone = true
			}
		}
		return false
	})
	return gone
}

// key looks like one and is none.
func key() string { return fmt.Sprintf("k8Gq2n%s", "Vx7Lp4Zt9wR3") }
