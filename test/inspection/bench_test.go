package inspection

import (
	"fmt"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/inspect/catalogue"
	"github.com/portcullis-dev/portcullis/internal/inspect/content"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// realistic is about ten kilobytes of what servers answer: prose, log lines
// and rows, rich in numbers and dates, in which nothing is to be found.
func realistic() string {
	var text, rows strings.Builder
	for i := range 40 {
		fmt.Fprintf(&text, `%d. Deployment of \"service-%d\" finished on 2026-03-%02d at 14:%02d in region eu-west-%d.\nSee /var/log/app/%d.log for details; the owner is team-%d.\n`, i, i*7, i%28+1, i, i%3, i, i%5)
		if i > 0 {
			rows.WriteByte(',')
		}
		fmt.Fprintf(&rows, `{"id":%d,"name":"service-%d","region":"eu-west-%d","healthy":true,"replicas":%d,"updated":"2026-03-%02dT14:%02d:00Z"}`, 100000+i, i*7, i%3, i%4, i%28+1, i)
	}
	return `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"` + text.String() + `"}],"structuredContent":{"services":[` + rows.String() + `]}}}`
}

// BenchmarkContentRules is what a reply of ten kilobytes costs with every
// detector on, and with each alone.
func BenchmarkContentRules(b *testing.B) {
	all, err := catalogue.Detectors(catalogue.Options{})
	if err != nil {
		b.Fatal(err)
	}
	names := []string{"all"}
	for _, d := range all {
		names = append(names, d.Name())
	}
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			var rules []content.Rule
			for _, d := range all {
				if name == "all" || d.Name() == name {
					rules = append(rules, content.Rule{Detect: []string{d.Name()}, Action: content.Block})
				}
			}
			e, err := content.New(content.Options{Route: "r", Detectors: all, Results: rules})
			if err != nil {
				b.Fatal(err)
			}
			raw := []byte(realistic())
			var p mcp.Parsed
			if err := mcp.ParseInto(&p, raw, jsonrpc.DefaultReplyLimits(), portcullis.ToClient); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Inspect(b.Context(), portcullis.Principal{}, &p.Message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
