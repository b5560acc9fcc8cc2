package index

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
)

// Bounds of a question.
const (
	// MaxText is the longest value of a filter, in bytes.
	MaxText = 4096
	// MaxLimit is how many events one answer has at most.
	MaxLimit = 10_000

	maxWords  = 16
	maxValues = 100 // types or outcomes
)

// Query says which events are wanted: those that match every field that is
// set. The zero Query matches all.
type Query struct {
	Since, Until time.Time              // not before, and before
	Types        []portcullis.EventType // one of these
	Severity     portcullis.Severity    // this one or worse
	Outcomes     []portcullis.Outcome   // one of these
	Actor        string                 // principal id, key id, or subject
	Resource     string
	Route        string
	Reason       string
	RequestID    string
	Address      netip.Prefix // the client address is in it
	// Text is words, each of which stands somewhere in the resource, route,
	// action, reason, trace id or details. Case does not matter; a word is a run
	// of letters and digits.
	Text string

	Before uint64 // records with smaller numbers; 0 = all. See [Result.More]
	Limit  int    // how many events; 0 = 50
}

// Validate returns an error that names the first wrong field.
func (q *Query) Validate() error {
	for name, s := range map[string]string{
		"actor": q.Actor, "resource": q.Resource, "route": q.Route, "reason": q.Reason, "request id": q.RequestID, "text": q.Text,
	} {
		if len(s) > MaxText {
			return fmt.Errorf("%s: longer than %d bytes", name, MaxText)
		}
	}
	switch {
	case len(q.Types) > maxValues || len(q.Outcomes) > maxValues:
		return fmt.Errorf("more than %d types or outcomes", maxValues)
	case q.Severity != "" && severityRank(q.Severity) < 0:
		return fmt.Errorf("severity %q: want INFO, WARN, ERROR or CRITICAL", q.Severity)
	case !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until):
		return errors.New("since is not before until")
	case q.Limit < 0 || q.Limit > MaxLimit:
		return fmt.Errorf("limit %d: want 1 to %d", q.Limit, MaxLimit)
	case len(words(q.Text)) > maxWords:
		return fmt.Errorf("text: more than %d words", maxWords)
	case q.Text != "" && len(words(q.Text)) == 0:
		return errors.New("text: no letter or digit in it")
	}
	return nil
}

// severities are the severities, least first.
var severities = []portcullis.Severity{
	portcullis.SeverityInfo, portcullis.SeverityWarn, portcullis.SeverityError, portcullis.SeverityCritical,
}

func severityRank(s portcullis.Severity) int { return slices.Index(severities, s) }

// sealed stands for the address of an event whose personal data is sealed: only
// who opens the event knows it. No address is written like that.
const sealed = "sealed"

// actors returns what an event is found under by Query.Actor.
func actors(e *portcullis.Event) []string {
	return []string{e.Actor.ID, e.Actor.KeyID, e.Actor.Subject}
}

// address returns what an event is found under by Query.Address, "" for nothing.
func address(e *portcullis.Event) string {
	switch {
	case e.Actor.IP.IsValid():
		return canonical(e.Actor.IP)
	case e.Actor.Sealed != "":
		return sealed
	}
	return ""
}

// canonical is the one way to write an address.
func canonical(a netip.Addr) string { return a.Unmap().WithZone("").String() }

// matcher is a Query made ready to judge many events.
type matcher struct {
	q       *Query
	open    func(*portcullis.Event) // nil: nothing can be opened
	actors  []string                // names of Query.Actor
	words   []string
	found   []bool
	hashes  []uint64   // of what stands in the filters of blocks
	needles [][][]byte // of each list one stands in every entry that matches
	plain   [][]byte   // words that stand in every entry that matches and is ASCII
	lower   []byte     // an entry in small letters
}

func newMatcher(q *Query, opts *Options) *matcher {
	m := &matcher{q: q, open: opts.Open, words: words(q.Text)}
	if q.Actor != "" {
		m.actors = []string{q.Actor}
		if opts.Subject != nil {
			m.actors = append(m.actors, opts.Subject(q.Actor))
		}
	}
	m.found = make([]bool, len(m.words))
	if q.RequestID != "" {
		m.hashes = append(m.hashes, hashOf(ofRequest, q.RequestID))
	}
	for _, w := range m.words {
		if telling(w) {
			m.hashes = append(m.hashes, hashOf(ofWord, w))
		}
		if isASCII([]byte(w)) {
			m.plain = append(m.plain, []byte(w))
		}
	}
	for _, values := range [][]string{
		one(q.RequestID), m.actors, one(q.Resource), one(q.Route), one(q.Reason), texting(q.Types), texting(q.Outcomes),
	} {
		var list [][]byte
		for _, v := range values {
			list = append(list, auditlog.AppendString(nil, v))
		}
		if len(list) > 0 && len(list) <= 4 {
			m.needles = append(m.needles, list)
		}
	}
	return m
}

