// Package jsonhttp posts events as JSON to any server that takes them: an OCSF
// collector, a log pipeline. A batch is an array, or one object per line.
package jsonhttp

import (
	"context"
	"net/http"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
)

// Config says where events go.
type Config struct {
	URL     string
	Auth    post.Auth
	Lines   bool // one object per line instead of an array
	Encoder sink.Encoder
	TLS     post.TLS
}

// Sender is a connection to a server.
type Sender struct {
	cfg    Config
	client *post.Client
}

var _ sink.Sender = (*Sender)(nil)

// New returns a sender. It connects when it has something to send.
func New(c Config) (*Sender, error) {
	client, err := post.New(c.TLS)
	if err != nil {
		return nil, err
	}
	return &Sender{cfg: c, client: client}, nil
}

// Append appends the JSON of an event.
func (s *Sender) Append(dst []byte, e *portcullis.Event) ([]byte, error) {
	return s.cfg.Encoder.Append(dst, e)
}

// Send posts a batch. Any 2xx takes all of it.
func (s *Sender) Send(ctx context.Context, items []sink.Item) error {
	h := http.Header{"Content-Type": {"application/json"}}
	body := Array(items)
	if s.cfg.Lines {
		h.Set("Content-Type", "application/x-ndjson")
		body = Lines(items)
	}
	secret, err := s.cfg.Auth.Apply(h)
	if err != nil {
		return err
	}
	_, err = s.client.Do(ctx, post.Request{URL: s.cfg.URL, Header: h, Body: body, Secret: secret})
	return err
}

// Close ends connections.
func (s *Sender) Close() error { return s.client.Close() }

// Array returns the items as one JSON array.
func Array(items []sink.Item) []byte {
	out := []byte{'['}
	for i, item := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, item.Data...)
	}
	return append(out, ']')
}

// Lines returns the items, each on a line.
func Lines(items []sink.Item) []byte {
	var out []byte
	for _, item := range items {
		out = append(append(out, item.Data...), '\n')
	}
	return out
}
