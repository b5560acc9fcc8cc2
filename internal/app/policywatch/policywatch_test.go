package policywatch

import "testing"

func TestStateTriesEachContentOnce(t *testing.T) {
	s := State{InForce: "a"}
	if s.Due("a") || !s.Due("b") {
		t.Error("not what changed is due")
	}
	s.Refuse("b")
	if s.Due("b") || !s.Due("c") {
		t.Error("what was refused is tried again, or what is new is not")
	}
	if s.Due("a") || !s.Due("b") {
		t.Error("after the good content the bad one is not reported again")
	}
}
