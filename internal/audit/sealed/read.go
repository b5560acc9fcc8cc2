package sealed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"

	"github.com/klauspost/compress/zstd"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/class"
)

// maxFrame bounds a frame, raw and compressed: frameSize and one line more, a
// little for numbers, and what compression may add.
const maxFrame = frameSize + auditlog.MaxLine + 64<<10

// Record is one record of a divided segment.
type Record struct {
	Seq    uint64
	Offset int64  // where its line began in the segment
	Next   int64  // where the line ended
	Entry  []byte // valid until the next call
}

// MissingError says that records are not there. Reading goes on behind them.
type MissingError struct {
	From, To uint64 // first missing number, first behind it
	Offset   int64  // of record To in the segment, if that is known
	Removed  bool   // the manifest says that they were removed
}

// Error returns which records are missing.
func (e *MissingError) Error() string {
	return fmt.Sprintf("audit records %d to %d are not in the sealed segment", e.From, e.To-1)
}

// Reader reads the records of one divided segment in the order of their
// numbers. It is used by one goroutine.
type Reader struct {
	dir     string
	m       *Manifest
	runs    []run
	at      uint64 // number of the next record
	end     uint64 // first number behind the run
	offset  int64  // of the next record, as far as known
	streams map[class.Class]*stream
	dec     *zstd.Decoder
}

// Open returns a Reader of a divided segment that starts at the record from. A
// *[ManifestError] says that its manifest is damaged, fs.ErrNotExist that
// there is none.
func Open(dir string, seg Range, from uint64) (*Reader, error) {
	m, err := Load(dir, seg)
	if err != nil {
		return nil, err
	}
	return newReader(dir, m, from), nil
}

func newReader(dir string, m *Manifest, from uint64) *Reader {
	r := &Reader{dir: dir, m: m, at: min(max(from, m.First), m.Last+1), end: m.First, streams: map[class.Class]*stream{}}
	if m.Runs == "" { // all is removed: one run says so as well
		r.runs = []run{{m.Files[0].Class, m.Last - m.First + 1}}
	} else if runs, err := parseRuns(m.Runs, m.Last-m.First+1); err == nil { // validated
		r.runs = runs
	}
	r.skipRuns()
	return r
}

// skipRuns makes runs[0] the run of the record at.
func (r *Reader) skipRuns() {
	for len(r.runs) > 0 && r.end+r.runs[0].n <= r.at {
		r.end += r.runs[0].n
		r.runs = r.runs[1:]
	}
}

// Close closes the files that are being read.
func (r *Reader) Close() error {
	var errs []error
	for _, s := range r.streams {
		if s.f != nil {
			errs = append(errs, s.f.Close())
		}
	}
	if r.dec != nil {
		r.dec.Close()
	}
	r.streams, r.dec = map[class.Class]*stream{}, nil
	return errors.Join(errs...)
}

// Next returns the next record, or io.EOF behind the last. A *[MissingError]
// or a *[auditlog.CorruptError] tells of records that are not there; the next
// call goes on behind them.
func (r *Reader) Next() (Record, error) {
	for {
		r.skipRuns()
		if len(r.runs) == 0 {
			return Record{}, io.EOF
		}
		s, err := r.stream(r.runs[0].class)
		if err != nil {
			return Record{}, err
		}
		if s.state != present {
			return Record{}, r.hole(s.state)
		}
		rec, err := s.peek(r.m)
		runEnd := r.end + r.runs[0].n
		switch {
		case errors.Is(err, io.EOF):
			s.state = lost
		case err != nil:
			return Record{}, err
		case rec.Seq < r.at:
			s.take()
		case rec.Seq > r.at:
			return Record{}, r.missing(min(rec.Seq, runEnd), lost)
		default:
			s.take()
			r.at++
			r.offset = rec.Next
			return rec, nil
		}
	}
}

// hole returns the error for the run of records that are not there, together
// with those runs behind it that share their fate.
func (r *Reader) hole(state state) error {
	to := r.end
	for _, next := range r.runs {
		s, err := r.stream(next.class)
		if err != nil {
			return err
		}
		if s.state != state {
			break
		}
		to += next.n
	}
	return r.missing(to, state)
}

func (r *Reader) missing(to uint64, state state) error {
	e := &MissingError{From: r.at, To: to, Removed: state == removed}
	r.at = to
	r.skipRuns()
	r.offset = r.offsetAt()
	e.Offset = r.offset
	return e
}

// offsetAt returns the offset of the next record: it stands with the record.
func (r *Reader) offsetAt() int64 {
	if len(r.runs) == 0 {
		return r.m.Size
	}
	s, err := r.stream(r.runs[0].class)
	for err == nil && s.state == present {
		var rec Record
		if rec, err = s.peek(r.m); err == nil && rec.Seq >= r.at {
			return rec.Offset
		}
		if err != nil {
			s.failed = err // told by the next call
			break
		}
		s.take()
	}
	return r.offset
}

