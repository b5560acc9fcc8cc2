// Command bench measures what the gateway costs per call, beside a bare
// reverse proxy (the yardstick) and nginx, in one run on one machine.
//
// It starts a small HTTP MCP upstream, an httputil.ReverseProxy with a tuned
// transport, nginx with an API-key map and limit_req where nginx is installed,
// and the gateway with its whole default pipeline. Each target answers the
// same tools/call over 64 connections and over one, interleaved, in rounds;
// medians and ratios to the yardstick are printed as a Markdown table.
//
// Usage: go run ./test/bench -bin ./portcullis [-n 30000] [-rounds 3] [-soak 1000000]
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "-role" {
		if err := serveRole(os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.StringVar(&o.bin, "bin", "./portcullis", "gateway binary")
	flag.IntVar(&o.n, "n", 30000, "requests per measurement over 64 connections; a fifth of it over one")
	flag.IntVar(&o.rounds, "rounds", 3, "interleaved rounds")
	flag.IntVar(&o.soak, "soak", 0, "afterwards send this many requests to the gateway and print its memory")
	flag.Parse()
	start := time.Now()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	fmt.Printf("\n(whole run: %s)\n", time.Since(start).Round(time.Second))
}

type options struct {
	bin    string
	n      int
	rounds int
	soak   int
}
