package mcp

import "testing"

func TestSameID(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{`1`, `1`, true}, {`1`, `2`, false}, {`1`, `"1"`, false}, {`"a"`, `"a"`, true},
		{`"a/b"`, `"a\/b"`, true}, {`"é"`, `"\u00e9"`, true}, {`"a"`, `"b"`, false}, {``, ``, false}, {`1`, ``, false},
	} {
		if got := SameID([]byte(tc.a), []byte(tc.b)); got != tc.want {
			t.Errorf("SameID(%s, %s) = %t", tc.a, tc.b, got)
		}
	}
}
