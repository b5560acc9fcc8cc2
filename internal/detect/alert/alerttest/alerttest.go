// Package alerttest has what tests of channels share: a way to post, and a
// message that holds what an attacker would put into one.
package alerttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/detect/alert"
)

// Post posts with the client of a test server.
func Post(client *http.Client) alert.Post {
	return func(ctx context.Context, r alert.Request) (int, []byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
		if err != nil {
			return 0, nil, err
		}
		req.Header = r.Header
		resp, err := client.Do(req)
		if err != nil {
			return 0, nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, nil, err
		}
		if resp.StatusCode > 299 {
			return resp.StatusCode, nil, &alert.Failure{Err: fmt.Errorf("answered %d", resp.StatusCode)}
		}
		return resp.StatusCode, body, nil
	}
}

// Secret returns a credential.
func Secret(text string) alert.Secret { return func() (string, error) { return text, nil } }

// Message is one about an anomaly.
func Message(k alert.Kind) *alert.Message {
	at := time.Date(2026, 11, 22, 6, 15, 19, 0, time.UTC)
	return &alert.Message{
		Kind: k, ID: "4b1f09c2a8d3e715", Type: "ANOMALY_DETECTED", Severity: portcullis.SeverityCritical, Summary: "Anomaly detected in bytes_out",
		Metric: "bytes_out", Stats: &alert.Stats{Value: 900, Mean: 100.5, SD: 20.25, Z: 39.4812}, Route: "files", Resource: "tool:read",
		Subject: "sealed:5ubject", Count: 3, Open: 1, First: at, Last: at.Add(time.Minute), EventID: "019aa9c1", Source: "portcullis on gw-1",
		Environment: "production", Details: []alert.Field{{Name: "baseline", Text: "hour of week"}},
	}
}

// Hostile is a message whose texts try to be more than texts.
func Hostile() *alert.Message {
	m := Message(alert.Trigger)
	m.Summary = "<!channel> <https://evil.example|click> & *bold* Bcc: x@example.com"
	m.Metric, m.Resource = "a:1|c\nb.c|#x", "tool:<@U1>"
	m.Subject = "\r\nBcc: victim@example.com\r\n\r\n.\r\nMAIL FROM:<x>"
	m.Details = append(m.Details, alert.Field{Name: "x\r\ny", Text: ".\r\nQUIT"})
	return m
}
