package sealed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/audit/class"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
)

const (
	dirName  = "sealed"
	version  = 1
	fileMode = 0o400
	dirMode  = 0o700
	// maxManifest bounds what is read as a manifest: the runs of the largest
	// segment that a gateway writes stay far below.
	maxManifest = 64 << 20
	maxRecords  = 1 << 32
	removedName = "removed-before"
)

// The values of [Manifest.Compression].
const (
	Zstd = "zstd"
	None = "none"
)

// Dir returns the folder of the sealed form in the audit directory dir.
func Dir(dir string) string { return filepath.Join(dir, dirName) }

// Manifest describes one divided segment.
type Manifest struct {
	Version     int       `json:"version"`
	First       uint64    `json:"first"`       // number of the first record of the segment
	Last        uint64    `json:"last"`        // number of its last record
	Size        int64     `json:"size"`        // of the segment in bytes
	Oldest      time.Time `json:"oldest"`      // of the event times
	Newest      time.Time `json:"newest"`      // of the event times
	AgeFrom     time.Time `json:"age_from"`    // from when its age is counted
	Compression string    `json:"compression"` // of the class files
	Files       []File    `json:"files"`       // ordered as class.All
	// Runs says which class each record has: "a120s1" is 120 records of class
	// access, then one of security; u is audit. It is dropped when all files
	// are removed.
	Runs string `json:"runs,omitempty"`
}

// File is one class file of a segment.
type File struct {
	Class      class.Class `json:"class"`
	Records    uint64      `json:"records"`
	Bytes      int64       `json:"bytes"`
	SHA256     string      `json:"sha256"` // of the file
	Frames     []Frame     `json:"frames"`
	ArchivedTo string      `json:"archived_to,omitempty"`
	Removed    *Removal    `json:"removed,omitempty"`
}

// Frame is where a frame starts: the number of its first record, and its
// offset in the class file.
type Frame [2]uint64

// Removal says when a class file was removed and which event told of it first.
type Removal struct {
	At    time.Time `json:"at"`
	Event string    `json:"event"`
}

// Gone reports whether no file of the segment is left.
func (m *Manifest) Gone() bool {
	return !slices.ContainsFunc(m.Files, func(f File) bool { return f.Removed == nil })
}

// File returns the file of a class, or nil if the segment has none.
func (m *Manifest) File(c class.Class) *File {
	for i := range m.Files {
		if m.Files[i].Class == c {
			return &m.Files[i]
		}
	}
	return nil
}

// Path returns the path of the file of a class.
func (m *Manifest) Path(dir string, c class.Class) string {
	return filepath.Join(Dir(dir), string(c), m.Name())
}

// Name returns the name of the segment's class files.
func (m *Manifest) Name() string {
	name := Range{m.First, m.Last}.String() + ".log"
	if m.Compression == Zstd {
		name += ".zst"
	}
	return name
}

// Range is the numbers of the first and last record of a divided segment.
type Range struct{ First, Last uint64 }

const rangeDigits = 20

// String returns what the files of the segment are named after.
func (r Range) String() string {
	return fmt.Sprintf("%0*d-%0*d", rangeDigits, r.First, rangeDigits, r.Last)
}

func parseRange(s string) (r Range, ok bool) {
	first, last, ok := strings.Cut(s, "-")
	if !ok || len(first) != rangeDigits || len(last) != rangeDigits {
		return r, false
	}
	var err1, err2 error
	r.First, err1 = strconv.ParseUint(first, 10, 64)
	r.Last, err2 = strconv.ParseUint(last, 10, 64)
	return r, err1 == nil && err2 == nil && r.First <= r.Last && r.String() == s
}

