package rule

import (
	"cmp"
	"fmt"
	"slices"
)

// Apply returns a text with edits of one file made. Edits may not overlap;
// insertions at one place keep their order.
func Apply(data []byte, edits []Edit) ([]byte, error) {
	sorted := slices.Clone(edits)
	slices.SortStableFunc(sorted, func(a, b Edit) int { return cmp.Compare(a.Start, b.Start) })
	var out []byte
	at := 0
	for _, e := range sorted {
		if e.Start < at || e.End < e.Start || e.End > len(data) {
			return nil, fmt.Errorf("editing %q: bytes %d to %d overlap others or are not there", e.File, e.Start, e.End)
		}
		out = append(out, data[at:e.Start]...)
		out = append(out, e.Text...)
		at = e.End
	}
	return append(out, data[at:]...), nil
}
