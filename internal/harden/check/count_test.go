package check

import "testing"

// leastRules is how many rules there are. It only grows.
const leastRules = 220

func TestThereAreEnoughRules(t *testing.T) {
	if n := len(Rules()); n < leastRules {
		t.Errorf("%d rules, want %d", n, leastRules)
	}
}
