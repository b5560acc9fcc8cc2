package jsonrpc_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

func TestReadObject(t *testing.T) {
	limits := jsonrpc.DefaultLimits()
	limits.MaxBytes = 64
	for _, c := range []struct {
		text   string
		kind   portcullis.Kind
		detail string
	}{
		{`{}`, 0, ""},
		{" {\"a\":[1,{\"b\":null}]}\r\n", 0, ""},
		{`{"jsonrpc":"2.0"}`, 0, ""},
		{``, portcullis.KindMalformed, "unexpected end"},
		{`[]`, portcullis.KindMalformed, "no object"},
		{`null`, portcullis.KindMalformed, "no object"},
		{"\xef\xbb\xbf{}", portcullis.KindMalformed, "byte order mark"},
		{`{}{}`, portcullis.KindMalformed, "bytes after"},
		{`{"a":1,"\u0061":2}`, portcullis.KindMalformed, "duplicate"},
		{`{"a":"` + "\xff" + `"}`, portcullis.KindMalformed, "UTF-8"},
		{strings.Repeat(`{"a":`, 11) + `1` + strings.Repeat(`}`, 11), portcullis.KindTooLarge, "more than 64"},
		{strings.Repeat(`[`, 11), portcullis.KindMalformed, "nesting"},
	} {
		err := jsonrpc.ReadObject([]byte(c.text), limits)
		var e *portcullis.Error
		if c.detail == "" {
			if err != nil {
				t.Errorf("%q: %v", c.text, err)
			}
			continue
		}
		if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(e.Detail, c.detail) {
			t.Errorf("%q: %+v, want %s", c.text, err, c.detail)
		}
	}
}

func TestAppendText(t *testing.T) {
	if got := string(jsonrpc.AppendText(nil, "a\"\\\n\x7f\xffä")); got != `"a\"\\\u000a\u007f`+"\ufffdä\"" {
		t.Error(got)
	}
}
