package schema

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Bounds on what is remembered of the tools of one route.
const (
	maxTools       = 5000
	maxToolName    = 256
	maxLearntBytes = 16 << 20
)

var errTwice = errors.New("stands in the list twice, with different schemas")

// tools are the schemas of a route's tools, as the server's last list says. It
// is safe for concurrent use.
type tools struct {
	mu    sync.Mutex // held by learn
	table atomic.Pointer[table]
}

// table is what one moment knows. It is never changed.
type table struct {
	byName map[string]tool
	size   int
	full   bool // some tools were left out
}

// tool is what a list says of one tool; nil = it names no such schema.
type tool struct{ input, output *learnt }

// learnt is a schema as it was listed. It is compiled when it is first needed,
// and once: a list alone costs no more than its hash.
type learnt struct {
	sum    [sha256.Size]byte
	length int
	raw    []byte
	once   sync.Once
	s      *Schema
	err    error
}

func (l *learnt) schema() (*Schema, error) {
	l.once.Do(func() {
		if l.err == nil {
			l.s, l.err = Compile(l.raw, Options{Object: true})
		}
		l.raw = nil
	})
	return l.s, l.err
}

func newTools() *tools {
	t := new(tools)
	t.table.Store(&table{})
	return t
}

// find returns what is known of a tool. listed is false if no list named it;
// full says that a list named more than is remembered.
func (t *tools) find(name string) (_ tool, listed, full bool) {
	now := t.table.Load()
	found, ok := now.byName[name]
	return found, ok, now.full
}

// learn takes in the result of tools/list, which the strict reader accepted.
// whole says that it is all of the list and not a page: what it does not name
// is forgotten then. The change is seen at once and whole.
func (t *tools) learn(result []byte, whole bool) {
	var array []byte
	for it := jsonrpc.Walk(result); it.Next(); {
		if it.Name.Is(result, "tools") && it.Value.Kind == jsonrpc.Array {
			array = it.Value.Raw(result)
		}
		if it.Name.Is(result, "nextCursor") && it.Value.Kind == jsonrpc.String {
			whole = false
		}
	}
	if array == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.table.Load()
	next := &table{byName: map[string]tool{}}
	known, counted, seen := known(old), map[*learnt]bool{}, map[string]bool{}
	if !whole {
		next.full = old.full
		for name, t := range old.byName {
			next.add(name, t, counted)
		}
	}
	for it := jsonrpc.Walk(array); it.Next(); {
		entry := it.Value.Raw(array)
		name, now := read(entry, known)
		if name == "" || len(name) > maxToolName {
			continue
		}
		if seen[name] && !same(next.byName[name], now) {
			now = tool{input: &learnt{err: errTwice}}
		}
		if _, had := next.byName[name]; !had && len(next.byName) >= maxTools {
			next.full = true
			continue
		}
		seen[name] = true
		next.add(name, now, counted)
	}
	t.table.Store(next)
}

// known returns the schemas of a table by what they say, so that one that was
// compiled is not compiled again.
func known(t *table) map[[sha256.Size]byte]*learnt {
	out := make(map[[sha256.Size]byte]*learnt, len(t.byName))
	for _, tool := range t.byName {
		for _, l := range [...]*learnt{tool.input, tool.output} {
			if l != nil && l.sum != [sha256.Size]byte{} {
				out[l.sum] = l
			}
		}
	}
	return out
}

// read returns the name and the schemas of an entry.
func read(entry []byte, known map[[sha256.Size]byte]*learnt) (name string, t tool) {
	for it := jsonrpc.Walk(entry); it.Next(); {
		switch {
		case it.Name.Is(entry, "name"):
			name = it.Value.Text(entry)
		case it.Name.Is(entry, "inputSchema"):
			t.input = remember(it.Value.Raw(entry), known)
		case it.Name.Is(entry, "outputSchema"):
			t.output = remember(it.Value.Raw(entry), known)
		}
	}
	return name, t
}

func remember(raw []byte, known map[[sha256.Size]byte]*learnt) *learnt {
	if len(raw) > maxSchemaBytes { // not even kept
		return &learnt{err: errTooLarge}
	}
	sum := sha256.Sum256(raw)
	l, ok := known[sum]
	if !ok {
		l = &learnt{sum: sum, length: len(raw), raw: bytes.Clone(raw)} // the message goes back to a pool
		known[sum] = l
	}
	return l
}

func same(a, b tool) bool { return sameSchema(a.input, b.input) && sameSchema(a.output, b.output) }

func sameSchema(a, b *learnt) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.sum == b.sum && (a.err == nil) == (b.err == nil) && a.sum != [sha256.Size]byte{}
}

// add counts the schemas of a tool that no other tool has too. Where there is
// no room for them the tool is kept as one whose schemas are too large.
func (t *table) add(name string, now tool, counted map[*learnt]bool) {
	size := 0
	for _, l := range [...]*learnt{now.input, now.output} {
		if l != nil && !counted[l] {
			size += l.length
		}
	}
	if t.size+size > maxLearntBytes {
		t.byName[name] = tool{input: &learnt{err: errTooLarge}}
		return
	}
	t.size += size
	counted[now.input], counted[now.output] = true, true
	t.byName[name] = now
}
