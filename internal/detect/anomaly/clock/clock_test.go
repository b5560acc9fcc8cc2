package clock

import (
	"testing"

	"pgregory.net/rapid"
)

type entry struct {
	key   int
	again bool
}

func (e *entry) Again() *bool { return &e.again }

func keyOf(e *entry) int { return e.key }

// TestWhoComesOnceGoesFirst: a flood of new keys does not push out those who
// come again.
func TestWhoComesOnceGoesFirst(t *testing.T) {
	table := New(100, keyOf)
	for i := range 50 {
		table.Add(i, &entry{key: i})
	}
	for i := range 10_000 {
		table.Add(1000+i, &entry{key: 1000 + i})
		if i%25 == 0 {
			for k := range 50 {
				if table.Find(k) == nil {
					t.Fatalf("%d was forgotten after %d new ones", k, i)
				}
			}
		}
		if table.Len() > 100 {
			t.Fatalf("%d entries", table.Len())
		}
	}
}

// TestTable: whatever is done, the table holds what was added and did not have
// to go, and no more than it may.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 8).Draw(t, "most")
		table, model := New(most, keyOf), map[int]*entry{}
		gone := func(e *entry) {
			if e == nil {
				return
			}
			if model[e.key] != e {
				t.Fatalf("%d goes and was not there", e.key)
			}
			delete(model, e.key)
		}
		for range rapid.IntRange(0, 80).Draw(t, "steps") {
			k := rapid.IntRange(0, 12).Draw(t, "key")
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				if e := model[k]; e != nil {
					table.Remove(e)
					delete(model, k)
				}
			case 1:
				most = rapid.IntRange(1, 8).Draw(t, "most")
				table.Resize(most, gone)
			case 2:
				table.See(k)
			default:
				if table.Find(k) != model[k] {
					t.Fatalf("%d: found %v, want %v", k, table.Find(k), model[k])
				}
				if model[k] == nil {
					e := &entry{key: k}
					gone(table.Add(k, e))
					model[k] = e
				}
			}
			seen := 0
			table.Each(func(e *entry) {
				if seen++; table.Peek(e.key) != e {
					t.Fatalf("%d stands in the ring only", e.key)
				}
			})
			if seen != len(model) || table.Len() != seen || seen > most {
				t.Fatalf("%d in the ring, %d by key, want %d, at most %d", seen, table.Len(), len(model), most)
			}
		}
	})
}
