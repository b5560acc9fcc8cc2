package circuit

import (
	"testing"
)

func TestPublicKeyIsPoseidonOfCircomlib(t *testing.T) {
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParsePrivateKey([]byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	pub, err := s.PublicKey(k)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := pub.String(), "18586133768512220936620570745912940619677854269274689475585506675881198879027"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func BenchmarkWitness(b *testing.B) {
	s, err := Load()
	if err != nil {
		b.Fatal(err)
	}
	k, err := ParsePrivateKey([]byte("1"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.PublicKey(k); err != nil {
			b.Fatal(err)
		}
	}
}
