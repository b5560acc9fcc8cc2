package statsd_test

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/alert"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/alerttest"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/statsd"
)

func server(t *testing.T) net.PacketConn {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func read(t *testing.T, conn net.PacketConn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 65536)
	n, _, err := conn.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestCounts(t *testing.T) {
	conn := server(t)
	for want, tags := range map[string][]string{
		"mcp.anomaly.bytes_out.anomaly:2|c\nmcp.anomaly.latency.anomaly:1|c":                                   nil,
		"mcp.anomaly.bytes_out.anomaly:2|c|#env:prod,team:a\nmcp.anomaly.latency.anomaly:1|c|#env:prod,team:a": {"env:prod", "team:a"},
	} {
		c := statsd.New(statsd.Config{Address: conn.LocalAddr().String(), Prefix: "mcp.anomaly.", Tags: tags})
		if err := c.Count(t.Context(), map[string]int{"latency": 1, "bytes_out": 2}); err != nil {
			t.Fatal(err)
		}
		if got := read(t, conn); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if _, err := c.Send(t.Context(), alerttest.Message(alert.Test)); err != nil || !strings.HasPrefix(read(t, conn), "mcp.anomaly.bytes_out.anomaly:1|c") {
			t.Errorf("a test: %v", err)
		}
	}
}

// TestManyFit: as many datagrams as it takes, none of which is too large.
func TestManyFit(t *testing.T) {
	conn := server(t)
	c := statsd.New(statsd.Config{Address: conn.LocalAddr().String(), Prefix: "mcp.anomaly."})
	n := map[string]int{}
	for i := range 200 {
		n[fmt.Sprint("metric", i)] = i + 1
	}
	if err := c.Count(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for sum < 200*201/2 {
		text := read(t, conn)
		if len(text) > 1400 {
			t.Errorf("a datagram of %d bytes", len(text))
		}
		for _, m := range regexp.MustCompile(`(?m)^mcp\.anomaly\.metric\d+\.anomaly:(\d+)\|c$`).FindAllStringSubmatch(text, -1) {
			k, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			sum += k
		}
	}
}

func TestAwayIsAnError(t *testing.T) {
	c := statsd.New(statsd.Config{Address: "statsd.invalid:8125"})
	if err := c.Count(t.Context(), map[string]int{"x": 1}); err == nil {
		t.Error("counted nowhere")
	}
}

func FuzzName(f *testing.F) {
	f.Add("bytes_out")
	f.Add("a:1|c\nb.c|#x")
	f.Add("")
	f.Add(strings.Repeat("é", 100))
	good := regexp.MustCompile(`^[a-z0-9_-]{1,80}$`)
	f.Fuzz(func(t *testing.T, metric string) {
		got := statsd.Name(metric)
		if !good.MatchString(got) || statsd.Name(got) != got {
			t.Errorf("%q is %q", metric, got)
		}
	})
}
