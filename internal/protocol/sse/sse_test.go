package sse_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/portcullis-dev/portcullis/internal/protocol/sse"
)

type want struct {
	typ, id string
	hasID   bool
	retry   int
	data    string // "-" means no data
}

func collect(t *testing.T, r io.Reader, limit int) ([]sse.Event, []byte, error) {
	t.Helper()
	rd := sse.NewReader(r, limit)
	var events []sse.Event
	var raw []byte
	for {
		e, err := rd.Next()
		if err != nil {
			if _, again := rd.Next(); !errors.Is(again, err) {
				t.Errorf("error is not final: %v, then %v", err, again)
			}
			return events, raw, err
		}
		c := *e
		c.Data, c.Raw = bytes.Clone(e.Data), bytes.Clone(e.Raw)
		if e.Data != nil && c.Data == nil {
			c.Data = []byte{}
		}
		raw = append(raw, e.Raw...)
		events = append(events, c)
	}
}

func TestNext(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want []want
		err  error
	}{
		"one event":                {"data: {\"a\":1}\n\n", []want{{data: `{"a":1}`}}, io.EOF},
		"crlf":                     {"event: message\r\nid: 7\r\ndata: x\r\n\r\n", []want{{typ: "message", id: "7", hasID: true, data: "x"}}, io.EOF},
		"cr":                       {"event: a\rdata: x\r\rdata: y\r\r", []want{{typ: "a", data: "x"}, {data: "y"}}, io.EOF},
		"mixed line ends":          {"data: a\rdata: b\r\ndata: c\n\r\n", []want{{data: "a\nb\nc"}}, io.EOF},
		"byte order mark":          {"\ufeffdata: x\n\n", []want{{data: "x"}}, io.EOF},
		"second byte order mark":   {"data: x\n\n\ufeffdata: y\n\n", []want{{data: "x"}, {data: "-"}}, io.EOF},
		"several lines":            {"data: YHOO\ndata: +2\ndata: 10\n\n", []want{{data: "YHOO\n+2\n10"}}, io.EOF},
		"one space is dropped":     {"data:  x\n\ndata:y\n\n", []want{{data: " x"}, {data: "y"}}, io.EOF},
		"empty data":               {"id: 1\ndata\n\ndata:\ndata\n\n", []want{{id: "1", hasID: true}, {data: "\n"}}, io.EOF},
		"comment":                  {": keep-alive\n\n", []want{{data: "-"}}, io.EOF},
		"blank lines":              {"\n\ndata: x\n\n", []want{{data: "-"}, {data: "-"}, {data: "x"}}, io.EOF},
		"id is reset":              {"id\ndata: x\n\n", []want{{hasID: true, data: "x"}}, io.EOF},
		"id with NUL is ignored":   {"id: a\x00b\ndata: x\n\n", []want{{data: "x"}}, io.EOF},
		"same id again":            {"id: a\n\nid: a\n\n", []want{{id: "a", hasID: true, data: "-"}, {id: "a", hasID: true, data: "-"}}, io.EOF},
		"id does not carry over":   {"id: a\n\ndata: x\n\n", []want{{id: "a", hasID: true, data: "-"}, {data: "x"}}, io.EOF},
		"retry":                    {"retry: 3000\n\n", []want{{retry: 3000, data: "-"}}, io.EOF},
		"retry is digits only":     {"retry: 3s\ndata: x\n\n", []want{{data: "x"}}, io.EOF},
		"retry empty":              {"retry\ndata: x\n\n", []want{{data: "x"}}, io.EOF},
		"retry out of range":       {"retry: 99999999999999999999\ndata: x\n\n", []want{{data: "x"}}, io.EOF},
		"unknown and folded names": {"Data: a\nDATA: b\nfoo: c\n data: d\ndata : e\n\n", []want{{data: "-"}}, io.EOF},
		"last type wins":           {"event: a\nevent: b\ndata: x\n\n", []want{{typ: "b", data: "x"}}, io.EOF},
		"endpoint":                 {"event: endpoint\ndata: /m?s=1\n\n", []want{{typ: "endpoint", data: "/m?s=1"}}, io.EOF},
		"cut in a line":            {"data: x\n\ndata: y", []want{{data: "x"}}, io.ErrUnexpectedEOF},
		"cut before blank line":    {"data: x\n", nil, io.ErrUnexpectedEOF},
		"cut after CR":             {"data: x\r", nil, io.ErrUnexpectedEOF},
		"empty stream":             {"", nil, io.EOF},
		"only a byte order mark":   {"\ufeff", nil, io.EOF},
		"half a byte order mark":   {"\xef\xbb", nil, io.ErrUnexpectedEOF},
	} {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"whole":     func(r io.Reader) io.Reader { return r },
			"by byte":   iotest.OneByteReader,
			"data+err":  iotest.DataErrReader,
			"half read": iotest.HalfReader,
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				got, _, err := collect(t, wrap(strings.NewReader(tc.in)), 0)
				if !errors.Is(err, tc.err) {
					t.Errorf("error %v, want %v", err, tc.err)
				}
				if len(got) != len(tc.want) {
					t.Fatalf("%d events, want %d: %+v", len(got), len(tc.want), got)
				}
				for i, w := range tc.want {
					g := got[i]
					if g.Type != w.typ || g.ID != w.id || g.HasID != w.hasID || g.Retry != w.retry {
						t.Errorf("event %d: %+v, want %+v", i, g, w)
					}
					if w.data == "-" != (g.Data == nil) || g.Dispatched() != (w.data != "-") {
						t.Errorf("event %d: data %v, want %q", i, g.Data, w.data)
					}
					if g.Data != nil && string(g.Data) != w.data {
						t.Errorf("event %d: data %q, want %q", i, g.Data, w.data)
					}
				}
			})
		}
	}
}

