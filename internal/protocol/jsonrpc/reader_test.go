package jsonrpc_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

const slotName, slotMeta = jsonrpc.FirstSlot, jsonrpc.FirstSlot + 1

func newReader() *jsonrpc.Reader {
	return jsonrpc.NewReader(jsonrpc.NewMembers(
		jsonrpc.Member{Name: "name", Slot: slotName},
		jsonrpc.Member{Name: "_meta", Slot: slotMeta},
		jsonrpc.Member{Name: "task_id", Slot: jsonrpc.Refused},
	))
}

func read(body string, lim jsonrpc.Limits) (jsonrpc.Message, []jsonrpc.Value, error) {
	r := newReader()
	slots := make([]jsonrpc.Value, r.Slots())
	m, err := r.Read([]byte(body), lim, slots)
	return m, slots, err
}

func TestAccepted(t *testing.T) {
	for name, tc := range map[string]struct {
		body  string
		shape portcullis.Shape
		id    string
		code  int
	}{
		"request":            {`{"jsonrpc":"2.0","id":1,"method":"a/b","params":{"name":"x"}}`, portcullis.ShapeRequest, "1", 0},
		"string id":          {`{"jsonrpc":"2.0","id":"é\u00e9","method":"m"}`, portcullis.ShapeRequest, `"é\u00e9"`, 0},
		"empty id":           {`{"jsonrpc":"2.0","id":"","method":"m"}`, portcullis.ShapeRequest, `""`, 0},
		"id of 256 bytes":    {`{"jsonrpc":"2.0","id":"` + strings.Repeat(`\u0061`, 256) + `","method":"m"}`, portcullis.ShapeRequest, `"` + strings.Repeat(`\u0061`, 256) + `"`, 0},
		"negative id":        {`{"jsonrpc":"2.0","id":-9007199254740991,"method":"m"}`, portcullis.ShapeRequest, "-9007199254740991", 0},
		"zero id":            {`{"jsonrpc":"2.0","id":0,"method":"m"}`, portcullis.ShapeRequest, "0", 0},
		"largest id":         {`{"jsonrpc":"2.0","id":9007199254740991,"method":"m"}`, portcullis.ShapeRequest, "9007199254740991", 0},
		"notification":       {`{"jsonrpc":"2.0","method":"notifications/initialized"}`, portcullis.ShapeNotification, "", 0},
		"array params":       {`{"jsonrpc":"2.0","id":1,"method":"m","params":[1,2]}`, portcullis.ShapeRequest, "1", 0},
		"result":             {`{"jsonrpc":"2.0","id":1,"result":{"Name":1,"name":2}}`, portcullis.ShapeResult, "1", 0},
		"null result":        {`{"jsonrpc":"2.0","id":1,"result":null}`, portcullis.ShapeResult, "1", 0},
		"error":              {`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no","data":[1]}}`, portcullis.ShapeError, "1", -32601},
		"error, null id":     {`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}`, portcullis.ShapeError, "", -32700},
		"error, no id":       {`{"jsonrpc":"2.0","error":{"code":5,"message":"no"}}`, portcullis.ShapeError, "", 5},
		"white space":        {" \t\r\n{ \"jsonrpc\" : \"2.0\" , \"id\" : 1 , \"method\" : \"m\" , \"params\" : { } } \n", portcullis.ShapeRequest, "1", 0},
		"any order":          {`{"params":{"a":[]},"method":"m","id":1,"jsonrpc":"2.0"}`, portcullis.ShapeRequest, "1", 0},
		"escaped values":     {`{"jsonrpc":"\u0032.0","id":1,"method":"tools\/call"}`, portcullis.ShapeRequest, "1", 0},
		"user data":          {`{"jsonrpc":"2.0","id":1,"method":"m","params":{"arguments":{"a":1,"A":2,"ａ":3,"\u200ba":4,"jsonrpc":5,"Method":6}}}`, portcullis.ShapeRequest, "1", 0},
		"same names apart":   {`{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":{"a":1},"y":{"a":1},"z":[{"a":1},{"a":1}]}}`, portcullis.ShapeRequest, "1", 0},
		"numbers":            {`{"jsonrpc":"2.0","id":1,"method":"m","params":[0,-0,1.5,-1e3,1E+10,1e-400,12345678901234567890,1.7976931348623157e308]}`, portcullis.ShapeRequest, "1", 0},
		"surrogate pair":     {`{"jsonrpc":"2.0","id":1,"method":"m","params":["\ud83d\uDE00😀\uFFFF"]}`, portcullis.ShapeRequest, "1", 0},
		"other params names": {`{"jsonrpc":"2.0","id":1,"method":"m","params":{"named":1,"nam":1,"x y":1,"é":1}}`, portcullis.ShapeRequest, "1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			m, _, err := read(tc.body, jsonrpc.DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			if m.Shape != tc.shape || string(m.ID.Raw([]byte(tc.body))) != tc.id || m.ErrorCode != tc.code {
				t.Errorf("shape %d, id %s, code %d", m.Shape, m.ID.Raw([]byte(tc.body)), m.ErrorCode)
			}
		})
	}
}

