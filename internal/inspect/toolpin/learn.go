package toolpin

import (
	"context"
	"slices"
	"strings"
	"time"
)

const (
	// maxTools bounds what is remembered of a route. Further tools are held
	// without being stored.
	maxTools = 5000
	// firstSight is how long a first list may take to be read to its end, page
	// by page, before what comes counts as new.
	firstSight = 10 * time.Minute
)

// Listed is one entry of a list.
type Listed struct {
	Name string
	Raw  []byte
}

// listed is an entry that was read.
type listed struct {
	name string
	hash Hash // zero: it has no one form
	text []byte
	dup  bool // another entry of the list has its name and another text
	pass bool

	read  bool     // flaws are known
	flaws []Reason // what is wrong with the text by itself
}

// change is what a list did to a tool.
type change struct {
	tool    string
	hash    Hash
	why     []Reason
	held    bool
	altered []string // members that differ from the approved version
}

// lesson is one list of one route.
type lesson struct {
	book    *Book
	track   *track
	cfg     Config
	scan    *scanner
	entries []*listed
	more    bool // a further page follows

	old      *view
	saved    map[string]*Pin // what changes
	order    []string        // of saved
	versions []Version
	changes  []change
}

// read brings the entries into their form and finds names that occur twice.
func (l *lesson) read(list []Listed) {
	first := make(map[string]*listed, len(list))
	for _, e := range list {
		n := &listed{name: e.Name}
		if text, err := Canonical(e.Raw); err == nil {
			n.text, n.hash = text, hashOf(text)
		}
		if f := first[e.Name]; f == nil {
			first[e.Name] = n
		} else if f.hash != n.hash || n.hash.IsZero() {
			f.dup, n.dup = true, true
		}
		l.entries = append(l.entries, n)
	}
	for _, e := range l.entries {
		e.dup = first[e.name].dup
	}
}

// known reports whether the list says nothing new, which most do: then nobody
// waits for anybody.
func (l *lesson) known() bool {
	v := l.track.view.Load()
	for _, e := range l.entries {
		p := v.pins[e.name]
		if p == nil || p.State != Trusted || p.Approved != e.hash || e.hash.IsZero() {
			return false
		}
		e.pass = true
	}
	return v.route.Settled || v.route.Opened.IsZero()
}

// learn decides which entries pass, and remembers what is new. On an error
// nothing passes.
func (l *lesson) learn(ctx context.Context) error {
	if l.known() {
		return nil
	}
	scan, err := l.book.scan()
	if err != nil {
		return err
	}
	l.scan = scan
	l.readNew()                      // reading takes its time: nobody waits for it
	ctx = context.WithoutCancel(ctx) // what was seen is remembered, even if the caller leaves
	b := l.book
	b.mu.Lock()
	defer b.mu.Unlock()
	l.old = l.track.view.Load()
	now := b.now()
	r := l.old.route
	trusting := l.cfg.First == "trust" && !r.Settled && (r.Opened.IsZero() || now.Before(r.Opened.Add(firstSight)))
	shadows := l.shadows()
	l.saved = map[string]*Pin{}
	for _, e := range l.entries {
		e.pass = l.judge(ctx, e, trusting, shadows, now)
	}
	if r.Opened.IsZero() && len(l.entries) > 0 {
		r.Opened = now
	}
	if !r.Opened.IsZero() && (!l.more || !now.Before(r.Opened.Add(firstSight))) {
		r.Settled = true
	}
	if len(l.order) == 0 && r == l.old.route {
		return nil
	}
	pins := make([]Pin, len(l.order))
	for i, name := range l.order {
		pins[i] = *l.saved[name]
	}
	return b.save(ctx, l.track, r, pins, l.versions)
}

// judge decides on one entry.
func (l *lesson) judge(ctx context.Context, e *listed, trusting bool, shadows map[string][]*entry, now time.Time) bool {
	have, seen := l.pin(e.name)
	if seen && have.State == Trusted && have.Approved == e.hash && !e.hash.IsZero() {
		return true
	}
	if seen && have.State != Trusted && (e.hash == have.Seen || e.hash == have.Approved || e.dup && slices.Contains(have.Why, Duplicate)) {
		return l.passes(have.State) // that it is held is known
	}
	why := l.examine(e, shadows)
	switch {
	case seen && !have.Approved.IsZero():
		why = append(why, Altered)
	case !trusting && (!seen || have.State == Held):
		why = append(why, New)
	}
	if !seen && len(l.old.pins)+len(l.order) >= maxTools {
		why = append(why, Full)
	}
	if e.hash.IsZero() {
		why = append(why, Unreadable)
	}
	if slices.Contains(why, Full) || slices.Contains(why, Unreadable) { // cannot be stored, nor approved
		pass := l.cfg.Policy != Block && have.State != Quarantined
		l.changes = append(l.changes, change{tool: e.name, hash: e.hash, why: normal(why), held: !pass})
		return pass
	}
	next := have
	next.Route, next.Tool, next.ChangedAt, next.Why = l.track.name, e.name, now, normal(why)
	if !seen {
		next.FirstSeen = now
	}
	l.versions = append(l.versions, Version{Tool: e.name, Hash: e.hash, Text: e.text})
	switch {
	case have.State == Quarantined:
		next.Seen = e.hash
	case len(next.Why) == 0 && trusting && !seen:
		next.State, next.Approved = Trusted, e.hash
		l.put(next)
		return true
	case l.cfg.Policy == Trust:
		next.State, next.Approved, next.Seen, next.DecidedBy, next.Note = Trusted, e.hash, Hash{}, "policy", ""
	default:
		next.State, next.Seen = Held, e.hash
	}
	c := change{tool: e.name, hash: e.hash, why: next.Why, held: !l.passes(next.State)}
	if !have.Approved.IsZero() {
		c.altered = l.altered(ctx, e, have.Approved)
	}
	l.changes = append(l.changes, c)
	l.put(next)
	return l.passes(next.State)
}