// List returns the divided segments in the audit directory dir, ascending. A
// folder that does not exist has none.
func List(dir string) ([]Range, error) {
	entries, err := os.ReadDir(Dir(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Range
	for _, e := range entries {
		stem, isManifest := strings.CutSuffix(e.Name(), ".json")
		if r, ok := parseRange(stem); ok && isManifest {
			all = append(all, r)
		}
	}
	return all, nil // ReadDir sorts by name, and names have all digits
}

func manifestPath(dir string, r Range) string {
	return filepath.Join(Dir(dir), r.String()+".json")
}

// Load reads the manifest of a divided segment.
func Load(dir string, r Range) (*Manifest, error) {
	f, err := os.Open(manifestPath(dir, r))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return nil, err
	}
	m, err := ParseManifest(data)
	if err == nil && (m.First != r.First || m.Last != r.Last) {
		err = errors.New("it is about another segment")
	}
	if err != nil {
		return nil, &ManifestError{Range: r, Err: err}
	}
	return m, nil
}

// ManifestError is a manifest that does not hold what was written.
type ManifestError struct {
	Range Range
	Err   error
}

// Error returns which manifest is wrong and why.
func (e *ManifestError) Error() string {
	return fmt.Sprintf("manifest of audit segment %s: %v", e.Range, e.Err)
}

// Unwrap returns what is wrong.
func (e *ManifestError) Unwrap() error { return e.Err }

// ParseManifest reads and checks a manifest.
func ParseManifest(data []byte) (*Manifest, error) {
	if len(data) > maxManifest {
		return nil, errors.New("too large")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	m := new(Manifest)
	if err := d.Decode(m); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind it")
	}
	return m, m.validate()
}

func (m *Manifest) validate() error {
	switch {
	case m.Version != version:
		return fmt.Errorf("version %d, want %d", m.Version, version)
	case m.Last < m.First || m.Last-m.First >= maxRecords:
		return fmt.Errorf("records %d to %d", m.First, m.Last)
	case m.Compression != Zstd && m.Compression != None:
		return fmt.Errorf("compression %q", m.Compression)
	case m.Size < 0 || len(m.Files) == 0:
		return errors.New("no files")
	}
	var records uint64
	for i := range m.Files {
		f := &m.Files[i]
		if _, err := class.Parse(string(f.Class)); err != nil || m.File(f.Class) != f {
			return fmt.Errorf("file %d: class %q", i, f.Class)
		}
		if err := f.validate(); err != nil {
			return fmt.Errorf("class %s: %w", f.Class, err)
		}
		records += f.Records
	}
	if records != m.Last-m.First+1 {
		return fmt.Errorf("%d records in the files of %d", records, m.Last-m.First+1)
	}
	if m.Runs == "" && m.Gone() {
		return nil
	}
	runs, err := parseRuns(m.Runs, m.Last-m.First+1)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if m.File(r.class) == nil {
			return fmt.Errorf("runs: no file of class %s", r.class)
		}
	}
	return nil
}

func (f *File) validate() error {
	if f.Records == 0 || f.Records > maxRecords || f.Bytes <= 0 || len(f.SHA256) != 64 {
		return errors.New("empty")
	}
	if len(f.Frames) == 0 && f.Removed != nil {
		return nil
	}
	if len(f.Frames) == 0 || f.Frames[0][1] != 0 {
		return errors.New("no frame at the start")
	}
	for i, fr := range f.Frames {
		if fr[1] >= uint64(f.Bytes) || (i > 0 && (fr[0] <= f.Frames[i-1][0] || fr[1] <= f.Frames[i-1][1])) {
			return fmt.Errorf("frame %d is out of order", i)
		}
	}
	return nil
}

// Save writes the manifest durably, in the place of an older one.
func (m *Manifest) Save(dir string) error {
	if err := m.validate(); err != nil {
		return err
	}
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return durable.Replace(manifestPath(dir, Range{m.First, m.Last}), append(data, '\n'))
}

// RemovedBefore returns the number before which no record is kept and no
// manifest either, because all of them were removed.
func RemovedBefore(dir string) (uint64, error) {
	text, err := os.ReadFile(filepath.Join(Dir(dir), removedName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: want a number", removedName)
	}
	return n, nil
}

// Forget removes the manifests of segments, the oldest ones, of which nothing
// is left. That they were removed stays known.
func Forget(dir string, gone []Range) error {
	if len(gone) == 0 {
		return nil
	}
	next, err := RemovedBefore(dir)
	if err != nil {
		return err
	}
	next = max(next, gone[len(gone)-1].Last+1)
	text := strconv.AppendUint(nil, next, 10)
	if err := durable.Replace(filepath.Join(Dir(dir), removedName), append(text, '\n')); err != nil {
		return err
	}
	for _, r := range gone {
		if err := os.Remove(manifestPath(dir, r)); err != nil {
			return err
		}
	}
	return durable.SyncDir(Dir(dir))
}

type run struct {
	class class.Class
	n     uint64
}

func letter(c class.Class) byte {
	switch c {
	case class.Access:
		return 'a'
	case class.Security:
		return 's'
	}
	return 'u'
}

func appendRun(dst []byte, r run) []byte {
	if r.n == 0 {
		return dst
	}
	return strconv.AppendUint(append(dst, letter(r.class)), r.n, 10)
}

// parseRuns reads runs of total records in all.
func parseRuns(s string, total uint64) ([]run, error) {
	var runs []run
	for i := 0; i < len(s); {
		r := run{}
		for _, c := range class.All() {
			if letter(c) == s[i] {
				r.class = c
			}
		}
		start := i + 1
		for i++; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
			r.n = r.n*10 + uint64(s[i]-'0')
			if r.n > total {
				return nil, errors.New("runs: too many records")
			}
		}
		if r.class == "" || r.n == 0 || s[start] == '0' || (len(runs) > 0 && runs[len(runs)-1].class == r.class) {
			return nil, fmt.Errorf("runs: wrong at byte %d", start-1)
		}
		total -= r.n
		runs = append(runs, r)
	}
	if total != 0 {
		return nil, fmt.Errorf("runs: %d records have no class", total)
	}
	return runs, nil
}
