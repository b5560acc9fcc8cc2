package auditlog

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func segment(entries ...string) []byte {
	var b []byte
	for _, e := range entries {
		b = AppendLine(b, []byte(e))
	}
	return b
}

func TestLineFormat(t *testing.T) {
	got := string(AppendLine(nil, []byte(`{"a":1}`)))
	if want := "cff7d56a {\"a\":1}\n"; got != want {
		t.Errorf("line is %q, want %q", got, want)
	}
}

func TestReaderReadsWholeSegment(t *testing.T) {
	long := strings.Repeat("y", 200<<10)
	r := NewReader(iotest.OneByteReader(bytes.NewReader(segment("{}", long, "{1}"))), "s", 0, 0)
	for _, want := range []string{"{}", long, "{1}"} {
		got, err := r.Next()
		if err != nil || string(got) != want {
			t.Fatalf("Next = %.20q, %v", got, err)
		}
	}
	for range 2 {
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %v, want EOF", err)
		}
	}
	if r.Lines() != 3 {
		t.Errorf("%d lines, want 3", r.Lines())
	}
}

// TestEveryTornTail cuts a segment at each byte: whole lines are read, the rest
// is torn, nothing is called corrupt.
func TestEveryTornTail(t *testing.T) {
	whole := segment(`{"a":1}`, `{"b":2}`, `{"c":3}`)
	size := len(whole) / 3
	for n := range len(whole) {
		r := NewReader(bytes.NewReader(whole[:n]), "s", 0, 0)
		for i := range n / size {
			if _, err := r.Next(); err != nil {
				t.Fatalf("cut at %d, line %d: %v", n, i, err)
			}
		}
		want := ErrTorn
		if n%size == 0 {
			want = io.EOF
		}
		if _, err := r.Next(); !errors.Is(err, want) {
			t.Errorf("cut at %d: %v, want %v", n, err, want)
		}
		if r.Offset() != int64(n/size*size) {
			t.Errorf("cut at %d: offset %d", n, r.Offset())
		}
	}
}

func TestTornTailOfZeros(t *testing.T) {
	r := NewReader(io.MultiReader(bytes.NewReader(segment("{}")), bytes.NewReader(make([]byte, 3*MaxLine))), "s", 0, 0)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); !errors.Is(err, ErrTorn) {
		t.Errorf("zeros at the end: %v, want ErrTorn", err)
	}
}

// TestEveryFlippedByte damages each byte of a middle line in turn: the reader
// says so and goes on behind it.
func TestEveryFlippedByte(t *testing.T) {
	first := len(segment(`{"a":1}`))
	clean := segment(`{"a":1}`, `{"b":2}`, `{"c":3}`)
	for i := first; i < 2*first; i++ {
		for _, flip := range []byte{0x01, 0x20, 0x80} {
			data := bytes.Clone(clean)
			data[i] ^= flip
			if data[i] == '\n' {
				continue
			}
			r := NewReader(bytes.NewReader(data), "00.log", 0, 0)
			bad, good := 0, 0
			for {
				_, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				var corrupt *CorruptError
				switch {
				case err == nil:
					good++
				case errors.As(err, &corrupt):
					bad++
					if corrupt.Offset != int64(first) || corrupt.Line != 2 || corrupt.Segment != "00.log" {
						t.Errorf("damage at byte %d reported as %v", i, corrupt)
					}
				default:
					t.Fatal(err)
				}
			}
			if bad != 1 || good < 1 {
				t.Errorf("byte %d flipped by %#x: %d good, %d bad lines", i, flip, good, bad)
			}
		}
	}
}

func TestOverlongLineIsCorrupt(t *testing.T) {
	data := append(AppendLine(nil, bytes.Repeat([]byte("z"), MaxLine)), segment("{}")...)
	r := NewReader(bytes.NewReader(data), "s", 0, 0)
	var corrupt *CorruptError
	if _, err := r.Next(); !errors.As(err, &corrupt) {
		t.Fatalf("line over the limit: %v", err)
	}
	if e, err := r.Next(); err != nil || string(e) != "{}" {
		t.Errorf("behind it: %q, %v", e, err)
	}
}

func TestReadErrorIsNotDamage(t *testing.T) {
	broken := errors.New("bad sector")
	r := NewReader(io.MultiReader(bytes.NewReader(segment("{}")[:5]), iotest.ErrReader(broken)), "s", 0, 0)
	if _, err := r.Next(); !errors.Is(err, broken) || errors.Is(err, ErrTorn) {
		t.Errorf("%v, want the read error", err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(segment(`{"a":1}`, `{"b":2}`))
	f.Add([]byte("00000000 \n\n\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(bytes.NewReader(data), "s", 0, 0)
		var again []byte
		damaged := false
		for {
			entry, err := r.Next()
			var corrupt *CorruptError
			switch {
			case errors.As(err, &corrupt):
				damaged = true
				continue
			case err != nil:
				rest := data[r.Offset():]
				if torn := errors.Is(err, ErrTorn); torn != (len(rest) > 0) || bytes.IndexByte(rest, '\n') >= 0 {
					t.Fatalf("%v with %q left", err, rest)
				}
				if !damaged && !bytes.Equal(again, data[:r.Offset()]) {
					t.Fatalf("%q read as %q", data, again)
				}
				return
			}
			again = AppendLine(again, entry)
		}
	})
}
