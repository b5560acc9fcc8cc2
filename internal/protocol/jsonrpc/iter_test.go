package jsonrpc_test

import (
	"encoding/json"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

func TestWalk(t *testing.T) {
	raw := []byte(` { "a" : 1 , "b":[{"x":"]}\""},2], "c\"":"s", "d":{} ,"e":null,"f":true } `)
	want := []string{"a=1", `b=[{"x":"]}\""},2]`, `c"="s"`, "d={}", "e=null", "f=true"}
	it := jsonrpc.Walk(raw)
	for _, w := range want {
		if !it.Next() {
			t.Fatalf("ends before %s", w)
		}
		if got := it.Name.Text(raw) + "=" + string(it.Value.Raw(raw)); got != w {
			t.Errorf("got %s, want %s", got, w)
		}
	}
	if it.Next() || it.Bad {
		t.Error("does not end well")
	}
	it = jsonrpc.Walk([]byte(`[1,[2],"3"]`))
	n := 0
	for it.Next() {
		n++
	}
	if n != 3 || it.Bad || it.Next() {
		t.Errorf("%d elements, bad %v", n, it.Bad)
	}
	for _, nothing := range []string{"", " ", "1", `"x"`, "{}", "[ ]"} {
		if it := jsonrpc.Walk([]byte(nothing)); it.Next() || it.Bad {
			t.Errorf("%q yields something", nothing)
		}
	}
	for _, bad := range []string{"{", "[1", "[1 2]", `{"a"}`, `{"a":}`, `{a:1}`, `["`, `[[`, `{"a":1`, `[,]`, `[x]`} {
		it := jsonrpc.Walk([]byte(bad))
		for it.Next() {
			continue
		}
		if !it.Bad {
			t.Errorf("%q is taken for good", bad)
		}
	}
}

// What Read accepts, Walk walks; and it ends on anything else.
func FuzzWalk(f *testing.F) {
	for _, s := range []string{request(`{"a":[1,{"b":"}"}],"c":"\""}`), `[1,"x"`, `{"a":}`, `{"\\":{}}`, `["\`} {
		f.Add([]byte(s))
	}
	r := newReader()
	f.Fuzz(func(t *testing.T, body []byte) {
		it := jsonrpc.Walk(body)
		names := map[string]json.RawMessage{}
		for it.Next() {
			if it.Name.Kind == jsonrpc.String {
				names[string(it.Name.Raw(body))] = it.Value.Raw(body)
			}
		}
		if _, err := r.Read(body, jsonrpc.DefaultLimits(), make([]jsonrpc.Value, r.Slots())); err != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(body, &want); err != nil || it.Bad || len(want) != len(names) {
			t.Fatalf("%q: bad %v, %d members, want %d (%v)", body, it.Bad, len(names), len(want), err)
		}
		for name, raw := range names {
			var plain string
			if err := json.Unmarshal([]byte(name), &plain); err != nil || string(want[plain]) != string(raw) {
				t.Fatalf("%q: %s is %s, want %s", body, name, raw, want[plain])
			}
		}
	})
}
