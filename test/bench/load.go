package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

type loadResult struct {
	perSecond float64
	p50, p99  time.Duration
}

// load sends n requests over conns connections and times each. The client
// writes a prepared request and reads to the end of the reply, so that it
// costs little beside the servers.
func load(t *target, n, conns int) (loadResult, error) {
	req := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n%s\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n%s", t.path, t.addr, t.version, t.key, len(t.body), t.body)
	var left atomic.Int64
	left.Store(int64(n))
	times := make([][]time.Duration, conns)
	errs := make(chan error, conns)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range conns {
		wg.Go(func() {
			if err := drive(t.addr, req, &left, &times[i]); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	select {
	case err := <-errs:
		return loadResult{}, err
	default:
	}
	all := slices.Concat(times...)
	slices.Sort(all)
	return loadResult{float64(len(all)) / took.Seconds(), all[len(all)/2], all[len(all)*99/100]}, nil
}

func drive(addr string, req []byte, left *atomic.Int64, times *[]time.Duration) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer c.Close()
	r := bufio.NewReaderSize(c, 8<<10)
	for left.Add(-1) >= 0 {
		t := time.Now()
		if _, err := c.Write(req); err != nil {
			return fmt.Errorf("sending: %w", err)
		}
		if err := readReply(r); err != nil {
			return err
		}
		*times = append(*times, time.Since(t))
	}
	return nil
}

// readReply reads one 200 reply with a length or in chunks.
func readReply(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("reading the status: %w", err)
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
		rest, _ := io.ReadAll(io.LimitReader(r, 600)) // for the message only
		return fmt.Errorf("reply %q: %s", line, rest)
	}
	length, chunked := -1, false
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return fmt.Errorf("reading headers: %w", err)
		}
		if len(line) <= 2 {
			break
		}
		if v, ok := headerValue(line, "content-length:"); ok {
			length = 0
			for _, d := range v {
				length = length*10 + int(d-'0')
			}
		}
		if _, ok := headerValue(line, "transfer-encoding:"); ok {
			chunked = true
		}
	}
	if chunked {
		return discardChunks(r)
	}
	if _, err := r.Discard(length); err != nil {
		return fmt.Errorf("reading the body: %w", err)
	}
	return nil
}

func headerValue(line []byte, name string) ([]byte, bool) {
	if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name):]), true
}

func discardChunks(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("reading a chunk: %w", err)
		}
		var size int
		if _, err := fmt.Sscanf(string(line), "%x", &size); err != nil {
			return fmt.Errorf("chunk size %q: %w", line, err)
		}
		if _, err := r.Discard(size + 2); err != nil {
			return fmt.Errorf("reading a chunk: %w", err)
		}
		if size == 0 {
			return nil
		}
	}
}
