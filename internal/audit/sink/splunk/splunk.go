// Package splunk sends events to a Splunk HTTP Event Collector (requirement
// S4-22). Where the token has indexer acknowledgement, events count as sent
// when the indexer says so, not when the collector has taken them.
package splunk

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
)

// Config says where the collector is and what events are filed under.
type Config struct {
	URL        string // of the server; the path of the collector is added if there is none
	Token      sink.Secret
	Host       string // left out when empty
	Source     string
	SourceType string
	Index      string // empty = the token's own
	Encoder    sink.Encoder
	TLS        post.TLS
}

const (
	eventPath = "/services/collector/event"
	ackPath   = "/services/collector/ack"

	// How often the indexer is asked, at first and at most.
	firstPoll, lastPoll = 100 * time.Millisecond, 2 * time.Second
)

// Sender is a connection to a collector.
type Sender struct {
	cfg        Config
	auth       post.Auth
	event, ack string
	channel    string
	fields     []byte // what every event has beside its time
	client     *post.Client
}

var _ sink.Sender = (*Sender)(nil)

// New returns a sender. It connects when it has something to send.
func New(c Config) (*Sender, error) {
	client, err := post.New(c.TLS)
	if err != nil {
		return nil, err
	}
	base := strings.TrimSuffix(strings.TrimRight(c.URL, "/"), eventPath)
	s := &Sender{
		cfg: c, auth: post.Auth{Scheme: "Splunk", Secret: c.Token}, client: client,
		event: base + eventPath, ack: base + ackPath, channel: newChannel(),
	}
	for _, f := range [...][2]string{{"host", c.Host}, {"source", c.Source}, {"sourcetype", c.SourceType}, {"index", c.Index}} {
		if f[1] == "" {
			continue
		}
		value, err := json.Marshal(f[1])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f[0], err)
		}
		s.fields = append(append(s.fields, `,"`+f[0]+`":`...), value...)
	}
	return s, nil
}

// newChannel returns a UUID: acknowledgements are numbered per channel, and a
// process has one of its own.
func newChannel() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Append appends the envelope of an event. Its time is that of the event, not
// of sending.
func (s *Sender) Append(dst []byte, e *portcullis.Event) ([]byte, error) {
	start := len(dst)
	dst = append(dst, `{"time":`...)
	ms := e.Time.UnixMilli()
	dst = strconv.AppendFloat(dst, float64(ms)/1000, 'f', 3, 64)
	dst = append(dst, s.fields...)
	dst = append(dst, `,"event":`...)
	body := len(dst)
	dst, err := s.cfg.Encoder.Append(dst, e)
	if err != nil {
		return dst[:start], err
	}
	if len(dst) == body || dst[body] != '{' { // CEF and LEEF are text
		text, err := json.Marshal(string(dst[body:]))
		if err != nil {
			return dst[:start], err
		}
		dst = append(dst[:body], text...)
	}
	return append(dst, '}'), nil
}

// answer is what the collector says.
type answer struct {
	Text  string `json:"text"`
	Code  int    `json:"code"`
	AckID *int64 `json:"ackId"`
}

// Codes of the collector about the request, not about the events in it, which
// come with status 400.
const (
	wrongIndex     = 7
	noChannel      = 10
	badChannel     = 11
	acksNotAllowed = 14
)

// Send posts a batch and waits for its acknowledgement.
func (s *Sender) Send(ctx context.Context, items []sink.Item) error {
	var body bytes.Buffer
	for _, i := range items {
		body.Write(i.Data)
		body.WriteByte('\n')
	}
	got, secret, err := s.ask(ctx, s.event, body.Bytes())
	if err != nil {
		return err
	}
	var a answer
	if json.Unmarshal(got.Body, &a) != nil {
		return &sink.Error{Fault: sink.Misconfigured, Err: errors.New("the answer is not that of a collector"), Said: post.Excerpt(got.Body, secret)}
	}
	if a.Code != 0 {
		return &sink.Error{Err: fmt.Errorf("the collector answered code %d", a.Code), Said: post.Excerpt([]byte(a.Text), secret)}
	}
	if a.AckID == nil {
		return nil
	}
	return s.await(ctx, *a.AckID)
}

// await asks until the indexer has the batch. A collector that lost it, as one
// that was restarted has, never says so: then time runs out, and the batch is
// sent again.
func (s *Sender) await(ctx context.Context, id int64) error {
	question, err := json.Marshal(map[string][]int64{"acks": {id}})
	if err != nil {
		return err
	}
	var last error
	for wait := firstPoll; ; wait = min(2*wait, lastPoll) {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if last == nil {
				last = errors.New("the indexer did not acknowledge in time")
			}
			return &sink.Error{Err: last}
		}
		got, _, err := s.ask(ctx, s.ack, question)
		if err != nil {
			var known *sink.Error
			if errors.As(err, &known) && known.Fault != sink.Away {
				return err
			}
			last = fmt.Errorf("asking for an acknowledgement: %w", err)
			continue
		}
		var a struct {
			Acks map[string]bool `json:"acks"`
		}
		if json.Unmarshal(got.Body, &a) == nil && a.Acks[strconv.FormatInt(id, 10)] {
			return nil
		}
	}
}

func (s *Sender) ask(ctx context.Context, url string, body []byte) (post.Answer, string, error) {
	h := http.Header{"Content-Type": {"application/json"}, "X-Splunk-Request-Channel": {s.channel}}
	secret, err := s.auth.Apply(h)
	if err != nil {
		return post.Answer{}, "", err
	}
	got, err := s.client.Do(ctx, post.Request{URL: url, Header: h, Body: body, Secret: secret})
	var known *sink.Error
	if errors.As(err, &known) && known.Fault == sink.Refused && aboutRequest(known) {
		known.Fault = sink.Misconfigured
	}
	return got, secret, err
}

// aboutRequest reports whether a 400 is about the index or the channel.
func aboutRequest(e *sink.Error) bool {
	var a answer
	if json.Unmarshal([]byte(e.Said), &a) != nil {
		return false
	}
	switch a.Code {
	case wrongIndex, noChannel, badChannel, acksNotAllowed:
		return true
	}
	return false
}

// Close ends connections.
func (s *Sender) Close() error { return s.client.Close() }
