package bridge_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

// loop is a server in memory that answers at once.
type loop struct {
	said chan []byte
	done chan struct{}
	once sync.Once
}

func (l *loop) Send(_ context.Context, raw []byte) error {
	m, err := wire.Parse(raw)
	if err != nil || !m.Request() {
		return err
	}
	result := `{"content":[{"type":"text","text":"` + strings.Repeat("x", 300) + `"}]}`
	switch m.Method {
	case "initialize":
		result = tinyInit
	case "server/discover":
		l.said <- wire.NewError(m.ID, -32601, "no", "")
		return nil
	}
	l.said <- wire.NewResult(m.ID, []byte(result))
	return nil
}

func (l *loop) Receive() ([]byte, error) {
	select {
	case msg := <-l.said:
		return msg, nil
	case <-l.done:
		return nil, io.EOF
	}
}

func (l *loop) Close(context.Context) error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func request(version, session, raw string) *portcullis.Call {
	m, err := wire.Parse([]byte(raw))
	if err != nil {
		panic(err)
	}
	return &portcullis.Call{Principal: portcullis.Principal{ID: "alice"}, Message: &portcullis.Message{
		Shape: portcullis.ShapeRequest, ID: m.ID, Method: m.Method, Params: m.Params, Raw: m.Raw, Version: version, Session: session,
	}}
}

func BenchmarkForward(b *testing.B) {
	for name, version := range map[string]string{"session": "2025-11-25", "stateless": "2026-07-28"} {
		b.Run(name, func(b *testing.B) {
			br, err := bridge.New(bridge.Default(), bridge.Options{Log: slog.New(slog.DiscardHandler), Open: func(context.Context) (bridge.Conn, error) {
				return &loop{said: make(chan []byte, 1), done: make(chan struct{})}, nil
			}})
			if err != nil {
				b.Fatal(err)
			}
			defer br.Close(context.Background())
			session := ""
			if name == "session" {
				reply, err := br.Forward(b.Context(), request(version, "", initialize))
				if err != nil {
					b.Fatal(err)
				}
				session = reply.Header.Get("Mcp-Session-Id")
			}
			pc := request(version, session, modernTool("1", strings.Repeat("n", 100)))
			b.ReportAllocs()
			for b.Loop() {
				reply, err := br.Forward(b.Context(), pc)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, reply.Body); err != nil {
					b.Fatal(err)
				}
				reply.Body.Close()
			}
		})
	}
}