func TestRawIsTheStream(t *testing.T) {
	in := ": hi\n\nevent: message\r\nid: 1\r\ndata: a\r\ndata: b\r\n\r\ndata: c\r\r\n\ndata: d\n\n"
	_, raw, err := collect(t, strings.NewReader(in), 0)
	if !errors.Is(err, io.EOF) || string(raw) != in {
		t.Errorf("raw %q (%v), want %q", raw, err, in)
	}
}

func TestLimit(t *testing.T) {
	const limit = 100
	fits := "data: " + strings.Repeat("x", limit-8) + "\n\n"
	for name, in := range map[string]string{
		"one line":     "data: x\n\ndata: " + strings.Repeat("x", limit) + "\n\n",
		"endless line": "data: x\n\ndata: " + strings.Repeat("x", 100*limit),
		"many lines":   "data: x\n\n" + strings.Repeat("data: x\n", limit),
		"by one":       "data: x\n\n:" + fits,
	} {
		t.Run(name, func(t *testing.T) {
			events, _, err := collect(t, strings.NewReader(in), limit)
			if !errors.Is(err, sse.ErrTooLarge) || len(events) != 1 {
				t.Errorf("%d events, %v; want 1 event and ErrTooLarge", len(events), err)
			}
		})
	}
	if events, _, err := collect(t, strings.NewReader(fits+fits), limit); len(events) != 2 || !errors.Is(err, io.EOF) {
		t.Errorf("an event of exactly the limit: %d events, %v", len(events), err)
	}
}

// An event must be handed out as soon as its blank line is there, even if the
// stream then falls silent.
func TestNextDoesNotWait(t *testing.T) {
	for _, in := range []string{"data: x\n\n", "data: x\r\n\r\n", "data: x\r\r", "data: x\r\n\r"} {
		pr, pw := io.Pipe()
		go func() {
			_, _ = io.WriteString(pw, in) // then nothing: the stream stays open
		}()
		e, err := sse.NewReader(pr, 0).Next()
		if err != nil || string(e.Data) != "x" {
			t.Errorf("%q: %+v, %v", in, e, err)
		}
		_ = pr.Close()
	}
}

