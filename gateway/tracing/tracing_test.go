package tracing

import (
	"net/http"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/obs/trace"
)

// off goes the way of a call that nobody traces.
func off(s *trace.Switch, conn *portcullis.Conn, m *portcullis.Message, call *portcullis.Call) int {
	c := Begin(s, conn)
	ctx := conn.HTTP.Context()
	for _, phase := range [...]string{"edge", "authn", "contain", "decode", "admit", "authz", "inspect", "record", "forward", "review"} {
		c.Phase(phase)
	}
	ctx = c.Read(ctx, m)
	ctx = c.Forward(ctx, call)
	c.Refuse("authz", "tool", "forbidden")
	c.End(ctx, m, 200, obs.Succeeded, nil)
	return len(c.ID()) + len(c.Exemplar())
}

func untraced(t testing.TB) (*portcullis.Conn, *portcullis.Message, *portcullis.Call) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/mcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	return &portcullis.Conn{HTTP: r}, &portcullis.Message{Method: "tools/call"}, &portcullis.Call{Header: []portcullis.Field{{Name: "Traceparent", Value: "x"}}}
}

// TestOffCostsNothing: a call that nobody traces allocates nothing for it and
// its headers stay.
func TestOffCostsNothing(t *testing.T) {
	conn, m, call := untraced(t)
	for name, s := range map[string]*trace.Switch{"none": nil, "empty": new(trace.Switch)} {
		if n := testing.AllocsPerRun(100, func() {
			if off(s, conn, m, call) != 0 {
				t.Error("an id of no trace")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if len(call.Header) != 1 || call.Header[0].Value != "x" {
		t.Errorf("headers became %v", call.Header)
	}
}

func BenchmarkOff(b *testing.B) {
	conn, m, call := untraced(b)
	s := new(trace.Switch)
	b.ReportAllocs()
	for b.Loop() {
		off(s, conn, m, call)
	}
}

// TestTwoParents: two traceparent fields are none, whichever comes first.
func TestTwoParents(t *testing.T) {
	const a, b = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01"
	if sc := fromHeader(http.Header{"Traceparent": {a}, "Tracestate": {"x=1", "y=2"}}); !sc.IsValid() || sc.TraceState().Len() != 2 {
		t.Errorf("%v", sc)
	}
	if sc := fromHeader(http.Header{"Traceparent": {a, b}}); sc.IsValid() {
		t.Errorf("%v", sc)
	}
}