// worth reports whether an entry can match. It is much faster than reading it.
func (m *matcher) worth(entry []byte) bool {
	for _, list := range m.needles {
		if !slices.ContainsFunc(list, func(n []byte) bool { return bytes.Contains(entry, n) }) {
			return false
		}
	}
	if len(m.plain) == 0 || !isASCII(entry) { // some letters have ASCII ones as their small ones
		return true
	}
	m.lower = append(m.lower[:0], entry...)
	for i, c := range m.lower {
		if c >= 'A' && c <= 'Z' {
			m.lower[i] = c | 0x20
		}
	}
	for _, w := range m.plain {
		if !bytes.Contains(m.lower, w) {
			return false
		}
	}
	return true
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// match reports whether e, as it is in the journal, is wanted. This is what a
// question means; the index only saves reading. It opens e if it must.
func (m *matcher) match(e *portcullis.Event) bool {
	q := m.q
	switch {
	case !q.Since.IsZero() && e.Time.Before(q.Since),
		!q.Until.IsZero() && !e.Time.Before(q.Until),
		len(q.Types) > 0 && !slices.Contains(q.Types, e.Type),
		q.Severity != "" && severityRank(e.Severity) < severityRank(q.Severity),
		len(q.Outcomes) > 0 && !slices.Contains(q.Outcomes, e.Outcome),
		q.Resource != "" && q.Resource != e.Resource,
		q.Route != "" && q.Route != e.Route,
		q.Reason != "" && q.Reason != e.Reason,
		q.RequestID != "" && q.RequestID != e.RequestID,
		q.Actor != "" && !overlap(m.actors, actors(e)):
		return false
	}
	return m.says(e) && (!q.Address.IsValid() || m.from(e))
}

func (m *matcher) from(e *portcullis.Event) bool {
	if e.Actor.Sealed != "" && m.open != nil {
		m.open(e)
	}
	return e.Actor.IP.IsValid() && m.q.Address.Contains(e.Actor.IP.Unmap().WithZone(""))
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return s != "" && slices.Contains(b, s) })
}

// says reports whether all words of the question stand in e.
func (m *matcher) says(e *portcullis.Event) bool {
	if len(m.words) == 0 {
		return true
	}
	clear(m.found)
	missing := len(m.words)
	texts(e, func(s string) {
		eachWord(s, func(w string) {
			if i := slices.Index(m.words, w); i >= 0 && !m.found[i] {
				m.found[i] = true
				missing--
			}
		})
	})
	return missing == 0
}

// words returns the different words of s.
func words(s string) []string {
	var out []string
	eachWord(s, func(w string) {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	})
	return out
}

// eachWord calls yield for each word of s, in small letters.
func eachWord(s string, yield func(string)) {
	for w := range strings.FieldsFuncSeq(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		yield(strings.ToLower(w))
	}
}

// texts calls yield for everything that words are looked for in. Who called,
// from where and with what is left out: that is found by its own field only.
func texts(e *portcullis.Event, yield func(string)) {
	yield(e.Resource)
	yield(e.Route)
	yield(e.Action)
	yield(e.Reason)
	yield(e.TraceID)
	attrs(e.Details, yield)
}

func attrs(list []slog.Attr, yield func(string)) {
	for i := range list {
		yield(list[i].Key)
		switch v := list[i].Value; v.Kind() {
		case slog.KindGroup:
			attrs(v.Group(), yield)
		case slog.KindAny: // a list, or null
			many, _ := v.Any().([]string)
			for _, s := range many {
				yield(s)
			}
		case slog.KindFloat64: // as it stands in the entry
			yield(string(auditlog.AppendDetails(nil, list[i:i+1])))
		default:
			yield(v.String())
		}
	}
}

// ParseAddress reads an address or a network, such as 192.0.2.7 or 192.0.2.0/24.
func ParseAddress(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	return netip.Prefix{}, fmt.Errorf("address %q: want an address or a network, such as 192.0.2.7 or 192.0.2.0/24", s)
}
