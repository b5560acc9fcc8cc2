package edge

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

const headerVersion = "Api-Version"

// Version checks the version of the built-in API that a request asks for, by
// URL ("/api/v1/…") or by header ("API-Version: 1"), requirement S3-30. The
// protocols have version headers of their own; this guard is not for them.
type Version struct {
	known []string // ascending; the last is not implied
}

var _ portcullis.EdgeGuard = (*Version)(nil)

// NewVersion returns the guard for versions such as "1" and "2". The first is
// what a request that names none gets.
func NewVersion(known ...string) (*Version, error) {
	if len(known) == 0 {
		return nil, fmt.Errorf("api versions: none given")
	}
	for _, v := range known {
		if !isNumber(v) {
			return nil, fmt.Errorf("api version %q: want a number", v)
		}
	}
	return &Version{known: slices.Clone(known)}, nil
}

func isNumber(s string) bool {
	return s != "" && len(s) <= 4 && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

// Of returns the version that r asks for, the default if it names none. The
// error is a [portcullis.Error] of [portcullis.KindMalformed] when the version
// is unknown, named twice, or differs between URL and header.
func (g *Version) Of(r *http.Request) (string, error) {
	version := g.known[0]
	inPath, ok := pathVersion(r.URL.Path)
	if ok {
		version = inPath
	}
	if values, named := r.Header[headerVersion]; named {
		if len(values) != 1 || ok && values[0] != inPath {
			return "", g.unknown()
		}
		version = values[0]
	}
	if !slices.Contains(g.known, version) {
		return "", g.unknown()
	}
	return version, nil
}

func (g *Version) unknown() error {
	return reject(portcullis.KindMalformed, "Unknown API version; known: "+strings.Join(g.known, ", "), nil)
}

// pathVersion finds "1" in "/api/v1" and "/api/v1/user"; ok says that the
// second segment looks like a version, known or not.
func pathVersion(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, "/api/v")
	if !ok {
		return "", false
	}
	segment, _, _ := strings.Cut(rest, "/")
	if segment == "" || segment[0] < '0' || segment[0] > '9' {
		return "", false // a word such as "/api/version"
	}
	return segment, true
}

// Name returns "api_version".
func (*Version) Name() string { return "api_version" }

// CheckConn refuses unknown versions and marks the reply: API-Version says
// which one was served, Vary that the header decides.
func (g *Version) CheckConn(_ context.Context, c *portcullis.Conn) error {
	addVary(c.Reply, "API-Version")
	version, err := g.Of(c.HTTP)
	if err != nil {
		return err
	}
	c.Reply[headerVersion] = []string{version}
	return nil
}
