package jsonrpc_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

const (
	parse   = portcullis.CodeParse
	invalid = portcullis.CodeInvalidRequest
)

type refusal struct {
	body string
	code int
	rule string
}

// Each rule of the package comment, and how it is refused. The known holes of
// other readers are here: CVE-2026-27896 (names folded in case or by Unicode
// compatibility) and GHSA-q382-vc8q-7jhj (a NUL behind a name).
func TestRefused(t *testing.T) {
	for _, cases := range []map[string]refusal{refusedText(), refusedNames(), refusedSpellings(), refusedShapes()} {
		for name, tc := range cases {
			t.Run(name, func(t *testing.T) {
				_, _, err := read(tc.body, jsonrpc.DefaultLimits())
				checkRefusal(t, err, portcullis.KindMalformed, tc.code, tc.rule)
			})
		}
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

// What is no JSON, or no single message.
func refusedText() map[string]refusal {
	return map[string]refusal{
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
		"batch":                {`[` + request(`{}`) + `]`, invalid, "batch"},
		"empty batch":          {`[]`, invalid, "batch"},
		"string":               {`"m"`, invalid, "no object"},
		"number":               {`1`, invalid, "no object"},
		"null":                 {`null`, invalid, "no object"},
	}
}

// Names that occur twice or hide a NUL.
func refusedNames() map[string]refusal {
	return map[string]refusal{
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
	}
}

// Other spellings of the names of the protocol, and unknown names.
func refusedSpellings() map[string]refusal {
	return map[string]refusal{
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
	}
}

// Objects that are no message.
func refusedShapes() map[string]refusal {
	return map[string]refusal{
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
}
