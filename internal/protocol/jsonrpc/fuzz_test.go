package jsonrpc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Random objects, small and large, nested and in a row: a message is refused
// exactly if jsontext finds a name twice.
func TestDuplicatesLikeJSONText(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var object func(depth int) string
	object = func(depth int) string {
		var b strings.Builder
		b.WriteByte('{')
		count := rng.IntN(60) >> rng.IntN(4)
		for i := range count {
			if i > 0 {
				b.WriteByte(',')
			}
			name := strconv.Itoa(rng.IntN(count * count * 8))
			if rng.IntN(4) == 0 {
				name = `\u003` + name[:1] + name[1:]
			}
			fmt.Fprintf(&b, `"%s":`, name)
			if depth > 0 && rng.IntN(8) == 0 {
				b.WriteString(object(depth - 1))
			} else {
				b.WriteByte('0')
			}
		}
		return b.String() + "}"
	}
	refused := 0
	for range 3000 {
		body := request(`{"arguments":` + object(4) + `}`)
		_, _, err := read(body, jsonrpc.DefaultReplyLimits())
		_, want := jsontext.NewDecoder(strings.NewReader(body)).ReadValue()
		if (err == nil) != (want == nil) {
			t.Fatalf("%s: %v, but jsontext: %v", body, err, want)
		}
		if err != nil {
			checkRefusal(t, err, portcullis.KindMalformed, portcullis.CodeInvalidRequest, "duplicate")
			refused++
		}
	}
	if refused < 500 || refused > 2500 {
		t.Errorf("%d of 3000 have duplicates: the test tests little", refused)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		request(`{"name":"x","arguments":{"a":[1,2.5e3,"\u00e9\ud83d\ude00"]}}`),
		`{"jsonrpc":"2.0","method":"m"}`, `{"jsonrpc":"2.0","id":"a","result":{}}`,
		`{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"m"}}`, `[` + request(`{}`) + `]`,
		request(`{` + manyNames(20) + `}`), request(`{"a\/b":1,"Name":2}`), "\ufeff{}", request("[\"\xff\"]"),
		request(`[1e309,-0.0,1E5]`), request(`{"\u0000":1}`), `{"jsonrpc":"2.0","id":1e0,"method":"m"}`,
	} {
		f.Add([]byte(s))
	}
	r := newReader()
	f.Fuzz(func(t *testing.T, body []byte) {
		slots := make([]jsonrpc.Value, r.Slots())
		m, err := r.Read(body, jsonrpc.DefaultLimits(), slots)
		if err != nil {
			if m.Shape != portcullis.ShapeInvalid {
				t.Fatalf("refused with a shape: %+v", m)
			}
			return
		}
		agrees(t, body, m, slots)
	})
}

// agrees checks that jsontext accepts the message in its strict mode, that
// encoding/json reads the same from it, and that both see every string alike.
func agrees(t *testing.T, body []byte, m jsonrpc.Message, slots []jsonrpc.Value) {
	t.Helper()
	dec := jsontext.NewDecoder(bytes.NewReader(body))
	if _, err := dec.ReadValue(); err != nil {
		t.Fatalf("jsontext refuses %q: %v", body, err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		t.Fatalf("jsontext finds more in %q: %v", body, err)
	}
	var want struct {
		ID     json.RawMessage
		Method string
		Params json.RawMessage
		Result json.RawMessage
		Error  struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal(body, &want); err != nil {
		t.Fatalf("encoding/json refuses %q: %v", body, err)
	}
	if got := m.Method.Text(body); got != want.Method {
		t.Fatalf("method %q, want %q", got, want.Method)
	}
	if got := m.ID.Raw(body); !bytes.Equal(got, want.ID) && string(want.ID) != "null" {
		t.Fatalf("id %q, want %q", got, want.ID)
	}
	if !bytes.Equal(m.Params.Raw(body), want.Params) || !bytes.Equal(m.Result.Raw(body), want.Result) {
		t.Fatalf("params or result differ in %q", body)
	}
	if m.ErrorCode != want.Error.Code || m.ErrorText.Text(body) != want.Error.Message {
		t.Fatalf("error %d %q, want %+v", m.ErrorCode, m.ErrorText.Text(body), want.Error)
	}
	if m.Params.Kind == jsonrpc.Object {
		var p struct {
			Name any `json:"name"`
		}
		if err := json.Unmarshal(want.Params, &p); err != nil {
			t.Fatal(err)
		}
		if s, ok := p.Name.(string); ok != (slots[slotName].Kind == jsonrpc.String) || s != slots[slotName].Text(body) {
			t.Fatalf("name %q, want %v", slots[slotName].Text(body), p.Name)
		}
	}
}

// call350 is a tools/call of 350 bytes.
func call350() []byte {
	head := `{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{"name":"search_history","arguments":{"query":"`
	tail := `","limit":20,"offset":0,"deep":true,"domains":["example.com","example.org"]},"_meta":{"progressToken":7}}}`
	return []byte(head + strings.Repeat("q", 350-len(head)-len(tail)) + tail)
}

func BenchmarkRead(b *testing.B) {
	body, r, lim := call350(), newReader(), jsonrpc.DefaultLimits()
	slots := make([]jsonrpc.Value, r.Slots())
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		clear(slots)
		if _, err := r.Read(body, lim, slots); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJSONText is the tokenizer that the scanner stands in for.
func BenchmarkJSONText(b *testing.B) {
	body := call350()
	var src bytes.Buffer
	dec := jsontext.NewDecoder(&src)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset()
		src.Write(body)
		dec.Reset(&src)
		for {
			if _, err := dec.ReadToken(); err != nil {
				break
			}
		}
	}
}

func BenchmarkReadReply(b *testing.B) {
	var list strings.Builder
	for i := range 1000 {
		list.WriteString(`,{"name":"tool` + strconv.Itoa(i) + `","description":"` + strings.Repeat("text ", 40) +
			`","inputSchema":{"type":"object","properties":{"a":{"type":"string"}}}}`)
	}
	body := []byte(`{"jsonrpc":"2.0","id":1,"result":{"tools":[` + list.String()[1:] + `]}}`)
	r, lim := newReader(), jsonrpc.DefaultReplyLimits()
	slots := make([]jsonrpc.Value, r.Slots())
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		clear(slots)
		if _, err := r.Read(body, lim, slots); err != nil {
			b.Fatal(err)
		}
	}
}

func TestReadDoesNotAllocate(t *testing.T) {
	body, r, lim := call350(), newReader(), jsonrpc.DefaultLimits()
	slots := make([]jsonrpc.Value, r.Slots())
	if n := testing.AllocsPerRun(100, func() {
		clear(slots)
		if _, err := r.Read(body, lim, slots); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