type state int

const (
	present state = iota
	removed       // the manifest says so
	lost          // nothing says why
)

// stream reads one class file.
type stream struct {
	state  state
	f      *os.File
	file   *File
	frame  int    // index of the next frame
	buf    []byte // the frame being read
	raw    []byte // what is left of it
	line   int64
	size   int // of the line that was peeked at
	peeked *Record
	failed error
	r      *Reader
}

// stream returns the stream of a class, opened at the next record.
func (r *Reader) stream(c class.Class) (*stream, error) {
	if s := r.streams[c]; s != nil {
		return s, nil
	}
	s := &stream{file: r.m.File(c), r: r}
	if s.file.Removed != nil {
		s.state = removed
		r.streams[c] = s
		return s, nil
	}
	f, err := os.Open(r.m.Path(r.dir, c))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Perhaps it was removed since the manifest was read.
		s.state = lost
		if m, err := Load(r.dir, Range{r.m.First, r.m.Last}); errors.Is(err, fs.ErrNotExist) {
			s.state = removed // so was everything of the segment, and what is before
		} else if err == nil && m.File(c) != nil && m.File(c).Removed != nil {
			s.state = removed
		}
	case err != nil:
		return nil, err
	}
	s.f = f
	i, found := slices.BinarySearchFunc(s.file.Frames, r.at, func(f Frame, seq uint64) int {
		switch {
		case f[0] < seq:
			return -1
		case f[0] > seq:
			return 1
		}
		return 0
	})
	if !found && i > 0 {
		i--
	}
	s.frame = i
	r.streams[c] = s
	return s, nil
}

// take goes on behind the record that peek returned.
func (s *stream) take() { s.raw, s.peeked = s.raw[s.size:], nil }

// peek returns the next record without going on behind it, or io.EOF. A
// *auditlog.CorruptError is told once: the damaged line or frame is skipped.
func (s *stream) peek(m *Manifest) (Record, error) {
	if err := s.failed; err != nil {
		s.failed = nil
		return Record{}, err
	}
	if s.peeked != nil {
		return *s.peeked, nil
	}
	if len(s.raw) == 0 {
		if s.frame == len(s.file.Frames) {
			return Record{}, io.EOF
		}
		s.frame++
		s.line = 0
		if err := s.load(); err != nil {
			s.raw = nil
			return Record{}, s.corrupt(m, err)
		}
	}
	s.line++
	end := bytes.IndexByte(s.raw, '\n') + 1
	if end == 0 {
		s.raw = nil
		return Record{}, s.corrupt(m, auditlog.ErrTorn)
	}
	rec, err := parseLine(s.raw[:end])
	if err != nil {
		s.raw = s.raw[end:]
		return Record{}, s.corrupt(m, err)
	}
	s.size, s.peeked = end, &rec
	return rec, nil
}

func (s *stream) corrupt(m *Manifest, err error) error {
	return &auditlog.CorruptError{
		Segment: path.Join(dirName, string(s.file.Class), m.Name()), Offset: int64(s.file.Frames[s.frame-1][1]),
		Line: s.line, Err: err,
	}
}

// load reads frame s.frame-1.
func (s *stream) load() error {
	from, to := int64(s.file.Frames[s.frame-1][1]), s.file.Bytes
	if s.frame < len(s.file.Frames) {
		to = int64(s.file.Frames[s.frame][1])
	}
	if to-from > maxFrame {
		return fmt.Errorf("frame of %d bytes, at most %d are written", to-from, maxFrame)
	}
	packed := make([]byte, to-from)
	if _, err := s.f.ReadAt(packed, from); err != nil {
		return err
	}
	if s.r.m.Compression == None {
		s.raw = packed
		return nil
	}
	if s.r.dec == nil {
		dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFrame))
		if err != nil {
			return err
		}
		s.r.dec = dec
	}
	var err error
	s.buf, err = s.r.dec.DecodeAll(packed, s.buf[:0])
	s.raw = s.buf
	return err
}

// parseLine reads one line of a class file.
func parseLine(line []byte) (Record, error) {
	number, rest, ok1 := bytes.Cut(line, []byte{' '})
	offset, rest, ok2 := bytes.Cut(rest, []byte{' '})
	if !ok1 || !ok2 {
		return Record{}, errors.New("no number in front of the line")
	}
	seq, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		return Record{}, errors.New("number of the record is not decimal")
	}
	at, err := strconv.ParseInt(string(offset), 10, 64)
	if err != nil || at < 0 {
		return Record{}, errors.New("offset of the record is not decimal")
	}
	entry, err := auditlog.ParseLine(rest)
	if err != nil {
		return Record{}, err
	}
	return Record{Seq: seq, Offset: at, Next: at + int64(len(rest)), Entry: entry}, nil
}
