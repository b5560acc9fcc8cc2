package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	portcullis "github.com/portcullis-dev/portcullis"
)

// timeLayout is RFC 3339 in UTC with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z"

// The members that every entry has, as bits.
const (
	hasID = 1 << iota
	hasTime
	hasType
	hasSeverity
	hasOutcome
	hasAll = 1<<iota - 1
)

// usualAttrs is how many details most events have at most.
const usualAttrs = 8

// ParseEntry reads one entry that [AppendEntry] wrote. It is strict: unknown
// and repeated members, invalid UTF-8, wrong types, missing required members
// and anything behind the object are errors. Details come back as strings,
// booleans, numbers (Int64, else Uint64, else Float64), string slices, groups
// and nil.
func ParseEntry(data []byte) (portcullis.Event, error) { return new(Parser).Parse(data) }

// Parser reads entries one by one and keeps its memory between them. The zero
// value is ready. It is used by one goroutine.
type Parser struct {
	dec jsontext.Decoder
	src bytes.Buffer
}

// Parse reads one entry, see [ParseEntry].
func (r *Parser) Parse(data []byte) (portcullis.Event, error) {
	r.src = *bytes.NewBuffer(data)
	r.dec.Reset(&r.src)
	var e portcullis.Event
	p := parser{dec: &r.dec}
	err := p.entry(&e)
	r.src = bytes.Buffer{} // data is the caller's
	if err != nil {
		return portcullis.Event{}, fmt.Errorf("reading audit entry: %w", err)
	}
	return e, nil
}

type parser struct{ dec *jsontext.Decoder }

func (p *parser) entry(e *portcullis.Event) error {
	seen := 0
	err := p.object(func(name string) error {
		switch name {
		case "id":
			seen |= hasID
			return p.string(&e.ID)
		case "time":
			seen |= hasTime
			return p.time(&e.Time)
		case "type":
			seen |= hasType
			return p.string((*string)(&e.Type))
		case "severity":
			seen |= hasSeverity
			return p.string((*string)(&e.Severity))
		case "outcome":
			seen |= hasOutcome
			return p.string((*string)(&e.Outcome))
		case "actor":
			return p.actor(&e.Actor)
		case "risk_score":
			return p.int(&e.RiskScore)
		case "details":
			return p.attrs(&e.Details)
		}
		if dst := optional(e, name); dst != nil {
			return p.string(dst)
		}
		return fmt.Errorf("unknown member %q", name)
	})
	if err != nil {
		return err
	}
	if seen != hasAll {
		return errors.New("id, time, type, severity or outcome missing")
	}
	if _, err := p.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("text behind the entry")
	}
	return nil
}

// optional returns where the string member name of e is kept, nil for others.
func optional(e *portcullis.Event, name string) *string {
	switch name {
	case "route":
		return &e.Route
	case "resource":
		return &e.Resource
	case "action":
		return &e.Action
	case "reason":
		return &e.Reason
	case "request_id":
		return &e.RequestID
	case "trace_id":
		return &e.TraceID
	case "environment":
		return &e.Environment
	case "service":
		return &e.Service
	}
	return nil
}

func (p *parser) actor(a *portcullis.Actor) error {
	return p.object(func(name string) error {
		switch name {
		case "id":
			return p.string(&a.ID)
		case "method":
			return p.string(&a.Method)
		case "key_id":
			return p.string(&a.KeyID)
		case "ip":
			return p.addr(&a.IP)
		case "user_agent":
			return p.string(&a.UserAgent)
		case "geo":
			return p.geo(&a.Geo)
		case "subject":
			return p.string(&a.Subject)
		case "sealed":
			return p.string(&a.Sealed)
		}
		return fmt.Errorf("unknown member %q of actor", name)
	})
}

func (p *parser) geo(g *portcullis.Geo) error {
	return p.object(func(name string) error {
		switch name {
		case "country":
			return p.string(&g.Country)
		case "region":
			return p.string(&g.Region)
		case "city":
			return p.string(&g.City)
		case "org":
			return p.string(&g.Org)
		case "asn":
			tok, err := p.token('0')
			if err != nil {
				return err
			}
			n, err := strconv.ParseUint(tok.String(), 10, 32)
			g.ASN = uint32(n)
			return err
		}
		return fmt.Errorf("unknown member %q of geo", name)
	})
}

