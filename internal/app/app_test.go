package app

import (
	"net"
	"testing"
)

func TestReachableNamesAnAddressThatCanBeTyped(t *testing.T) {
	for listen, want := range map[string]string{
		"0.0.0.0:8080":   "localhost:8080",
		"[::]:8080":      "localhost:8080",
		"127.0.0.1:8080": "127.0.0.1:8080",
		"[::1]:8080":     "[::1]:8080",
	} {
		addr, err := net.ResolveTCPAddr("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		if got := reachable(addr); got != want {
			t.Errorf("reachable(%s) = %s, want %s", listen, got, want)
		}
	}
}