// altered names the members in which an entry differs from the approved
// version, as far as that can be read.
func (l *lesson) altered(ctx context.Context, e *listed, approved Hash) []string {
	before, err := l.book.store.PinnedText(ctx, l.track.name, e.name, approved)
	if err != nil {
		return nil
	}
	names, err := Changed(before, e.text)
	if err != nil {
		return nil
	}
	return names
}

// passes reports whether tools of a state may be used under the route's policy.
func (l *lesson) passes(s State) bool { return passes(l.cfg.Policy, s) }

func passes(policy string, s State) bool {
	return s == Trusted || s == Held && policy != Block
}

// pin returns what is known of a tool, this list included.
func (l *lesson) pin(name string) (Pin, bool) {
	if p := l.saved[name]; p != nil {
		return *p, true
	}
	if e := l.old.pins[name]; e != nil {
		return e.Pin, true
	}
	return Pin{}, false
}

func (l *lesson) put(p Pin) {
	if l.saved[p.Tool] == nil {
		l.order = append(l.order, p.Tool)
	}
	l.saved[p.Tool] = &p
}

// examine says what is wrong with an entry, whatever came before it.
func (l *lesson) examine(e *listed, shadows map[string][]*entry) []Reason {
	var why []Reason
	if e.dup {
		why = append(why, Duplicate)
	}
	if l.shadowed(e, shadows) {
		why = append(why, Shadow)
	}
	return append(why, l.flaws(e)...)
}

// readNew reads the texts that are not known yet.
func (l *lesson) readNew() {
	v := l.track.view.Load()
	for _, e := range l.entries {
		if p := v.pins[e.name]; p == nil || p.Approved != e.hash && p.Seen != e.hash {
			l.flaws(e)
		}
	}
}

// flaws says what is wrong with the text of an entry.
func (l *lesson) flaws(e *listed) []Reason {
	if e.read || e.text == nil {
		return e.flaws
	}
	e.read = true
	hidden, orders := false, false
	err := eachString(e.text, func(s string) {
		h, o := l.scan.look(s)
		hidden, orders = hidden || h != "", orders || o != ""
	})
	if hidden {
		e.flaws = append(e.flaws, HiddenText)
	}
	if orders {
		e.flaws = append(e.flaws, Instructions)
	}
	if err != nil {
		e.flaws = append(e.flaws, Unreadable)
	}
	return e.flaws
}

// shadows are the tools whose names others may not be taken for, by skeleton:
// those with an approved version, and all of this list.
func (l *lesson) shadows() map[string][]*entry {
	out := map[string][]*entry{}
	for _, t := range l.book.tracks {
		if t != l.track && !(l.cfg.OtherRoutes && t.guarded) {
			continue
		}
		for _, p := range t.view.Load().pins {
			if !p.Approved.IsZero() {
				out[p.skeleton] = append(out[p.skeleton], p)
			}
		}
	}
	for _, e := range l.entries {
		n := l.book.entry(Pin{Route: l.track.name, Tool: e.name, Approved: e.hash})
		out[n.skeleton] = append(out[n.skeleton], n)
	}
	return out
}

// shadowed reports whether a name may be taken for that of another tool: one
// of its route that is spelled otherwise, or one of another route, unless that
// is the very same tool.
func (l *lesson) shadowed(e *listed, shadows map[string][]*entry) bool {
	return slices.ContainsFunc(shadows[l.book.names.of(e.name)], func(o *entry) bool {
		if o.Route == l.track.name {
			return o.Tool != e.name
		}
		return o.Tool != e.name || o.Approved != e.hash
	})
}

// known members of an entry may stand in events: their names are not the
// server's.
const members = " name title description inputSchema outputSchema annotations icons execution _meta" +
	" version supportedInterfaces url preferredTransport protocolVersion additionalInterfaces provider documentationUrl iconUrl capabilities" +
	" supportsAuthenticatedExtendedCard securitySchemes securityRequirements security defaultInputModes defaultOutputModes" + // of agent cards
	" id tags examples inputModes outputModes " // of their skills

func memberNames(names []string) string {
	var out []string
	for _, n := range names {
		if !strings.Contains(members, " "+n+" ") {
			n = "other"
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return strings.Join(out, " ")
}