// object reads one object and calls member for each name; member reads the value.
func (p *parser) object(member func(name string) error) error {
	tok, err := p.dec.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != '{' {
		return fmt.Errorf("want an object, got %s", tok.Kind())
	}
	for {
		if p.dec.PeekKind() != '"' { // the end, or a mistake that the decoder tells
			_, err := p.dec.ReadToken()
			return err
		}
		raw, err := p.dec.ReadValue()
		if err != nil {
			return err
		}
		name, err := unquote(raw)
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
}

// unquote returns the text of a string as it stands in the entry. It lives on its
// own: texts that entries often have need no memory.
func unquote(raw jsontext.Value) (string, error) {
	if bytes.IndexByte(raw, '\\') >= 0 {
		b, err := jsontext.AppendUnquote(nil, raw)
		return string(b), err
	}
	raw = raw[1 : len(raw)-1]
	switch string(raw) {
	case "id":
		return "id", nil
	case "time":
		return "time", nil
	case "type":
		return "type", nil
	case "severity":
		return "severity", nil
	case "outcome":
		return "outcome", nil
	case "actor":
		return "actor", nil
	case "route":
		return "route", nil
	case "resource":
		return "resource", nil
	case "action":
		return "action", nil
	case "reason":
		return "reason", nil
	case "request_id":
		return "request_id", nil
	case "trace_id":
		return "trace_id", nil
	case "environment":
		return "environment", nil
	case "service":
		return "service", nil
	case "risk_score":
		return "risk_score", nil
	case "details":
		return "details", nil
	case "method":
		return "method", nil
	case "key_id":
		return "key_id", nil
	case "ip":
		return "ip", nil
	case "user_agent":
		return "user_agent", nil
	case "geo":
		return "geo", nil
	case "subject":
		return "subject", nil
	case "sealed":
		return "sealed", nil
	case "info":
		return "info", nil
	case "warn":
		return "warn", nil
	case "success":
		return "success", nil
	case "failure":
		return "failure", nil
	case "pending":
		return "pending", nil
	case "production":
		return "production", nil
	case "portcullis":
		return "portcullis", nil
	case "api_key":
		return "api_key", nil
	case "tools/call":
		return "tools/call", nil
	}
	return string(raw), nil
}

func (p *parser) token(want jsontext.Kind) (jsontext.Token, error) {
	tok, err := p.dec.ReadToken()
	if err != nil {
		return tok, err
	}
	if tok.Kind() != want {
		return tok, fmt.Errorf("%s: want %s, got %s", p.dec.StackPointer(), want, tok.Kind())
	}
	return tok, nil
}

func (p *parser) string(dst *string) error {
	if kind := p.dec.PeekKind(); kind != '"' {
		_, err := p.token('"')
		return err
	}
	raw, err := p.dec.ReadValue()
	if err != nil {
		return err
	}
	*dst, err = unquote(raw)
	return err
}

func (p *parser) int(dst *int) error {
	tok, err := p.token('0')
	if err != nil {
		return err
	}
	*dst, err = strconv.Atoi(tok.String())
	return err
}

func (p *parser) time(dst *time.Time) error {
	var s string
	if err := p.string(&s); err != nil {
		return err
	}
	t, err := time.Parse(timeLayout, s)
	if err != nil || len(s) != len(timeLayout) {
		return fmt.Errorf("%q is not a time of the form %q", s, timeLayout)
	}
	*dst = t
	return nil
}

func (p *parser) addr(dst *netip.Addr) error {
	var s string
	if err := p.string(&s); err != nil {
		return err
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return err
	}
	*dst = addr
	return nil
}

func (p *parser) attrs(dst *[]slog.Attr) error {
	return p.object(func(name string) error {
		v, err := p.value()
		if err != nil {
			return err
		}
		if *dst == nil {
			*dst = make([]slog.Attr, 0, usualAttrs)
		}
		*dst = append(*dst, slog.Attr{Key: name, Value: v})
		return nil
	})
}

func (p *parser) value() (slog.Value, error) {
	switch kind := p.dec.PeekKind(); kind {
	case '{':
		if p.dec.StackDepth() > MaxDepth {
			return slog.Value{}, fmt.Errorf("details deeper than %d", MaxDepth)
		}
		var members []slog.Attr
		err := p.attrs(&members)
		return slog.GroupValue(members...), err
	case '[':
		list, err := p.strings()
		return slog.AnyValue(list), err
	default:
		if kind == '"' {
			var s string
			err := p.string(&s)
			return slog.StringValue(s), err
		}
		tok, err := p.dec.ReadToken()
		if err != nil {
			return slog.Value{}, err
		}
		switch tok.Kind() {
		case 't', 'f':
			return slog.BoolValue(tok.Bool()), nil
		case 'n':
			return slog.AnyValue(nil), nil
		default:
			return number(tok.String())
		}
	}
}

func (p *parser) strings() ([]string, error) {
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, err
	}
	list := []string{}
	for p.dec.PeekKind() != ']' {
		var s string
		if err := p.string(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	_, err := p.dec.ReadToken()
	return list, err
}

func number(s string) (slog.Value, error) {
	if !strings.ContainsAny(s, ".eE") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return slog.Int64Value(n), nil
		}
		if n, err := strconv.ParseUint(s, 10, 64); err == nil {
			return slog.Uint64Value(n), nil
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	return slog.Float64Value(f), err
}