func request(params string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"m","params":` + params + `}`
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"n%d":0`, i)
	}
	return b.String()[1:]
}

func TestLimits(t *testing.T) {
	deep := func(n int) string { return request(strings.Repeat("[", n-1) + strings.Repeat("]", n-1)) }
	array := func(n int) string { return request("[" + strings.Repeat("0,", n-1) + "0]") }
	object := func(n int) string { return request("{" + manyNames(n) + "}") }
	text := func(n int) string { return request(`["` + strings.Repeat(`\u00e9`, n/2) + `"]`) }
	name := func(n int) string { return request(`{"` + strings.Repeat("n", n) + `":1}`) }
	for _, tc := range []struct {
		rule string
		make func(int) string
		most int
	}{
		{"nesting too deep", deep, 10},
		{"too many array elements", array, 1000},
		{"too many members", object, 1000},
		{"string too long", text, 100_000},
		{"string too long", name, 100_000},
	} {
		if _, _, err := read(tc.make(tc.most), jsonrpc.DefaultLimits()); err != nil {
			t.Errorf("%d: %v", tc.most, err)
		}
		_, _, err := read(tc.make(tc.most+2), jsonrpc.DefaultLimits())
		checkRefusal(t, err, portcullis.KindMalformed, portcullis.CodeInvalidRequest, tc.rule)
	}
	_, _, err := read(request(`{"a":`+strings.Repeat(`{"a":`, 9)+`0`+strings.Repeat("}", 10)), jsonrpc.DefaultLimits())
	checkRefusal(t, err, portcullis.KindMalformed, portcullis.CodeInvalidRequest, "nesting too deep")

	body := request(`{}`)
	lim := jsonrpc.DefaultLimits()
	lim.MaxBytes = len(body)
	if _, _, err := read(body, lim); err != nil {
		t.Error(err)
	}
	_, _, err = read(body+" ", lim)
	checkRefusal(t, err, portcullis.KindTooLarge, portcullis.CodeInvalidRequest, "bytes")
}

func TestLimitsValidate(t *testing.T) {
	for _, l := range []jsonrpc.Limits{jsonrpc.DefaultLimits(), jsonrpc.DefaultReplyLimits()} {
		if err := l.Validate(); err != nil {
			t.Error(err)
		}
	}
	l := jsonrpc.DefaultLimits()
	l.MaxDepth = 1001
	if err := l.Validate(); err == nil || err.Error() != "max_depth: 1001: want 1 to 1000" {
		t.Error(err)
	}
	if err := (jsonrpc.Limits{}).Validate(); err == nil || err.Error() != "max_bytes: 0: want 1 to 1073741824" {
		t.Error(err)
	}
}

// The detail goes to the log, where no byte of the message may stand.
func TestDetailHoldsNoContent(t *testing.T) {
	_, _, err := read(`{"jsonrpc":"2.0","id":1,"method":"m","SECRET-hunter2":1}`, jsonrpc.DefaultLimits())
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

// The answer to a message that is one object but no valid request names the id.
func TestIDOfARefusedMessage(t *testing.T) {
	body := `{"jsonrpc":"1.0","id":"a","method":"m"}`
	m, _, err := read(body, jsonrpc.DefaultLimits())
	if err == nil || string(m.ID.Raw([]byte(body))) != `"a"` || m.Shape != portcullis.ShapeInvalid {
		t.Errorf("%+v, %v", m, err)
	}
	if m, _, err = read(`{"id":1,"id":2}`, jsonrpc.DefaultLimits()); err == nil || m.ID.Kind != jsonrpc.Absent {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestSlots(t *testing.T) {
	body := []byte(request(`{"x":[{"name":"no"}],"name":"a\n\u00e9\ud83d\ude00\/\"\\\b\f\r\t","_meta":{"name":1}}`))
	r := newReader()
	slots := make([]jsonrpc.Value, r.Slots())
	if _, err := r.Read(body, jsonrpc.DefaultLimits(), slots); err != nil {
		t.Fatal(err)
	}
	if got, want := slots[slotName].Text(body), "a\né😀/\"\\\b\f\r\t"; got != want || !slots[slotName].Is(body, want) {
		t.Errorf("name %q, want %q", got, want)
	}
	if got := string(slots[slotMeta].Raw(body)); got != `{"name":1}` || slots[slotMeta].Kind != jsonrpc.Object {
		t.Errorf("_meta %s", got)
	}
	var absent jsonrpc.Value
	if absent.Raw(body) != nil || absent.Text(body) != "" || absent.Is(body, "") {
		t.Error("an absent value is there")
	}
}

// Finding duplicates must not cost the square of the members: 5e9 comparisons
// for the largest object here alone.
func TestManyMembers(t *testing.T) {
	lim := jsonrpc.DefaultReplyLimits()
	const objects = 100
	var b strings.Builder
	for i := range objects {
		b.WriteString(`,{` + manyNames(1000+i) + `}`)
	}
	body := `{"jsonrpc":"2.0","id":1,"result":[` + b.String()[1:] + `,{` + manyNames(100_000) + `}]}`
	if _, _, err := read(body, lim); err != nil {
		t.Fatal(err)
	}
}
