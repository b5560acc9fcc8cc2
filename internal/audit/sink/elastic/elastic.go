// Package elastic sends events to Elasticsearch or OpenSearch with the bulk
// API. Documents are created under the id of their event, so one that is sent
// twice is there once.
package elastic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
)

// Config says where documents go.
type Config struct {
	URL     string // of the cluster
	Auth    post.Auth
	Index   string // an index, an alias or a data stream
	Encoder sink.Encoder
	TLS     post.TLS
}

// Sender is a connection to a cluster.
type Sender struct {
	cfg    Config
	url    string
	index  []byte
	client *post.Client
}

var _ sink.Sender = (*Sender)(nil)

// New returns a sender. It connects when it has something to send.
func New(c Config) (*Sender, error) {
	client, err := post.New(c.TLS)
	if err != nil {
		return nil, err
	}
	index, err := json.Marshal(c.Index)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	// Of the answer, only what is needed: the rest grows with the batch.
	const path = "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
	return &Sender{cfg: c, url: strings.TrimRight(c.URL, "/") + path, index: index, client: client}, nil
}

// Append appends the two lines of a document.
func (s *Sender) Append(dst []byte, e *portcullis.Event) ([]byte, error) {
	start := len(dst)
	id, err := json.Marshal(e.ID)
	if err != nil {
		return dst, err
	}
	dst = append(dst, `{"create":{"_index":`...)
	dst = append(dst, s.index...)
	dst = append(dst, `,"_id":`...)
	dst = append(dst, id...)
	dst = append(dst, "}}\n"...)
	if dst, err = s.cfg.Encoder.Append(dst, e); err != nil {
		return dst[:start], err
	}
	return append(dst, '\n'), nil
}

// result is what is said of a batch.
type result struct {
	Errors *bool `json:"errors"`
	Items  []map[string]struct {
		Status int `json:"status"`
		Error  struct {
			Type   string `json:"type"`
			Reason string `json:"reason"`
		} `json:"error"`
	} `json:"items"`
}

// Send posts a batch and looks at what became of each document.
func (s *Sender) Send(ctx context.Context, items []sink.Item) error {
	h := http.Header{"Content-Type": {"application/x-ndjson"}}
	secret, err := s.cfg.Auth.Apply(h)
	if err != nil {
		return err
	}
	var body []byte
	for _, i := range items {
		body = append(body, i.Data...)
	}
	got, err := s.client.Do(ctx, post.Request{URL: s.url, Header: h, Body: body, Secret: secret})
	if err != nil {
		return err
	}
	var r result
	if json.Unmarshal(got.Body, &r) != nil || r.Errors == nil {
		return &sink.Error{Fault: sink.Misconfigured, Err: errors.New("the answer is not that of the bulk API"), Said: post.Excerpt(got.Body, secret)}
	}
	if !*r.Errors {
		return nil
	}
	if len(r.Items) != len(items) {
		return fmt.Errorf("the answer tells of %d documents, not of %d", len(r.Items), len(items))
	}
	return judge(r, secret)
}

// judge says what became of each document. That one is there already is what
// sending it again was for.
func judge(r result, secret string) error {
	out := &sink.ItemsError{Refused: map[int]string{}}
	for i, item := range r.Items {
		if len(item) != 1 {
			return fmt.Errorf("the answer tells of %d actions on a document", len(item))
		}
		for _, is := range item {
			if is.Status >= 200 && is.Status < 300 || is.Status == http.StatusConflict {
				continue
			}
			text := post.Excerpt([]byte(is.Error.Type+": "+is.Error.Reason), secret)
			fault := post.Judge(is.Status, nil, text)
			if fault.Fault == sink.Refused {
				out.Refused[i] = fault.Whole()
				continue
			}
			if worst, ok := out.Rest.(*sink.Error); !ok || fault.Fault > worst.Fault {
				out.Rest = fault
			}
		}
	}
	if len(out.Refused) == 0 {
		return out.Rest
	}
	return out
}

// Close ends connections.
func (s *Sender) Close() error { return s.client.Close() }
