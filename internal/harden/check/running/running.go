// Package running has the rules for the state of a running gateway: keys, sinks,
// channels, tools that wait, disk, certificate.
//
// The state is what the gateway's own interface says. A part that could not be
// asked is missing from it, and the rules about it cannot tell.
package running

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// State is a gateway as of a moment. A nil part was not told.
type State struct {
	Now     time.Time `json:"now"`
	Binary  string    `json:"binary"` // version of the program that asks
	Version string    `json:"version"`
	Failing []string  `json:"failing"` // parts that are not ready
	Closed  bool      `json:"maintenance"`

	Keys        *[]Key         `json:"keys"`
	Tools       *[]Tool        `json:"tools"` // those that are held
	Sinks       *[]Sink        `json:"sinks"`
	Channels    *[]Channel     `json:"channels"`
	Incidents   *[]Incident    `json:"incidents"` // open ones
	Containment *[]Containment `json:"containments"`
	Log         *Log           `json:"log"`

	// Certificate is nil if the listener has none, and its end zero if it could
	// not be read.
	Certificate *Certificate `json:"certificate"`
}

// Key is an API key that works.
type Key struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Scopes   []string   `json:"scopes"`
	Schedule string     `json:"schedule"`
	Created  time.Time  `json:"created"`
	Used     *time.Time `json:"used"`
	Expires  *time.Time `json:"expires"`
}

// Tool is a tool that waits for an operator.
type Tool struct {
	Route string    `json:"route"`
	Name  string    `json:"name"`
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
}

// Sink is a server that gets events.
type Sink struct {
	Name    string        `json:"name"`
	Failing time.Duration `json:"failing"` // for how long
	Error   string        `json:"error"`
	Missed  uint64        `json:"missed"` // records that were removed before they were sent
	Dead    int           `json:"dead"`   // events laid aside
}

// Channel is a way to people.
type Channel struct {
	Name     string `json:"name"`
	Failures int    `json:"failures"` // in a row
	Error    string `json:"error"`
}

// Incident is an open incident.
type Incident struct {
	ID     string    `json:"id"`
	Rule   string    `json:"rule"`
	Opened time.Time `json:"opened"`
}

// Containment is somebody who is held.
type Containment struct {
	ID    string    `json:"id"`
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
}

// Log is the audit log and its disk.
type Log struct {
	Damaged     []string `json:"damaged"` // segments
	ClockBehind bool     `json:"clock_behind"`
	Waiting     string   `json:"waiting"` // consumer that holds up retention
	DiskFree    uint64   `json:"disk_free"`
	DiskSize    uint64   `json:"disk_size"`
}

// Certificate is that of the listener for callers.
type Certificate struct {
	File string    `json:"file"`
	Ends time.Time `json:"ends"`
}

// CertificateEnd returns when the first certificate of a PEM text ends.
func CertificateEnd(data []byte) (time.Time, error) {
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return time.Time{}, errors.New("holds no certificate")
		}
		if block.Type == "CERTIFICATE" {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return time.Time{}, fmt.Errorf("reading the certificate: %w", err)
			}
			return cert.NotAfter, nil
		}
		data = rest
	}
}

// found collects what is wrong.
type found []rule.Finding

func (f *found) add(where, format string, a ...any) {
	*f = append(*f, rule.Finding{Pointer: where, Message: fmt.Sprintf(format, a...)})
}

// look makes a check of the whole state.
func look(f func(s *State, out *found)) func(context.Context, *State) ([]rule.Finding, error) {
	return func(_ context.Context, s *State) ([]rule.Finding, error) {
		var out found
		f(s, &out)
		return out, nil
	}
}

// each makes a check of the elements of a part, which cannot tell where the
// part is missing.
func each[T any](part func(*State) *[]T, f func(s *State, e T, out *found)) func(context.Context, *State) ([]rule.Finding, error) {
	return func(_ context.Context, s *State) ([]rule.Finding, error) {
		list := part(s)
		if list == nil {
			return nil, errUntold
		}
		var out found
		for _, e := range *list {
			f(s, e, &out)
		}
		return out, nil
	}
}

// log makes a check of the audit log, likewise.
func log(f func(l *Log, out *found)) func(context.Context, *State) ([]rule.Finding, error) {
	return func(_ context.Context, s *State) ([]rule.Finding, error) {
		if s.Log == nil {
			return nil, errUntold
		}
		var out found
		f(s.Log, &out)
		return out, nil
	}
}

var errUntold = errors.New("the gateway did not say")