func TestReadErrors(t *testing.T) {
	broken := errors.New("connection reset")
	r := io.MultiReader(strings.NewReader("data: x\n\ndata: y"), iotest.ErrReader(broken))
	if events, _, err := collect(t, r, 0); len(events) != 1 || !errors.Is(err, broken) {
		t.Errorf("%d events, %v", len(events), err)
	}
	if _, _, err := collect(t, silent{}, 0); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that never progresses: %v", err)
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestAppendEvent(t *testing.T) {
	for name, tc := range map[string]struct {
		e    sse.Event
		want string
	}{
		"empty":        {sse.Event{}, ":\n\n"},
		"data":         {sse.Event{Data: []byte(`{"a":1}`)}, "data: {\"a\":1}\n\n"},
		"empty data":   {sse.Event{Data: []byte{}}, "data: \n\n"},
		"lines":        {sse.Event{Data: []byte("a\nb\r\nc\rd\n")}, "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"},
		"all":          {sse.Event{Type: "message", ID: "9", HasID: true, Retry: 5, Data: []byte("x")}, "event: message\nid: 9\nretry: 5\ndata: x\n\n"},
		"empty id":     {sse.Event{HasID: true}, "id: \n\n"},
		"type injects": {sse.Event{Type: "a\ndata: evil", Data: []byte("x")}, "data: x\n\n"},
		"id injects":   {sse.Event{ID: "a\rdata: evil", HasID: true, Data: []byte("x")}, "data: x\n\n"},
		"id with NUL":  {sse.Event{ID: "a\x00", HasID: true, Data: []byte("x")}, "data: x\n\n"},
	} {
		if got := string(sse.AppendEvent([]byte("<"), &tc.e)); got != "<"+tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{
		"data: x\n\n", "event: a\r\nid: 1\r\ndata: a\r\ndata:b\r\n\r\n", "\ufeffdata\r\r", ":c\n\nretry: 10\n\n",
		"data: a\rdata: b\r\n\r", "id: \x00\n\n", "event:  a\ndata: \n\n", "data: x", "\r\n\n\r\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, _, err := collect(t, bytes.NewReader(in), 0)
		split, _, err2 := collect(t, iotest.OneByteReader(bytes.NewReader(in)), 0)
		if !errors.Is(err, err2) || len(whole) != len(split) {
			t.Fatalf("reading by byte: %d events %v, at once: %d events %v", len(split), err2, len(whole), err)
		}
		var again []byte
		for i := range whole {
			if !same(&whole[i], &split[i]) {
				t.Fatalf("event %d: %+v by byte, %+v at once", i, split[i], whole[i])
			}
			again = sse.AppendEvent(again, &whole[i])
		}
		back, _, err := collect(t, bytes.NewReader(again), 0)
		if !errors.Is(err, io.EOF) || len(back) != len(whole) {
			t.Fatalf("%q: %d events %v, want %d", again, len(back), err, len(whole))
		}
		for i := range whole {
			if !same(&whole[i], &back[i]) {
				t.Fatalf("event %d: %+v, want %+v", i, back[i], whole[i])
			}
		}
	})
}

func same(a, b *sse.Event) bool {
	return a.Type == b.Type && a.ID == b.ID && a.HasID == b.HasID && a.Retry == b.Retry &&
		(a.Data == nil) == (b.Data == nil) && bytes.Equal(a.Data, b.Data)
}

func BenchmarkNext(b *testing.B) {
	block := []byte("event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"" +
		strings.Repeat("x", 250) + "\"}]}}\n\n")
	rd := sse.NewReader(&loop{block: block}, 0)
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rd.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

// loop is a stream that repeats a block without end.
type loop struct {
	block []byte
	at    int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.block[l.at:])
	l.at = (l.at + n) % len(l.block)
	return n, nil
}
