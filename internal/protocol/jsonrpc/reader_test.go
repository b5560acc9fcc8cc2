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

type refusal struct {
	body string
	code int
	rule string
}

// Each rule of the package comment, and how it is refused. The known holes of
// other readers are here: CVE-2026-27896 (names folded in case or by Unicode
// compatibility) and GHSA-q382-vc8q-7jhj (a NUL behind a name).
func TestRefused(t *testing.T) {
	const parse, invalid = portcullis.CodeParse, portcullis.CodeInvalidRequest
	cases := map[string]refusal{
		"empty":                {"", parse, "unexpected end"},
		"white space only":     {" \n", parse, "unexpected end"},
		"cut object":           {`{"jsonrpc":"2.0"`, parse, "unexpected end"},
		"cut name":             {`{"jsonrpc`, parse, "unexpected end"},
		"cut after name":       {`{"jsonrpc"`, parse, "unexpected end"},
		"cut before value":     {`{"jsonrpc":`, parse, "unexpected end"},
		"cut array":            {`[1`, parse, "unexpected end"},
		"cut escape":           {`"a\`, parse, "unexpected end"},
		"no colon":             {`{"jsonrpc" "2.0"}`, parse, "missing colon"},
		"no comma":             {`{"jsonrpc":"2.0" "id":1}`, parse, "missing comma or brace"},
		"no comma in array":    {`[1 2]`, parse, "missing comma or bracket"},
		"trailing comma":       {`{"jsonrpc":"2.0",}`, parse, "missing member name"},
		"array trailing comma": {`[1,]`, parse, "invalid character"},
		"comment":              {request(`/* */ {}`), parse, "invalid character"},
		"single quotes":        {`{'jsonrpc':"2.0"}`, parse, "missing member name"},
		"bad literal":          {request(`[tru]`), parse, "invalid literal"},
		"upper case literal":   {request(`[True]`), parse, "invalid character"},
		"NaN":                  {request(`[NaN]`), parse, "invalid character"},
		"leading zero":         {request(`[01]`), parse, "missing comma or bracket"},
		"leading plus":         {request(`[+1]`), parse, "invalid character"},
		"bare minus":           {request(`[-]`), parse, "invalid number"},
		"bare fraction":        {request(`[.5]`), parse, "invalid character"},
		"no fraction digits":   {request(`[1.]`), parse, "invalid number"},
		"no exponent digits":   {request(`[1e+]`), parse, "invalid number"},
		"infinite":             {request(`[1e999]`), invalid, "number out of range"},
		"infinite integer":     {request(`[` + strings.Repeat("9", 310) + `]`), invalid, "number out of range"},
		"endless number":       {request(`[0.` + strings.Repeat("0", 600) + `1]`), invalid, "number too long"},
		"control character":    {request("[\"a\tb\"]"), parse, "control character"},
		"raw NUL":              {request("[\"a\x00b\"]"), parse, "control character"},
		"bad escape":           {request(`["\x41"]`), parse, "invalid escape"},
		"bad hex":              {request(`["\u00g1"]`), parse, "invalid escape"},
		"cut hex":              {`"\u00`, parse, "invalid escape"},
		"invalid UTF-8":        {request("[\"\xff\"]"), parse, "invalid UTF-8"},
		"overlong UTF-8":       {request("[\"\xc0\xaf\"]"), parse, "invalid UTF-8"},
		"UTF-8 surrogate":      {request("[\"\xed\xa0\x80\"]"), parse, "invalid UTF-8"},
		"cut UTF-8":            {request("[\"\xe2\x82\"]"), parse, "invalid UTF-8"},
		"lone high surrogate":  {request(`["\ud800"]`), parse, "lone surrogate"},
		"lone low surrogate":   {request(`["\udc00"]`), parse, "lone surrogate"},
		"two high surrogates":  {request(`["\ud800\ud800"]`), parse, "lone surrogate"},
		"surrogate and text":   {request(`["\ud800 dc00"]`), parse, "lone surrogate"},
		"byte order mark":      {"\ufeff" + request(`{}`), parse, "byte order mark"},
		"second message":       {request(`{}`) + request(`{}`), parse, "bytes after the message"},
		"trailing brace":       {request(`{}`) + "}", parse, "bytes after the message"},
		"trailing NUL":         {request(`{}`) + "\x00", parse, "bytes after the message"},
		"UTF-16":               {"{\x00}\x00", parse, "missing member name"},

		"batch":       {`[` + request(`{}`) + `]`, invalid, "batch"},
		"empty batch": {`[]`, invalid, "batch"},
		"string":      {`"m"`, invalid, "no object"},
		"number":      {`1`, invalid, "no object"},
		"null":        {`null`, invalid, "no object"},

		"duplicate method":         {`{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}`, invalid, "duplicate"},
		"duplicate id":             {`{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}`, invalid, "duplicate"},
		"duplicate, escaped":       {`{"jsonrpc":"2.0","id":1,"method":"a","m\u0065thod":"b"}`, invalid, "duplicate"},
		"duplicate params name":    {request(`{"name":"a","name":"b"}`), invalid, "duplicate"},
		"duplicate in arguments":   {request(`{"arguments":{"a":{"b":1,"b":2}}}`), invalid, "duplicate"},
		"duplicate in an array":    {request(`[{"b":1,"b":2}]`), invalid, "duplicate"},
		"duplicate, both escaped":  {request(`{"arguments":{"\u0062":1,"\u0062":2}}`), invalid, "duplicate"},
		"duplicate, solidus":       {request(`{"arguments":{"a\/b":1,"a/b":2}}`), invalid, "duplicate"},
		"duplicate, surrogates":    {request(`{"arguments":{"😀":1,"\ud83d\ude00":2}}`), invalid, "duplicate"},
		"duplicate in result":      {`{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[]}}`, invalid, "duplicate"},
		"duplicate empty name":     {request(`{"arguments":{"":1,"":2}}`), invalid, "duplicate"},
		"duplicate far apart":      {request(`{"arguments":{` + manyNames(500) + `,"n7":1}}`), invalid, "duplicate"},
		"duplicate after nesting":  {request(`{"arguments":{` + manyNames(20) + `,"x":{` + manyNames(300) + `},"n19":1}}`), invalid, "duplicate"},
		"NUL in an argument name":  {request(`{"arguments":{"a\u0000":1}}`), invalid, "NUL"},
		"NUL behind method":        {`{"jsonrpc":"2.0","id":1,"method":"a","method\u0000":"b"}`, invalid, "NUL"},
		"NUL behind method, alone": {`{"jsonrpc":"2.0","id":1,"method\u0000":"b"}`, invalid, "NUL"},

		"Method":                  {`{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}`, invalid, "other spelling"},
		"Method, alone":           {`{"jsonrpc":"2.0","id":1,"Method":"b"}`, invalid, "other spelling"},
		"JSONRPC":                 {`{"JSONRPC":"2.0","id":1,"method":"b"}`, invalid, "other spelling"},
		"ID":                      {`{"jsonrpc":"2.0","ID":1,"method":"b"}`, invalid, "other spelling"},
		"Params":                  {`{"jsonrpc":"2.0","id":1,"method":"b","Params":{}}`, invalid, "other spelling"},
		"full width":              {`{"jsonrpc":"2.0","id":1,"ＭＥＴＨＯＤ":"b"}`, invalid, "other spelling"},
		"long s":                  {`{"jsonrpc":"2.0","id":1,"method":"b","paramſ":{}}`, invalid, "other spelling"},
		"escaped method":          {`{"jsonrpc":"2.0","id":1,"m\u0065thod":"b"}`, invalid, "escaped spelling"},
		"zero width space":        {`{"jsonrpc":"2.0","id":1,"met\u200bhod":"b"}`, invalid, "other spelling"},
		"zero width joiner":       {`{"jsonrpc":"2.0","id":1,"method` + "\u200d" + `":"b"}`, invalid, "other spelling"},
		"byte order mark inside":  {`{"jsonrpc":"2.0","id":1,"\ufeffmethod":"b"}`, invalid, "other spelling"},
		"soft hyphen":             {`{"jsonrpc":"2.0","id":1,"met\u00adhod":"b"}`, invalid, "other spelling"},
		"variation selector":      {`{"jsonrpc":"2.0","id":1,"method\ufe0f":"b"}`, invalid, "other spelling"},
		"Hangul filler":           {`{"jsonrpc":"2.0","id":1,"method\u3164":"b"}`, invalid, "other spelling"},
		"tag character":           {`{"jsonrpc":"2.0","id":1,"method\udb40\udc41":"b"}`, invalid, "other spelling"},
		"control character name":  {`{"jsonrpc":"2.0","id":1,"method\u0008":"b"}`, invalid, "other spelling"},
		"space behind":            {`{"jsonrpc":"2.0","id":1,"method ":"b"}`, invalid, "other spelling"},
		"dotless i":               {`{"jsonrpc":"2.0","ıd":1,"method":"b"}`, invalid, "other spelling"},
		"dotted I":                {`{"jsonrpc":"2.0","İd":1,"method":"b"}`, invalid, "other spelling"},
		"combining mark":          {`{"jsonrpc":"2.0","id":1,"me` + "\u0301" + `thod":"b"}`, invalid, "other spelling"},
		"params Name":             {request(`{"name":"a","Name":"b"}`), invalid, "other spelling"},
		"params NAME, alone":      {request(`{"NAME":"b"}`), invalid, "other spelling"},
		"params escaped name":     {request(`{"n\u0061me":"b"}`), invalid, "escaped spelling"},
		"params circled letters":  {request(`{"ⓝame":"b"}`), invalid, "other spelling"},
		"params bold letters":     {request(`{"𝐧ame":"b"}`), invalid, "other spelling"},
		"params Kelvin sign":      {request(`{"tas` + "\u212a" + `_id":"b"}`), invalid, "other spelling"},
		"params long and unusual": {request(`{"` + strings.Repeat("é", 129) + `":"b"}`), invalid, "other spelling"},
		"params refused spelling": {request(`{"task_id":"b"}`), invalid, "other spelling"},
		"params folded _META":     {request(`{"_META":{}}`), invalid, "other spelling"},
		"error Code":              {`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m","Code":2}}`, invalid, "other spelling"},
		"unknown member":          {`{"jsonrpc":"2.0","id":1,"method":"b","extra":1}`, invalid, "unknown member"},

		"no jsonrpc":                {`{"id":1,"method":"m"}`, invalid, "jsonrpc"},
		"jsonrpc 1.0":               {`{"jsonrpc":"1.0","id":1,"method":"m"}`, invalid, "jsonrpc"},
		"jsonrpc number":            {`{"jsonrpc":2.0,"id":1,"method":"m"}`, invalid, "jsonrpc"},
		"jsonrpc with space":        {`{"jsonrpc":"2.0 ","id":1,"method":"m"}`, invalid, "jsonrpc"},
		"nothing":                   {`{}`, invalid, "jsonrpc"},
		"no method":                 {`{"jsonrpc":"2.0","id":1}`, invalid, "exactly one"},
		"method and result":         {`{"jsonrpc":"2.0","id":1,"method":"m","result":1}`, invalid, "exactly one"},
		"result and error":          {`{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":"m"}}`, invalid, "exactly one"},
		"result and null error":     {`{"jsonrpc":"2.0","id":1,"result":1,"error":null}`, invalid, "exactly one"},
		"null id":                   {`{"jsonrpc":"2.0","id":null,"method":"m"}`, invalid, "id is neither"},
		"null id of a result":       {`{"jsonrpc":"2.0","id":null,"result":1}`, invalid, "id is neither"},
		"fraction id":               {`{"jsonrpc":"2.0","id":1.5,"method":"m"}`, invalid, "safe integer"},
		"whole fraction id":         {`{"jsonrpc":"2.0","id":1.0,"method":"m"}`, invalid, "safe integer"},
		"exponent id":               {`{"jsonrpc":"2.0","id":1e2,"method":"m"}`, invalid, "safe integer"},
		"negative zero id":          {`{"jsonrpc":"2.0","id":-0,"method":"m"}`, invalid, "safe integer"},
		"unsafe id":                 {`{"jsonrpc":"2.0","id":9007199254740992,"method":"m"}`, invalid, "safe integer"},
		"unsafe negative id":        {`{"jsonrpc":"2.0","id":-9007199254740992,"method":"m"}`, invalid, "safe integer"},
		"huge id":                   {`{"jsonrpc":"2.0","id":99999999999999999999999999,"method":"m"}`, invalid, "safe integer"},
		"bool id":                   {`{"jsonrpc":"2.0","id":true,"method":"m"}`, invalid, "id is neither"},
		"object id":                 {`{"jsonrpc":"2.0","id":{},"method":"m"}`, invalid, "id is neither"},
		"array id":                  {`{"jsonrpc":"2.0","id":[1],"method":"m"}`, invalid, "id is neither"},
		"long id":                   {`{"jsonrpc":"2.0","id":"` + strings.Repeat("a", 257) + `","method":"m"}`, invalid, "too long"},
		"long escaped id":           {`{"jsonrpc":"2.0","id":"` + strings.Repeat(`\n`, 257) + `","method":"m"}`, invalid, "too long"},
		"method number":             {`{"jsonrpc":"2.0","id":1,"method":1}`, invalid, "no string"},
		"method null":               {`{"jsonrpc":"2.0","id":1,"method":null}`, invalid, "no string"},
		"method empty":              {`{"jsonrpc":"2.0","id":1,"method":""}`, invalid, "empty or too long"},
		"method long":               {`{"jsonrpc":"2.0","id":1,"method":"` + strings.Repeat("m", 101) + `"}`, invalid, "empty or too long"},
		"method with space":         {`{"jsonrpc":"2.0","id":1,"method":"tools/call "}`, invalid, "visible ASCII"},
		"method with NUL":           {`{"jsonrpc":"2.0","id":1,"method":"tools/call\u0000"}`, invalid, "visible ASCII"},
		"method not ASCII":          {`{"jsonrpc":"2.0","id":1,"method":"tools/ｃall"}`, invalid, "visible ASCII"},
		"params string":             {request(`"x"`), invalid, "neither object nor array"},
		"params null":               {request(`null`), invalid, "neither object nor array"},
		"result with params":        {`{"jsonrpc":"2.0","id":1,"result":1,"params":{}}`, invalid, "params in a response"},
		"result without id":         {`{"jsonrpc":"2.0","result":1}`, invalid, "without id"},
		"error string":              {`{"jsonrpc":"2.0","id":1,"error":"m"}`, invalid, "no object"},
		"error without code":        {`{"jsonrpc":"2.0","id":1,"error":{"message":"m"}}`, invalid, "code is no integer"},
		"error with fraction code":  {`{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":"m"}}`, invalid, "code is no integer"},
		"error with string code":    {`{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":"m"}}`, invalid, "code is no integer"},
		"error without message":     {`{"jsonrpc":"2.0","id":1,"error":{"code":1}}`, invalid, "message is no string"},
		"error with object message": {`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":{}}}`, invalid, "message is no string"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(tc.body, jsonrpc.DefaultLimits())
			checkRefusal(t, err, portcullis.KindMalformed, tc.code, tc.rule)
		})
	}
}

func checkRefusal(t *testing.T, err error, kind portcullis.Kind, code int, rule string) {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want a refusal: %s", err, rule)
	}
	if e.Kind != kind || e.Code != code || !strings.Contains(e.Detail, rule) ||
		e.Reason != "input_rejected" || e.Event != portcullis.EventInputRejected {
		t.Errorf("%+v, want kind %d, code %d, rule %q", e, kind, code, rule)
	}
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
