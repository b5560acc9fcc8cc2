package tlog

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
)

// ParseTarget reads where checkpoints are published: "file:/folder",
// "https://…", "http://…" on this machine, "syslog://host:port" (TCP),
// "syslog+tls://host:port" or "syslog+udp://host:port".
func ParseTarget(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("want file:/FOLDER, https://…, syslog+tls://HOST:PORT, syslog://HOST:PORT or syslog+udp://HOST:PORT")
	}
	if u.User != nil {
		return nil, errors.New("a target names no user or password")
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" || !filepath.IsAbs(u.Path) {
			return nil, errors.New("file: want the absolute path of a folder, such as file:/mnt/checkpoints")
		}
		return u, nil
	case "https":
		return u, nil
	case "http":
		if !local(u.Hostname()) {
			return nil, errors.New("http:// is for this machine only: use https://")
		}
		return u, nil
	case "syslog", "syslog+tls", "syslog+udp":
		if u.Port() == "" || strings.Trim(u.Path, "/") != "" {
			return nil, fmt.Errorf("%s: want host and port, such as %s://siem.example.com:6514", u.Scheme, u.Scheme)
		}
		return u, nil
	}
	return nil, fmt.Errorf("%q is not a target: want file:/FOLDER, https://…, syslog+tls://HOST:PORT, syslog://HOST:PORT or syslog+udp://HOST:PORT", text)
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// CheckWitnessURL returns an error unless a witness can be asked there.
func CheckWitnessURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("want the address of a witness, such as https://witness.example.com/prefix")
	case u.Scheme == "https" || u.Scheme == "http" && local(u.Hostname()):
		return nil
	}
	return errors.New("want https://; http:// is for this machine only")
}

// NewPublisher returns the publisher of a target.
func NewPublisher(target string, client *http.Client) (Publisher, error) {
	u, err := ParseTarget(target)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "file":
		return toFolder(filepath.Clean(u.Path)), nil
	case "http", "https":
		return &toHTTP{url: u.String(), host: u.Host, client: client}, nil
	}
	return &toSyslog{kind: u.Scheme, address: u.Host}, nil
}

// toFolder keeps every checkpoint in a file of its own.
type toFolder string

func (d toFolder) String() string { return "file:" + string(d) }

func (d toFolder) Publish(_ context.Context, c auditlog.Checkpoint) error {
	if err := os.MkdirAll(string(d), dirMode); err != nil {
		return err
	}
	return durable.Replace(filepath.Join(string(d), auditlog.KeptName(c.Size)), c.Note)
}

// toHTTP posts checkpoints.
type toHTTP struct {
	url, host string
	client    *http.Client
}

func (h *toHTTP) String() string { return h.host }

func (h *toHTTP) Publish(ctx context.Context, c auditlog.Checkpoint) error {
	_, status, err := post(ctx, h.client, h.url, "text/plain; charset=utf-8", c.Note)
	var failed *url.Error
	if errors.As(err, &failed) { // its text has the address, whose path may be a secret
		err = failed.Err
	}
	if err == nil && (status < 200 || status > 299) {
		err = fmt.Errorf("answers %d", status)
	}
	return err
}

// toSyslog sends checkpoints as RFC 5424 messages: facility 13 (log audit),
// severity notice, the note as a JSON object, so that it stays on one line.
type toSyslog struct {
	kind, address string
}

func (s *toSyslog) String() string { return s.kind + "://" + s.address }

func (s *toSyslog) Publish(ctx context.Context, c auditlog.Checkpoint) (err error) {
	note, err := json.Marshal(map[string]any{"origin": c.Origin, "size": c.Size, "checkpoint": string(c.Note)})
	if err != nil {
		return err
	}
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "-"
	}
	const auditNotice = 13*8 + 5
	message := fmt.Sprintf("<%d>1 %s %s portcullis %d CHECKPOINT - %s", auditNotice, time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), host, os.Getpid(), note)
	if s.kind != "syslog+udp" { // RFC 6587, 3.4.1: the length goes ahead
		message = fmt.Sprintf("%d %s", len(message), message)
	}
	_, err = conn.Write([]byte(message))
	return err
}

func (s *toSyslog) dial(ctx context.Context) (net.Conn, error) {
	switch s.kind {
	case "syslog+tls":
		return (&tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12}}).DialContext(ctx, "tcp", s.address)
	case "syslog+udp":
		return new(net.Dialer).DialContext(ctx, "udp", s.address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", s.address)
}
