package index

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

func containsText(file []byte, s string) bool { return bytes.Contains(file, []byte(s)) }

func TestValidate(t *testing.T) {
	long := strings.Repeat("x", MaxText+1)
	for want, q := range map[string]Query{
		"":                    {Severity: "WARN", Since: start, Until: start.Add(1), Text: "a b", Limit: MaxLimit},
		"severity \"LOUD\"":   {Severity: "LOUD"},
		"not before until":    {Since: start, Until: start},
		"limit 10001":         {Limit: MaxLimit + 1},
		"limit -1":            {Limit: -1},
		"actor: longer":       {Actor: long},
		"text: longer":        {Text: long},
		"more than 16 words":  {Text: "a b c d e f g h i j k l m n o p q"},
		"no letter":           {Text: "--"},
		"more than 100 types": {Types: make([]portcullis.EventType, 101)},
	} {
		err := q.Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	x := New(t.TempDir(), Options{})
	if _, err := x.Search(t.Context(), Query{Limit: -1}); err == nil {
		t.Error("a wrong question is answered")
	}
	if r, err := x.Search(t.Context(), Query{}); err != nil || len(r.Events) != 0 {
		t.Errorf("an empty folder: %v, %v", r, err)
	}
}

func TestMatch(t *testing.T) {
	e := makeEvent(7)
	e.Actor.IP = netip.MustParseAddr("::ffff:192.0.2.9")
	e.Type, e.Severity, e.Outcome, e.Reason = "AUTHZ_DENIED", "WARN", "failure", "forbidden"
	for name, tt := range map[string]struct {
		q    Query
		want bool
	}{
		"all":            {Query{}, true},
		"since equal":    {Query{Since: e.Time}, true},
		"since later":    {Query{Since: e.Time.Add(1)}, false},
		"until equal":    {Query{Until: e.Time}, false},
		"until later":    {Query{Until: e.Time.Add(time.Millisecond)}, true},
		"worse":          {Query{Severity: "INFO"}, true},
		"not bad enough": {Query{Severity: "ERROR"}, false},
		"key id":         {Query{Actor: e.Actor.KeyID}, true},
		"part of name":   {Query{Actor: e.Actor.ID[:4]}, false},
		"mapped address": {Query{Address: netip.MustParsePrefix("192.0.2.9/32")}, true},
		"network":        {Query{Address: netip.MustParsePrefix("192.0.2.0/28")}, true},
		"other network":  {Query{Address: netip.MustParsePrefix("192.0.2.16/28")}, false},
		"two words":      {Query{Text: "FORBIDDEN, call"}, true},
		"part of a word": {Query{Text: "forbid"}, false},
		"caller's name":  {Query{Text: "user"}, false},
	} {
		if got := newMatcher(&tt.q, &Options{}).match(&e); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	var nobody portcullis.Event
	if newMatcher(&Query{Actor: "x"}, &Options{Subject: func(string) string { return "" }}).match(&nobody) {
		t.Error("an empty name matches events of nobody")
	}
}

func TestSets(t *testing.T) {
	for _, n := range []int{0, 1, 63, 64, 65, 200, BlockSize} {
		var s set
		s.fill(n)
		if got := s.last(BlockSize); got != n-1 {
			t.Errorf("last of %d is %d", n, got)
		}
		if n > 0 && s.last(n-1) != n-2 {
			t.Errorf("last before %d is %d", n-1, s.last(n-1))
		}
		if s.empty() != (n == 0) || n < BlockSize && s.has(n) {
			t.Errorf("fill(%d)", n)
		}
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte{0, 1, 2, 255})
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{1}, 3000))
	f.Fuzz(func(t *testing.T, gaps []byte) {
		var positions []uint16
		var want, got set
		at := -1
		for _, g := range gaps {
			if at += int(g) + 1; at >= BlockSize {
				break
			}
			positions = append(positions, uint16(at))
			want.add(at)
		}
		list := encodeList(positions)
		if len(list) > BlockSize/8+1 {
			t.Errorf("%d bytes", len(list))
		}
		if err := decodeList(&got, list); err != nil || got != want {
			t.Errorf("%v came back otherwise, %v", positions, err)
		}
		_ = decodeList(&got, gaps) // whatever a file holds: no panic
		_, _ = decodeRefs(gaps, 100)
		_, _ = decodeTimes(gaps, 100)
		_ = mayHave(gaps, 42)
	})
}

// Filters are values: whatever they hold, the answer is that of reading all.
func FuzzHostileFilters(f *testing.F) {
	for _, s := range []string{"' OR 1=1 --", "\"", "*", "a* NEAR b", "user:007", "x') ; DROP TABLE lists; --", "\x00", "\xff", "%", "tool_07", "AND OR NOT", "forbidden"} {
		f.Add(s)
	}
	dir := f.TempDir()
	fill(f, dir, 0, BlockSize+50, testSegment)
	x := New(dir, Options{})
	f.Cleanup(func() { _ = x.Close() })
	if err := x.Update(f.Context(), nil); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, q := range []Query{
			{Actor: s}, {Resource: s}, {Route: s}, {Reason: s}, {RequestID: s}, {Text: s},
			{Types: []portcullis.EventType{portcullis.EventType(s)}}, {Outcomes: []portcullis.Outcome{portcullis.Outcome(s)}},
			{Severity: portcullis.Severity(s)},
		} {
			r, err := x.Search(t.Context(), q)
			if err != nil {
				if q.Validate() == nil {
					t.Errorf("%+v: %v", q, err)
				}
				continue
			}
			m := newMatcher(&q, &x.opts)
			for _, found := range r.Events {
				if !m.match(&found.Event) {
					t.Errorf("%+v: found %+v", q, found.Event)
				}
			}
		}
	})
}
