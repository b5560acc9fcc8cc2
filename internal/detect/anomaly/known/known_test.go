package known

import "testing"

func TestNames(t *testing.T) {
	var n Names
	for i := range 10 {
		hash := uint64(i+1) * 0x9e3779b97f4a7c15
		if !n.Note(hash) || n.Note(hash) {
			t.Errorf("name %d", i)
		}
	}
	if c := n.Count(); c < 8 || c > 12 {
		t.Errorf("10 names count as %d", c)
	}
}

func TestCountries(t *testing.T) {
	var c Countries
	for _, step := range []struct {
		country string
		isNew   bool
	}{{"DE", false}, {"FR", true}, {"DE", false}, {"", false}, {"EUR", false}, {"NL", true}, {"BE", true}, {"LU", true}, {"FR", true}, {"LU", false}} {
		if got := c.Visit(step.country); got != step.isNew {
			t.Errorf("%s is new: %t; known %x", step.country, got, c)
		}
	}
}
