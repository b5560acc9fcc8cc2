package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/access"
)

// Bounds of a cases file.
const (
	maxCases = 10000
	maxFile  = 4 << 20 // bytes
)

// caseFile is a file of cases, as TOML or as JSON.
type caseFile struct {
	Cases []testCase `toml:"case" json:"case"`
}

// testCase is one [[case]].
type testCase struct {
	Name      string         `toml:"name" json:"name"`
	Principal subject        `toml:"principal" json:"principal"`
	Route     string         `toml:"route" json:"route"`
	Action    string         `toml:"action" json:"action"`
	Resource  string         `toml:"resource" json:"resource"`
	Arguments map[string]any `toml:"arguments" json:"arguments"`
	IP        string         `toml:"ip" json:"ip"`
	Time      string         `toml:"time" json:"time"`
	TLS       *bool          `toml:"tls" json:"tls"`
	List      bool           `toml:"list" json:"list"`
	Expect    string         `toml:"expect" json:"expect"`
	Rule      string         `toml:"rule" json:"rule"`

	line int
}

// subject is who asks.
type subject struct {
	ID     string   `toml:"id" json:"id"`
	Method string   `toml:"method" json:"method"`
	Key    string   `toml:"key" json:"key"`
	Roles  []string `toml:"roles" json:"roles"`
	Scopes []string `toml:"scopes" json:"scopes"`
}

func (s subject) principal() portcullis.Principal {
	p := portcullis.Principal{ID: s.ID, Method: s.Method, KeyID: s.Key, Roles: s.Roles, Scopes: s.Scopes}
	if p.ID == "" {
		p.ID = "someone"
	}
	if p.Method == "" && p.KeyID != "" {
		p.Method = "api_key"
	}
	return p
}

// action is what is asked, and when.
func (c *testCase) action(route string) (portcullis.Action, time.Time, error) {
	a := portcullis.Action{Route: route, Method: c.Action, Secure: c.TLS == nil || *c.TLS, Listing: c.List}
	var err error
	if a.Target, err = access.ParseTarget(c.Resource); err != nil {
		return a, time.Time{}, fmt.Errorf("resource: %w", err)
	}
	if a.Method == "" {
		a.Method = access.UseMethod(a.Target.Kind)
	}
	if a.Method == "" {
		return a, time.Time{}, errors.New("action: want a method such as \"tools/call\", or a resource")
	}
	a.Client = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if c.IP != "" {
		if a.Client, err = netip.ParseAddr(c.IP); err != nil {
			return a, time.Time{}, fmt.Errorf("ip: %q: want an address such as \"192.0.2.7\"", c.IP)
		}
	}
	at := time.Now()
	if c.Time != "" {
		if at, err = time.Parse(time.RFC3339, c.Time); err != nil {
			return a, time.Time{}, fmt.Errorf("time: %q: want RFC 3339, such as \"2026-01-31T09:00:00Z\"", c.Time)
		}
	}
	if c.Arguments != nil && !c.List {
		if a.Arguments, err = json.Marshal(c.Arguments); err != nil {
			return a, time.Time{}, fmt.Errorf("arguments: %w", err)
		}
	}
	return a, at, nil
}

// parseCases reads a cases file. The first byte that is no space tells JSON
// from TOML. Errors begin with name and line.
func parseCases(name string, data []byte) ([]testCase, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: %d bytes: want at most %d", name, len(data), maxFile)
	}
	var file caseFile
	var lines []int
	var err error
	if b := bytes.TrimSpace(data); len(b) > 0 && b[0] == '{' {
		lines, err = parseJSON(name, data, &file)
	} else {
		lines, err = parseTOML(name, data, &file)
	}
	if err != nil {
		return nil, err
	}
	if len(file.Cases) == 0 || len(file.Cases) > maxCases || len(lines) != len(file.Cases) {
		return nil, fmt.Errorf("%s:1: want 1 to %d cases, each a [[case]]", name, maxCases)
	}
	var errs []error
	for i := range file.Cases {
		c := &file.Cases[i]
		c.line = lines[i]
		if c.Expect != "allow" && c.Expect != "deny" {
			errs = append(errs, fmt.Errorf("%s:%d: expect: %q: want \"allow\" or \"deny\"", name, c.line, c.Expect))
		}
		if _, _, err := c.action(c.Route); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, c.line, err))
		}
	}
	return file.Cases, errors.Join(errs...)
}

func parseTOML(name string, data []byte, into *caseFile) ([]int, error) {
	d := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		var unknown *toml.StrictMissingError
		if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
			row, _ := unknown.Errors[0].Position()
			return nil, fmt.Errorf("%s:%d: unknown key %q", name, row, strings.Join(unknown.Errors[0].Key(), "."))
		}
		var wrong *toml.DecodeError
		if errors.As(err, &wrong) {
			row, _ := wrong.Position()
			return nil, fmt.Errorf("%s:%d: %s", name, row, wrong.Error())
		}
		return nil, fmt.Errorf("%s:1: %w", name, err)
	}
	var lines []int
	var p unstable.Parser
	p.Reset(data)
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind != unstable.ArrayTable {
			continue
		}
		key := e.Key()
		if key.Next() && string(key.Node().Data) == "case" && key.IsLast() {
			lines = append(lines, p.Shape(key.Node().Raw).Start.Line)
		}
	}
	return lines, p.Error()
}

func parseJSON(name string, data []byte, into *caseFile) ([]int, error) {
	var raw struct {
		Cases []json.RawMessage `json:"case"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&raw); err != nil {
		return nil, jsonError(name, data, 0, d.InputOffset(), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:%d: something stands behind the object", name, lineAt(data, d.InputOffset()))
	}
	var lines []int
	from := 0
	for _, one := range raw.Cases {
		at := bytes.Index(data[from:], one)
		if at < 0 {
			return nil, fmt.Errorf("%s:1: the cases cannot be found", name)
		}
		at += from
		from = at + len(one)
		lines = append(lines, lineAt(data, int64(at)))
		var c testCase
		d := json.NewDecoder(bytes.NewReader(one))
		d.DisallowUnknownFields()
		d.UseNumber()
		if err := d.Decode(&c); err != nil {
			return nil, jsonError(name, data, int64(at), int64(at), err)
		}
		into.Cases = append(into.Cases, c)
	}
	return lines, nil
}

func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(int(offset), len(data))], []byte("\n"))
}

// jsonError says where in the file a part that begins at base is wrong.
func jsonError(name string, data []byte, base, offset int64, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = base + syntax.Offset
	case errors.As(err, &kind):
		offset = base + kind.Offset
	}
	return fmt.Errorf("%s:%d: %w", name, lineAt(data, offset), err)
}
