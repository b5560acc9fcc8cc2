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
	Actor        string                 // principal id or key id
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

// Names says under which names actors and addresses are found. A log whose
// personal data is sealed gives the pseudonyms under which it can be searched.
// Nil functions mean the plain names.
type Names struct {
	// Actors returns what an event is found under by Query.Actor, and Addresses
	// by a Query.Address of one address.
	Actors    func(*portcullis.Event) []string
	Addresses func(*portcullis.Event) []string
	// Actor and Address return the names that a question means.
	Actor   func(string) []string
	Address func(netip.Addr) []string
}

func (n *Names) actors(e *portcullis.Event) []string {
	if n.Actors != nil {
		return n.Actors(e)
	}
	return []string{e.Actor.ID, e.Actor.KeyID}
}

func (n *Names) addresses(e *portcullis.Event) []string {
	if n.Addresses != nil {
		return n.Addresses(e)
	}
	if !e.Actor.IP.IsValid() {
		return nil
	}
	return []string{address(e.Actor.IP)}
}

func (n *Names) actor(s string) []string {
	if n.Actor != nil {
		return n.Actor(s)
	}
	return []string{s}
}

func (n *Names) address(a netip.Addr) []string {
	if n.Address != nil {
		return n.Address(a)
	}
	return []string{address(a)}
}

// address is the one way to write an address.
func address(a netip.Addr) string { return a.Unmap().WithZone("").String() }

// matcher is a Query made ready to judge many events.
type matcher struct {
	q         *Query
	names     *Names
	actors    []string
	addresses []string // nil: the prefix is compared
	words     []string
	found     []bool
	hashes    []uint64 // of what stands in the filters of blocks
	needle    []byte   // stands in every entry that matches; nil: nothing does
}

func newMatcher(q *Query, names *Names) *matcher {
	m := &matcher{q: q, names: names, words: words(q.Text)}
	if q.Actor != "" {
		m.actors = names.actor(q.Actor)
	}
	if q.Address.IsValid() && q.Address.IsSingleIP() {
		m.addresses = names.address(q.Address.Addr())
	}
	m.found = make([]bool, len(m.words))
	if q.RequestID != "" {
		m.hashes = append(m.hashes, hashOf(ofRequest, q.RequestID))
		m.needle = auditlog.AppendString(nil, q.RequestID)
	}
	for _, w := range m.words {
		if telling(w) {
			m.hashes = append(m.hashes, hashOf(ofWord, w))
		}
	}
	return m
}

// worth reports whether an entry can match. It is much faster than reading it.
func (m *matcher) worth(entry []byte) bool {
	return m.needle == nil || bytes.Contains(entry, m.needle)
}

// match reports whether e is wanted. This is what a question means; the index
// only saves reading.
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
		q.Actor != "" && !overlap(m.actors, m.names.actors(e)),
		q.Address.IsValid() && !m.from(e):
		return false
	}
	return m.says(e)
}

func (m *matcher) from(e *portcullis.Event) bool {
	if m.addresses != nil {
		return overlap(m.addresses, m.names.addresses(e))
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
		case slog.KindAny:
			if many, ok := v.Any().([]string); ok {
				for _, s := range many {
					yield(s)
				}
				continue
			}
			yield(v.String())
		default:
			yield(v.String())
		}
	}
}
