// Package statsd counts anomalies in a StatsD server: PREFIX.METRIC.anomaly, by
// UDP. Names hold nothing but letters, digits, dashes and underscores.
package statsd

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/detect/alert"
)

// Config says where counters go.
type Config struct {
	Address string   // host and port
	Prefix  string   // "mcp.anomaly."
	Tags    []string // of DogStatsD, "name:value"; none = plain StatsD
}

// Channel counts.
type Channel struct{ cfg Config }

var _ alert.Counter = (*Channel)(nil)

// New returns a channel.
func New(c Config) *Channel { return &Channel{c} }

// Takes implements alert.Channel.
func (c *Channel) Takes(k alert.Kind) bool { return k == alert.Test }

// Close implements alert.Channel.
func (c *Channel) Close() error { return nil }

// Send counts a test.
func (c *Channel) Send(ctx context.Context, m *alert.Message) (alert.Receipt, error) {
	if m.Kind != alert.Test {
		return alert.Receipt{}, nil
	}
	err := c.Count(ctx, map[string]int{m.Metric: 1})
	return alert.Receipt{Said: "sent by UDP: nobody confirms it"}, err
}

// maxDatagram fits into one packet everywhere.
const maxDatagram = 1200

// Count implements alert.Counter.
func (c *Channel) Count(ctx context.Context, n map[string]int) (err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", c.cfg.Address)
	if err != nil {
		return fmt.Errorf("statsd: %w", err)
	}
	defer func() {
		if cerr := conn.Close(); err == nil {
			err = cerr
		}
	}()
	for _, datagram := range c.datagrams(n) {
		if _, err := conn.Write([]byte(datagram)); err != nil {
			return fmt.Errorf("statsd: %w", err)
		}
	}
	return nil
}

func (c *Channel) datagrams(n map[string]int) []string {
	sums := map[string]int{} // names that are the same when they are clean
	for metric, k := range n {
		sums[Name(metric)] += k
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		text := c.cfg.Prefix + name + ".anomaly:" + strconv.Itoa(sums[name]) + "|c"
		if len(c.cfg.Tags) > 0 {
			text += "|#" + strings.Join(c.cfg.Tags, ",")
		}
		if last := len(out) - 1; last >= 0 && len(out[last])+1+len(text) <= maxDatagram {
			out[last] += "\n" + text
		} else {
			out = append(out, text)
		}
	}
	return out
}

// maxName bounds a name of a metric.
const maxName = 80

// Name makes a metric's name one that no server reads as anything else.
func Name(metric string) string {
	b := []byte(strings.ToLower(metric[:min(len(metric), maxName)]))
	for i, c := range b {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			b[i] = '_'
		}
	}
	if len(b) == 0 {
		return "unknown"
	}
	return string(b)
}
